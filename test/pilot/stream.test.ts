import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { COUNT_RULE, OUTCOME } from "../../src/wire/index.ts";
import type { ReportedRange } from "../helpers/scripted-engine.ts";
import { useHarness } from "./harness.ts";

const h = useHarness();

/**
 * A stream payload in one file. `say` writes a line, `done` writes the output and answers; each
 * test's `onRange` decides what happens to a range.
 */
function payload(onRange: string, before = "say({ hello: { protocol: 1, slots: 1 } }); ready();") {
  return h.script(
    `payload${Math.random()}.mjs`,
    `import { createInterface } from "node:readline";
import { appendFileSync, createReadStream, writeFileSync, writeSync } from "node:fs";
const fd3 = process.argv[2] === "fd3";
const log = (text) => writeSync(1, text);
const say = (value) => writeSync(fd3 ? 4 : 1, JSON.stringify(value) + "\\n");
const ready = () => say({ ready: 1 });
const done = (range, extra = {}) => {
  writeFileSync(range.output, "range " + range.start + "+" + range.count + "\\n");
  const outputs = [{ path: range.output }];
  say({ done: { id: range.id, outputs, events: range.count, cpu: 0.5, wall: 1, ...extra } });
};
let number = 0;
const onRange = (range) => { number++; ${onRange} };
const input = fd3 ? createReadStream("", { fd: 3 }) : process.stdin;
createInterface({ input }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.range) onRange(message.range);
  else if (message.cancel) globalThis.onCancel?.(message.cancel);
  else if (message.stop) { globalThis.onStop?.(); process.exit(0); }
});
${before}
`,
  );
}

function stream(onRange: string, more: Record<string, unknown> = {}, before?: string) {
  const command = [process.execPath, payload(onRange, before), ...((more["args"] as []) ?? [])];
  const { events = 100, ...info } = more as { events?: number };
  const id = h.engine.tasks.size + 1;
  return h.engine.addTask(id, events, { mode: "stream", command, ...info });
}

const byRange = (reports: ReportedRange[]) => reports.toSorted((a, b) => a.range - b.range);
const outcomes = (reports: ReportedRange[]) => byRange(reports).map((each) => each.outcome);
const { done: D, failed: F } = OUTCOME;

test("one process works through many ranges, with log lines between its words", async () => {
  const task = stream(
    'log("log text\\n{broken json\\n{\\"level\\":\\"info\\"}\\n[1]\\n\\n"); done(range); ready();',
    { eventsPerRange: 7, events: 100 },
    `appendFileSync(${JSON.stringify(join(h.folder, "starts"))}, "x"); log("no newline before "); log("hello\\n"); say({ hello: { protocol: 1, slots: 1 } }); ready();`,
  );
  h.engine.offer(task, 0, 15);
  const { pilot, ended } = h.pilot({ slots: 1 });
  const reports = byRange(await h.engine.reported(15));
  expect(outcomes(reports)).toEqual(Array(15).fill(D));
  expect(await h.engine.output(reports[14]!)).toBe("range 98+2\n");
  pilot.drain("test", null);
  expect(await ended).toMatchObject({ accepted: 15, exitCode: 0 });
  expect(readFileSync(join(h.folder, "starts"), "utf8")).toBe("x");
  expect(h.engine.of("exchange").length).toBeGreaterThan(3);
});

test("a range comes with everything that 1-domain lists, over fd 3 and 4 too", async () => {
  const seen = join(h.folder, "seen");
  const task = stream(
    `log("printing is free\\n"); writeFileSync(${JSON.stringify(seen)}, JSON.stringify(range)); done(range); ready();`,
    { channel: "fd3", args: ["fd3"], eventsPerRange: 10, events: 95, timeoutSeconds: 60 },
  );
  h.engine.offer(task, 9, 1, 2);
  h.pilot();
  const [report] = await h.engine.reported(1);
  expect(report).toMatchObject({ outcome: D, attempt: 2 });
  const range = JSON.parse(readFileSync(seen, "utf8"));
  expect(range).toMatchObject({
    file: "",
    tree: "",
    start: 90,
    count: 5,
    offset: null,
    bytes: null,
  });
  expect(range).toMatchObject({ slice: "", seed: "18446744073709551615", range: 9, attempt: 2 });
  expect(range.deadline).toBeGreaterThan(Date.now() / 1000);
  expect(range.output).toMatch(/e3-l1-r9-a2\/out\.txt$/);
  expect(typeof range.id).toBe("string");
});

