/**
 * Payloads and inputs that misbehave, one task each at one service: every fault ends as documented,
 * the range's neighbours are done, and the reason stands in `show` and `explain`.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { node, payload, type TaskObject, until, useBench, writeTask } from "./support/bench.ts";
import { expectFinal, type TaskDocument } from "./support/documents.ts";
import { Serving } from "./support/serving.ts";

const bench = useBench();
const serving = new Serving(bench);
const TIMEOUT_MS = 120_000;
const PROGRAM = payload("misbehaving.ts");
const EVENTS = 12;
const BAD_RANGE = 1;
const SLOW_START_SECONDS = Number(process.env["JUMBO_SLOW_START_SECONDS"] ?? 5);

beforeAll(async () => {
  await serving.start();
  serving.pilot(4);
});
afterAll(() => serving.stop());

/** Submits, waits for the end, and returns the document with the merged lines. */
async function finish(
  task: TaskObject,
  code: number,
  meanwhile?: () => Promise<void>,
): Promise<{ document: TaskDocument; lines: string[] }> {
  const folder = bench.place();
  const id = await serving.submit(writeTask(folder, task), { cwd: folder });
  await meanwhile?.();
  const document = await serving.wait(id, code, TIMEOUT_MS);
  const text = readFileSync(document.files[0]?.path ?? "", "utf8");
  return { document, lines: text.split("\n").filter((line) => line !== "") };
}

/** What people see of a failed range. */
async function expectReason(task: TaskDocument, range: number, reason: RegExp): Promise<void> {
  expect(task.failures.map((each) => each.reason).join("\n")).toMatch(reason);
  const shown = await serving.ask(["show", `${task.id}`]);
  expect(shown.stdout).toMatch(reason);
  expect(await serving.explain(task.id, range)).toMatch(reason);
}

const numbersOf = (lines: readonly string[]) =>
  lines.map((line) => (JSON.parse(line) as { event: number }).event);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

function faultyTask(mode: "once" | "stream", fault: string, keys: object): TaskObject {
  const words = [node, PROGRAM, mode, fault];
  const command = mode === "once" ? [...words, "{start}", "{count}", "{output}"] : words;
  return {
    name: `${mode}-${fault.replace("=", "-")}`,
    input: { count: EVENTS },
    eventsPerRange: 3,
    payload: { command, mode, ...keys },
    output: { name: "lines.jsonl", merge: "jsonl", recordsPerEvent: 1 },
    attempts: 2,
  };
}

const hangs = { timeoutSeconds: 1 };

