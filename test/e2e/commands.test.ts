/** Every command in its three styles, and every exit code that can be reached from outside. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readAccessFile } from "../../src/base/index.ts";
import { expectCode, until, useBench, writeTask } from "./support/bench.ts";
import { countedTask, countedText, startsByRange } from "./support/counted.ts";
import { documentOf, expectFinal, type TaskDocument } from "./support/documents.ts";
import { Serving } from "./support/serving.ts";

const bench = useBench();
const TIMEOUT_MS = 90_000;
const EVENTS = 40;

describe("a service", () => {
  const serving = new Serving(bench);
  let first: TaskDocument;
  let second: TaskDocument;

  beforeAll(async () => {
    await serving.start(["--listen", "127.0.0.1:0"]);
    const submit = async (name: string, mode: "once" | "stream") => {
      const folder = bench.place();
      const task = countedTask({ name, mode, events: EVENTS, eventsPerRange: 10 });
      return await serving.submit(writeTask(folder, task), { cwd: folder });
    };
    const ids = [await submit("first", "stream"), await submit("second", "once")];
    expect(ids).toEqual([1, 2]);
    const waiting = Promise.all(ids.map((id) => serving.wait(id)));
    serving.pilot(2);
    [first, second] = (await waiting) as [TaskDocument, TaskDocument];
  }, TIMEOUT_MS);
  afterAll(() => serving.stop());

  test("does two tasks at once, each into the folder that it was submitted from", () => {
    for (const document of [first, second]) {
      expectFinal(document, 4);
      expect(document).toMatchObject({ schema: "task/1", state: "done", attempts: 4 });
      expect(readFileSync(document.files[0]?.path ?? "", "utf8")).toBe(countedText(EVENTS));
    }
    expect(first.files[0]?.path).not.toBe(second.files[0]?.path);
  });

  test("keeps its access file to its owner", () => {
    const path = join(serving.store, "access.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readAccessFile(path).pilots).toHaveLength(2);
  });

  /** The three styles of a command. */
  async function styles(args: readonly string[], code = 0): Promise<[string, unknown, string]> {
    const [text, json, quiet] = await Promise.all(
      ["text", "json", "quiet"].map((style) => serving.ask([...args, "--output", style])),
    );
    for (const finished of [text, json, quiet]) {
      if (finished) expectCode(finished, code);
      expect(finished?.stderr).toBe("");
    }
    return [text?.stdout ?? "", JSON.parse(json?.stdout ?? ""), quiet?.stdout ?? ""];
  }

  test("list", { timeout: TIMEOUT_MS }, async () => {
    const [text, json, quiet] = await styles(["list"]);
    expect(text).toMatch(/^id +name +state[\s\S]*first +done +40\/40/);
    expect(json).toMatchObject({ schema: "tasks/1", tasks: [{ id: 1 }, { id: 2 }] });
    expect(quiet).toBe("1\n2\n");
  });

  test("show, by name and by number", { timeout: TIMEOUT_MS }, async () => {
    const [text, json, quiet] = await styles(["show", "first"]);
    expect(text).toMatch(/task 1 +first +done[\s\S]*40 of 40 done/);
    // Beside the task itself: its forecast, and where core-seconds went.
    expect(json).toMatchObject({ ...first, forecast: { seconds: 0 }, allocationsLeft: 0 });
    const { useful, startup, edge, idle, total } = (json as { split: Record<string, number> })
      .split as { useful: number; startup: number; edge: number; idle: number; total: number };
    expect(useful + startup + edge + idle).toBeCloseTo(total, 6);
    expect(total).toBeGreaterThan(0);
    expect(text).toMatch(/cores +\d+ core-s: [\d.]+ % useful/);
    expect(quiet).toBe("done\n");
    expect(await serving.show(2)).toMatchObject(second);
  });

  test("watch and wait end with the task's end", { timeout: TIMEOUT_MS }, async () => {
    for (const command of ["watch", "wait"]) {
      const [text, json, quiet] = await styles([command, "first"]);
      expect(text).toMatch(/task 1 +first +done/);
      expect(json).toMatchObject(first);
      expect(quiet).toBe("done\n");
    }
  });

  test("explain, a task and a range", { timeout: TIMEOUT_MS }, async () => {
    const [text, json, quiet] = await styles(["explain", "first"]);
    expect(text).toMatch(/^task 1 "first" is done: 0 ready, 0 leased, 4 done/);
    expect((json as { lines: string[] }).lines.join("\n")).toBe(text.trimEnd());
    expect(quiet.split("\n")[0]).toBe(text.split("\n")[0]);
    expect(await serving.explain(1, 3)).toMatch(
      /range 3: 10 event\(s\) of the count, from event 30/,
    );
  });

  test("verify", { timeout: TIMEOUT_MS }, async () => {
    const [text, json, quiet] = await styles(["verify", "first"]);
    expect(text).toMatch(/exactly once: proven for task first/);
    expect(json).toMatchObject({ schema: "certificate/1", ok: true });
    expect(quiet).toBe("ok\n");
    const byPath = await serving.ask(["verify", first.manifest, "--output", "quiet"]);
    expect(byPath).toMatchObject({ code: 0, stdout: "ok\n" });
  });

  test("verify finds a result that was changed afterwards", { timeout: TIMEOUT_MS }, async () => {
    const path = second.files[0]?.path ?? "";
    const whole = readFileSync(path, "utf8");
    writeFileSync(path, whole.replace("draw", "dram"));
    const finished = await serving.ask(["verify", "second"]);
    writeFileSync(path, whole);
    expectCode(finished, 1);
    expect(finished.stdout).toMatch(/exactly once: NOT proven/);
  });

  test("export", { timeout: TIMEOUT_MS }, async () => {
    const [text, json, quiet] = await styles(["export", "first", "--to", "ranges.arrow"]);
    const path = join(serving.folder, "ranges.arrow");
    expect(text).toContain(path);
    expect(json).toEqual({ schema: "export/1", path });
    expect(quiet).toBe(`${path}\n`);
    const table = tableFromIPC(readFileSync(path));
    expect(table.schema.fields.map((field) => field.name)).toContain("attempts");
    expect(table.numRows).toBeGreaterThan(0);
  });

  test("token: made, listed, used within its scope, revoked", { timeout: TIMEOUT_MS }, async () => {
    const make = ["token", "create", "--owner", "ann", "--scope", "read", "--output", "json"];
    const made = documentOf<{ id: string; token: string; schema: string }>(await serving.ask(make));
    expect(made.schema).toBe("token/1");
    const listed = await serving.ask(["token", "list", "--output", "quiet"]);
    expect(listed.stdout.split("\n")).toContain(made.id);
    expect(listed.stdout).not.toContain(made.token);
    const access = readAccessFile(join(serving.store, "access.json"));
    const path = join(serving.folder, "ann.json");
    writeFileSync(path, JSON.stringify({ ...access, token: made.token }), { mode: 0o600 });
    const asAnn = (args: string[]) => bench.jumbo(args, { env: { JUMBO_ACCESS: path } });
    expectCode(await asAnn(["list"]), 0);
    const task = countedTask({ name: "anns", mode: "once", events: 1, eventsPerRange: 1 });
    const refused = await asAnn(["submit", writeTask(bench.place(), task)]);
    expectCode(refused, 4);
    expect(refused.stderr).toMatch(/^jumbo: error: /);
    expectCode(await serving.ask(["token", "revoke", made.id]), 0);
    expectCode(await asAnn(["list"]), 4);
    expect(refused.stderr).not.toContain(made.token);
  });

  test("cancel ends an open task at once; nothing can wait for it in vain", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const task = countedTask({
      name: "long",
      mode: "once",
      events: 1000,
      eventsPerRange: 1,
      millisecondsPerRange: 5_000,
    });
    const id = await serving.submit(writeTask(bench.place(), task));
    const waiting = serving.ask(["wait", String(id), "--output", "quiet"]);
    await until("leases", async () => (await serving.show(id)).ranges.leased > 0);
    const [text, json, quiet] = await styles(["cancel", String(id)]);
    expect(text).toMatch(/task \d+ +long +cancelled/);
    expect(json).toMatchObject({ state: "cancelled", ranges: { ready: 0, leased: 0 } });
    expect(quiet).toBe("cancelled\n");
    const waited = await waiting;
    expect(waited).toMatchObject({ code: 1, stdout: "cancelled\n" });
  });

  test("retry takes failed ranges up again, and merges again", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const folder = bench.place();
    const script = 'test -e "$1" || exit 3; echo "{\\"event\\":$2}" > "$3"';
    const ready = join(folder, "ready");
    const id = await serving.submit(
      writeTask(folder, {
        name: "flaky",
        input: { count: 5 },
        payload: { command: ["sh", "-c", script, "sh", ready, "{start}", "{output}"] },
        output: { name: "flaky.jsonl", merge: "jsonl", recordsPerEvent: 1 },
        attempts: 1,
      }),
      { cwd: folder },
    );
    const failed = await serving.wait(id, 1);
    expectFinal(failed, 0, 5);
    expect(failed.failures).toMatchObject([{ ranges: 5, example: 0 }]);
    writeFileSync(ready, "");
    const retried = await serving.ask(["retry", String(id), "--output", "quiet"]);
    expect(retried).toMatchObject({ code: 0, stdout: "5\n" });
    const document = await serving.wait(id);
    expectFinal(document, 5);
    expect(document.attempts).toBe(10);
    const merged = readFileSync(join(folder, "flaky.jsonl"), "utf8");
    expect(merged.trimEnd().split("\n")).toHaveLength(5);
    expectCode(await serving.ask(["verify", String(id)]), 0);
  });

  test("exit codes 2, 3, 4, 6 and 7, each with one line that says why", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const other = countedTask({ name: "first", mode: "once", events: 7, eventsPerRange: 1 });
    const idle = countedTask({
      name: "idle",
      mode: "once",
      events: 1,
      eventsPerRange: 1,
      more: { payload: { command: ["true"], cores: 1000 } },
    });
    const waits = await serving.submit(writeTask(bench.place(), idle));
    const cases: [number, string[]][] = [
      [2, ["show"]],
      [2, ["no-such-command"]],
      [2, ["list", "--output", "xml"]],
      [2, ["wait", "first", "--timeout", "soon"]],
      [3, ["show", "no-such-task"]],
      [3, ["explain", "first", "99"]],
      [6, ["wait", String(waits), "--timeout", "1s"]],
      [7, ["submit", writeTask(bench.place(), other)]],
    ];
    const all = await Promise.all(cases.map(([, args]) => serving.ask(args)));
    all.forEach((finished, i) => {
      expectCode(finished, cases[i]?.[0] as number);
      expect(finished.stderr).toMatch(/^jumbo: error: /);
    });
    expect(await serving.explain(waits)).toMatch(/needs 1000 cores a slot/);
    expectCode(await serving.ask(["cancel", String(waits)]), 0);
  });
});