test("an id that is the start of another one is another range", async () => {
  // Keeps 1 and 10 and 100 and answers in the other order.
  const task = stream(
    "(globalThis.kept ??= []).push(range); if (kept.length < 3) ready(); else kept.reverse().forEach((each) => done(each));",
    { events: 200 },
  );
  for (const first of [1, 10, 100]) h.engine.offer(task, first, 1);
  h.pilot({ slots: 1 });
  const reports = byRange(await h.engine.reported(3));
  expect(reports.map((each) => [each.range, each.outcome])).toEqual([
    [1, D],
    [10, D],
    [100, D],
  ]);
  expect(await h.engine.output(reports[1]!)).toBe("range 10+1\n");
});

test("a wrong number of events, records or bytes, or a foreign output, fails that range alone", async () => {
  const cases = [
    "done(range, { events: range.count - 1 });",
    "done(range, { outputs: [{ path: range.output, bytes: 3 }] });",
    'const f = range.output.replace("out.txt", "../../foreign"); writeFileSync(f, "x"); done(range, { outputs: [{ path: f }] });',
    'done(range, { outputs: [{ path: "../x" }] });',
    "say({ done: { id: range.id, events: range.count } });",
    'say({ failed: { id: range.id, code: 65, message: "bad event", fatal: false } });',
    'say({ failed: { id: range.id, message: "never", fatal: true } });',
    "done(range);",
  ];
  const script = `[${cases.map((each) => `() => { ${each} }`).join(",")}][range.range](); ready();`;
  const countRule = { kind: COUNT_RULE.lines, skip: 0, prefix: "" };
  const task = stream(script, { events: 8, recordsPerEvent: 1, countRule });
  h.engine.offer(task, 0, 8);
  h.pilot({ slots: 1 });
  const reports = byRange(await h.engine.reported(8));
  expect(outcomes(reports)).toEqual([F, F, F, F, F, F, OUTCOME.fatal, D]);
  const reasons = reports.map((each) => each.reason);
  expect(reasons[0]).toMatch(/did 0 events \(the range has 1\)/);
  expect(reasons[1]).toMatch(/has 10 bytes \(its payload reported 3\)/);
  expect(reasons[2]).toMatch(/lies outside the range's folder/);
  expect(reasons[3]).toMatch(/lies outside the range's folder/);
  expect(reasons[4]).toMatch(/missing/);
  expect(reasons[5]).toBe("payload reported failure 65: bad event");
});

test("an answer twice drops the process: what it had open fails, what it had done stands", async () => {
  const task = stream(
    "if (range.range === 0) { done(range); ready(); globalThis.first = range; } " +
      "else if (range.range === 1) { say({ done: { id: first.id, events: 1 } }); } else { done(range); ready(); }",
    { events: 4 },
  );
  h.engine.offer(task, 0, 4);
  h.pilot({ slots: 1 });
  const reports = byRange(await h.engine.reported(4));
  expect(outcomes(reports)).toEqual([D, F, D, D]);
  expect(reports[1]?.reason).toMatch(/^payload was lost \(it answered for a range that it was not/);
});

test("an answer for a range that it was not given drops the process", async () => {
  const task = stream(
    'if (range.range === 1) done({ ...range, id: range.id + "0" }); else { done(range); ready(); }',
    { events: 3 },
  );
  h.engine.offer(task, 0, 3);
  h.pilot({ slots: 1 });
  const reports = byRange(await h.engine.reported(3));
  expect(outcomes(reports)).toEqual([D, F, D]);
  expect(reports[1]?.reason).toMatch(/that it was not given/);
});

test("a process that dies after done costs nothing; one that dies in a range costs that range", async () => {
  const task = stream(
    'if (range.range === 1) { done(range); process.exit(0); } if (range.range === 2) { process.stderr.write("boom\\n"); process.exit(7); } done(range); ready();',
    { events: 5 },
  );
  h.engine.offer(task, 0, 5);
  h.pilot({ slots: 1 });
  const reports = byRange(await h.engine.reported(5));
  expect(outcomes(reports)).toEqual([D, D, F, D, D]);
  expect(reports[2]?.reason).toBe("payload was lost (payload ended with exit 7): boom");
});

test("a hang past the timeout stops the process, not its neighbours", async () => {
  const task = stream("if (range.range !== 1) { done(range); ready(); }", {
    events: 4,
    timeoutSeconds: 0.5,
  });
  h.engine.offer(task, 0, 4);
  h.pilot({ slots: 1 });
  const reports = byRange(await h.engine.reported(4));
  expect(outcomes(reports)).toEqual([D, F, D, D]);
  expect(reports[1]?.reason).toMatch(/^timed out after 0\.5 s/);
});

test("a slow start is waited for and charges nothing; the timeout counts from the range on", async () => {
  const task = stream(
    "done(range); ready();",
    { events: 3, timeoutSeconds: 0.5 },
    "say({ hello: { protocol: 1, slots: 1 } }); setTimeout(ready, 1500);",
  );
  h.engine.offer(task, 0, 3);
  h.pilot({ slots: 1 });
  await new Promise((wait) => setTimeout(wait, 800));
  expect(h.engine.startedRanges()).toEqual([]);
  expect(outcomes(await h.engine.reported(3))).toEqual([D, D, D]);
});

test("a process that never gets ready charges one range a try, and says why", async () => {
  const crash = stream(
    "",
    { events: 2 },
    'process.stderr.write("no licence\\n"); process.exit(4);',
  );
  const absent = h.engine.addTask(9, 1, { mode: "stream", command: ["no-such-program"] });
  const mute = stream("", { events: 1 }, "say({ ready: 1 });");
  h.engine.offer(crash, 0, 2);
  h.engine.offer(absent, 0, 1);
  h.engine.offer(mute, 0, 1);
  h.pilot({ slots: 4 });
  const reports = await h.engine.reported(4);
  expect(outcomes(reports)).toEqual([F, F, F, F]);
  const reason = (task: number) => reports.find((each) => each.task === task)?.reason;
  expect(reason(crash)).toBe("payload ended with exit 4 before it was ready: no licence");
  expect(reason(absent)).toMatch(/can't be started: no-such-program/);
  expect(reason(mute)).toMatch(/first word was ready, not hello/);
});

test("a process that answers and never takes more is replaced after the timeout", async () => {
  const task = stream("done(range);", { events: 3, timeoutSeconds: 0.4 });
  h.engine.offer(task, 0, 2);
  h.pilot({ slots: 1 });
  expect(outcomes(await h.engine.reported(2))).toEqual([D, D]);
});

test("an output that goes away after done fails its range, not the pilot", async () => {
  const task = stream(
    'done(range); if (range.range === 0) import("node:fs").then((fs) => fs.rmSync(range.output, { force: true })); ready();',
    { events: 3 },
  );
  h.engine.offer(task, 0, 3);
  const { pilot, ended } = h.pilot({ slots: 1 });
  const reports = byRange(await h.engine.reported(3));
  expect(outcomes(reports).slice(1)).toEqual([D, D]);
  pilot.drain("test", null);
  expect(await ended).toMatchObject({ exitCode: 0, lost: 0 });
});

test("several credits keep several ranges in one process; its death costs exactly those", async () => {
  const task = stream(
    "if (range.range < 3) { done(range); ready(); } else if (number === 6) process.exit(1);",
    { events: 9 },
    "say({ hello: { protocol: 1, slots: 3 } }); say({ ready: 3 });",
  );
  h.engine.offer(task, 0, 6);
  h.pilot({ slots: 1 });
  expect(outcomes(await h.engine.reported(6))).toEqual([D, D, D, F, F, F]);
});

test("an endless line and a flood of log text don't fill the memory or block", async () => {
  const task = stream(
    'const block = "x".repeat(1 << 20); for (let i = 0; i < 40; i++) log(block); log("\\n"); done(range); ready();',
    { events: 2 },
  );
  h.engine.offer(task, 0, 2);
  h.pilot({ slots: 1 });
  expect(outcomes(await h.engine.reported(2))).toEqual([D, D]);
});

test("an idle process makes room for another task, and is asked to stop politely", async () => {
  const mark = join(h.folder, "stopped");
  const first = stream(
    `globalThis.onStop = () => writeFileSync(${JSON.stringify(mark)}, "yes"); done(range); ready();`,
    { events: 1 },
  );
  h.engine.offer(first, 0, 1);
  h.pilot({ slots: 1 });
  await h.engine.reported(1);
  expect(existsSync(mark)).toBe(false);
  const second = stream("done(range); ready();", { events: 1 });
  h.engine.offer(second, 0, 1);
  expect(outcomes(await h.engine.reported(2))).toEqual([D, D]);
  expect(readFileSync(mark, "utf8")).toBe("yes");
});

test("slices are written for a stream unless its hello declines them", async () => {
  const input = h.script("input.txt", "0123456789");
  for (const [hello, expected] of [
    [{ protocol: 1 }, "234"],
    [{ protocol: 1, slice: false }, ""],
  ] as const) {
    const seen = join(h.folder, `slice${expected}`);
    const task = stream(
      `import("node:fs").then((fs) => { fs.writeFileSync(${JSON.stringify(seen)}, range.slice && fs.readFileSync(range.slice)); done(range); ready(); });`,
      { events: 1 },
      `say(${JSON.stringify({ hello })}); ready();`,
    );
    h.engine.files[h.engine.files.length - 1] = {
      ...h.engine.files.at(-1)!,
      path: input,
    };
    h.engine.offsets.push({ task, first: 0, offsets: Float64Array.of(2, 5) });
    h.engine.offer(task, 0, 1);
    if (expected !== "") h.pilot({ slots: 2 });
    await h.engine.until("report", () => h.engine.reports.some((each) => each.task === task));
    expect(readFileSync(seen, "utf8")).toBe(expected);
  }
});