test.concurrent.each([
  ["once", "nothing", /is missing \(exit 0 is no proof/, {}],
  ["once", "empty", /is empty/, {}],
  ["once", "short", /has 2 records \(3 are expected/, {}],
  ["once", "exit", /exit 9: cannot read event 5/, {}],
  ["once", "hang", /timed out after 1 s: waiting for ever/, hangs],
  ["stream", "foreign", /answered for a range that it was not given/, {}],
  ["stream", "prefix", /answered for a range that it was not given/, {}],
  ["stream", "dies", /exit 7\): segmentation violation/, {}],
  ["stream", "hang", /timed out after 1 s/, hangs],
  ["stream", "few-events", /did 2 events \(the range has 3\)/, {}],
] as const)(
  "%s, %s: the range fails after its attempts",
  { timeout: TIMEOUT_MS },
  async (mode, fault, reason, keys) => {
    const { document, lines } = await finish(faultyTask(mode, fault, keys), 1);
    expect(document.state).toBe("failed");
    expectFinal(document, 3, 1);
    expect(document.attempts).toBe(5);
    expect(numbersOf(lines)).toEqual([0, 1, 2, 6, 7, 8, 9, 10, 11]);
    await expectReason(document, BAD_RANGE, reason);
  },
);

test.concurrent("stream, fatal: the range fails at its first start", {
  timeout: TIMEOUT_MS,
}, async () => {
  const { document, lines } = await finish(faultyTask("stream", "fatal", {}), 1);
  expectFinal(document, 3, 1);
  expect(document.attempts).toBe(4);
  expect(numbersOf(lines)).toEqual([0, 1, 2, 6, 7, 8, 9, 10, 11]);
  await expectReason(document, BAD_RANGE, /reported failure 21: no such branch/);
});

test.concurrent.each([
  ["once", "flood"],
  ["stream", "flood"],
  ["stream", "chatter"],
  ["stream", "twice"],
  ["stream", "dies-after-done"],
  ["stream", `slow-start=${SLOW_START_SECONDS}`],
] as const)(
  "%s, %s: everything is done, in one start each",
  { timeout: TIMEOUT_MS },
  async (mode, fault) => {
    const { document, lines } = await finish(faultyTask(mode, fault, {}), 0);
    expectFinal(document, 4);
    expect(document.attempts).toBe(4);
    expect(numbersOf(lines)).toEqual(upTo(EVENTS));
    if (fault.startsWith("slow")) expect(document.seconds).toBeGreaterThan(SLOW_START_SECONDS);
  },
);

test.concurrent.each([
  [
    "is not there",
    ["no-such-program-anywhere"],
    /can't be started: no-such-program-anywhere \(not found on PATH/,
  ],
  [
    "ends before it is ready",
    ["sh", "-c", "echo no licence >&2; exit 1"],
    /exit 1 before it was ready: no licence/,
  ],
] as const)(
  "a stream program that %s fails all of 200 ranges within seconds",
  { timeout: TIMEOUT_MS },
  async (_what, command, reason) => {
    const task = faultyTask("stream", `absent-${command.length}`, { command });
    const { document, lines } = await finish({ ...task, input: { count: 600 } }, 1);
    expectFinal(document, 0, 200);
    expect(document.attempts).toBe(400);
    expect(lines).toEqual([]);
    expect(document.seconds).toBeLessThan(40);
    await expectReason(document, 199, reason);
  },
);

/** A task that hands each slice on as it is, over JSONL files `name: number of events`. */
function copyTask(
  folder: string,
  files: Record<string, number>,
  listed: readonly string[],
  script = 'cp "$2" "$3"',
): TaskObject {
  for (const [name, events] of Object.entries(files)) {
    const lines = upTo(events).map((event) => `{"event":${event},"file":"${name}"}\n`);
    writeFileSync(join(folder, name), lines.join(""));
  }
  return {
    name: `copy-${folder.split("/").at(-1)}`,
    input: { files: listed.map((name) => join(folder, name)) },
    eventsPerRange: 2,
    payload: { command: ["sh", "-c", script, "sh", "{file}", "{slice}", "{output}"] },
    output: { name: "copy.jsonl", merge: "jsonl", recordsPerEvent: 1 },
    attempts: 2,
  };
}

test.concurrent("an input replaced by a truncated copy in mid-task fails what is left of it", {
  timeout: TIMEOUT_MS,
}, async () => {
  const folder = bench.place();
  const files = { "a.jsonl": 80, "b.jsonl": 6 };
  const script = `case "$1" in *a.jsonl) echo x >> ${folder}/starts; sleep 0.2;; esac; cp "$2" "$3"`;
  const task = copyTask(folder, files, ["a.jsonl", "b.jsonl"], script);
  const { document, lines } = await finish(task, 1, async () => {
    const starts = join(folder, "starts");
    await until("starts", () => {
      try {
        return readFileSync(starts, "utf8").length >= 24;
      } catch {
        return false;
      }
    });
    const cut = readFileSync(join(folder, "a.jsonl"), "utf8").slice(0, 600);
    writeFileSync(join(folder, "a.cut"), cut);
    renameSync(join(folder, "a.cut"), join(folder, "a.jsonl"));
  });
  const done = document.ranges.done;
  expectFinal(document, done, 43 - done);
  expect(done).toBeGreaterThan(3);
  expect(done).toBeLessThan(43);
  expect(lines.filter((line) => line.includes("b.jsonl")).length).toBe(6);
  // What was done before is what the file held then.
  const ofA = numbersOf(lines.filter((line) => line.includes("a.jsonl")));
  expect(ofA.length).toBe(2 * (done - 3));
  await expectReason(document, 39, /a\.jsonl has 600 bytes/);
});

test.concurrent("a file listed twice is two instances, an empty one among others none", {
  timeout: TIMEOUT_MS,
}, async () => {
  const folder = bench.place();
  const files = { "a.jsonl": 5, "empty.jsonl": 0, "b.jsonl": 3 };
  const task = copyTask(folder, files, ["a.jsonl", "empty.jsonl", "a.jsonl", "b.jsonl"]);
  const { document, lines } = await finish(task, 0);
  expectFinal(document, 3 + 3 + 2);
  expect(numbersOf(lines)).toEqual([...upTo(5), ...upTo(5), ...upTo(3)]);
});

test.concurrent("ranges of 50 events on a file of 6 are one range of 6", {
  timeout: TIMEOUT_MS,
}, async () => {
  const folder = bench.place();
  const task = { ...copyTask(folder, { "a.jsonl": 6 }, ["a.jsonl"]), eventsPerRange: 50 };
  const { document, lines } = await finish(task, 0);
  expectFinal(document, 1);
  expect(document.events.done).toBe(6);
  expect(numbersOf(lines)).toEqual(upTo(6));
});

test.concurrent("one file of three that the payload can't open fails alone", {
  timeout: TIMEOUT_MS,
}, async () => {
  const folder = bench.place();
  const files = { "a.jsonl": 4, "b.jsonl": 4, "c.jsonl": 4 };
  const script = 'case "$1" in *b.jsonl) echo "cannot open $1" >&2; exit 5;; esac; cp "$2" "$3"';
  const task = copyTask(folder, files, Object.keys(files), script);
  const { document, lines } = await finish(task, 1);
  expectFinal(document, 4, 2);
  expect(lines.map((line) => line.includes("b.jsonl"))).toEqual(Array(8).fill(false));
  expect(numbersOf(lines)).toEqual([...upTo(4), ...upTo(4)]);
  await expectReason(document, 2, /exit 5: cannot open .*b\.jsonl/);
});