describe("a run", () => {
  const task = (events: number) => countedTask({ mode: "stream", events, eventsPerRange: 10 });
  const flags = ["--inline", "--slots", "2", "--output", "json"];

  test("prints in three styles, with progress on standard error", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const folder = bench.place();
    const args = ["run", writeTask(folder, task(EVENTS)), "--inline", "--results", folder];
    const [text, quiet] = await Promise.all([
      bench.jumbo(args),
      bench.jumbo([
        "run",
        writeTask(bench.place(), task(EVENTS)),
        ...args.slice(2, 3),
        "--results",
        bench.place(),
        "--output",
        "quiet",
      ]),
    ]);
    expectCode(text, 0);
    expect(text.stdout).toMatch(/task 1 +counted +done[\s\S]*exactly once: proven/);
    expect(text.stderr).toMatch(/counted +\[[#.]+\]/);
    expectCode(quiet, 0);
    expect(quiet.stdout).toMatch(/^\/.*\/counted\.jsonl\n$/);
    expect(quiet.stderr).toBe("");
    // A temporary store leaves nothing behind.
    expect(readdirSync(bench.folder).filter((name) => name.startsWith("jumbo-run-"))).toEqual([]);
  });

  test("continues on its store; the same name with other content is a conflict", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const folder = bench.place();
    const starts = join(folder, "starts");
    const counted = (events: number) =>
      countedTask({ mode: "stream", events, eventsPerRange: 10, starts });
    const place = ["--store", join(folder, "store"), "--results", folder];
    const args = ["run", writeTask(folder, counted(EVENTS)), ...place, ...flags];
    const first = documentOf(await bench.jumbo(args));
    const again = documentOf(await bench.jumbo(args));
    expect({ ...again, seconds: 0 }).toEqual({ ...first, seconds: 0 });
    expect([...startsByRange(starts).values()]).toEqual([1, 1, 1, 1]);
    writeTask(folder, counted(EVENTS + 1));
    const conflict = await bench.jumbo(args);
    expectCode(conflict, 7);
    expect(conflict.stderr).toMatch(/^jumbo: error: .*counted/m);
    expect(readFileSync(join(folder, "counted.jsonl"), "utf8")).toBe(countedText(EVENTS));
  });

  test("interrupted ends with 130 and continues later", { timeout: TIMEOUT_MS }, async () => {
    const folder = bench.place();
    const starts = join(folder, "starts");
    const slow = countedTask({
      mode: "stream",
      events: 400,
      eventsPerRange: 10,
      starts,
      millisecondsPerRange: 100,
    });
    const place = ["--store", join(folder, "store"), "--results", folder];
    const args = ["run", writeTask(folder, slow), ...place, ...flags];
    const child = bench.start(args);
    await until("work", () => existsSync(starts) && startsByRange(starts).size > 4);
    child.kill("SIGINT");
    const interrupted = await child.ended;
    expect(interrupted.code, interrupted.stderr).toBe(130);
    const document = documentOf(await bench.jumbo(args));
    expectFinal(document, 40);
    expect(readFileSync(join(folder, "counted.jsonl"), "utf8")).toBe(countedText(400));
    const again = [...startsByRange(starts).values()].filter((count) => count > 1).length;
    expect(again).toBeLessThanOrEqual(4);
  });

  test("with allowPartial, failed ranges don't fail it", { timeout: TIMEOUT_MS }, async () => {
    const folder = bench.place();
    const script = 'test "$1" != 2 || exit 3; echo "{}" > "$2"';
    const partial = {
      name: "partial",
      input: { count: 4 },
      payload: { command: ["sh", "-c", script, "sh", "{start}", "{output}"] },
      output: { name: "partial.jsonl" },
      attempts: 1,
      allowPartial: true,
    };
    const args = ["run", writeTask(folder, partial), "--results", folder, ...flags];
    const document = documentOf(await bench.jumbo(args));
    expect(document.state).toBe("failed");
    expectFinal(document, 3, 1);
  });
});

test("5 where no engine answers, 74 where the store is damaged", {
  timeout: TIMEOUT_MS,
}, async () => {
  const serving = new Serving(bench);
  await serving.start();
  await serving.stop();
  const gone = await serving.ask(["list"]);
  expectCode(gone, 5);
  expect(gone.stderr).toMatch(/is the engine running/);
  expectCode(await serving.ask(["pilot", "start", "--give-up", "1s", "--output", "quiet"]), 5);
  expect(documentOf(await serving.ask(["verify", "--output", "json"]))).toMatchObject({
    problems: [],
  });
  const path = join(serving.store, "store.mdb");
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, 5000));
  const damaged = await serving.ask(["serve", "--output", "json"]);
  expectCode(damaged, 74);
  expect(damaged.stderr).toMatch(/^jumbo: error: /);
  expectCode(await serving.ask(["verify"]), 74);
  rmSync(path);
  expectCode(await bench.jumbo(["list", "--store", join(serving.folder, "nowhere")]), 5);
});

test("doctor looks and changes nothing", { timeout: TIMEOUT_MS }, async () => {
  const folder = bench.place();
  const finished = await bench.jumbo(["doctor", "--store", "store", "--output", "json"], {
    cwd: folder,
  });
  const { schema, findings } = JSON.parse(finished.stdout);
  expect(schema).toBe("doctor/1");
  expect(findings.map((each: { what: string }) => each.what).join("\n")).toMatch(/Node \d+\.\d+/);
  const isProblem = findings.some((each: { level: string }) => each.level === "problem");
  expect(finished.code).toBe(isProblem ? 1 : 0);
  const quiet = await bench.jumbo(["doctor", "--output", "quiet"], { cwd: folder });
  expect(quiet.stdout).toBe(isProblem ? "problem\n" : "ok\n");
  expect((await bench.jumbo(["doctor"], { cwd: folder })).stdout).toMatch(/cores for payloads/);
  expect(readdirSync(folder)).toEqual([]);
});
