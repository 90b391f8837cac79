import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { COUNT_RULE, OUTCOME } from "../../src/wire/index.ts";
import { useHarness } from "./harness.ts";

const h = useHarness();
const sh = (script: string, ...args: string[]) => ["sh", "-c", script, "payload", ...args];

test("ranges run, land in a bundle that was announced before, and leave no folder behind", async () => {
  const command = sh('echo "$1 $2 $3" > "$4"', "{range}", "{start}", "{count}", "{output}");
  const task = h.engine.addTask(5, 23, { command, eventsPerRange: 5 });
  h.engine.offer(task, 0, 5);
  const { pilot, ended } = h.pilot();
  const reports = await h.engine.reported(5);
  pilot.drain("test", null);
  expect(await ended).toMatchObject({ exitCode: 0, accepted: 5, failed: 0, lost: 0, bundles: 1 });
  const texts = [];
  for (const report of reports.toSorted((a, b) => a.range - b.range)) {
    texts.push(await h.engine.output(report));
  }
  expect(texts).toEqual(["0 0 5\n", "1 5 5\n", "2 10 5\n", "3 15 5\n", "4 20 3\n"]);
  expect(h.engine.startedRanges().sort()).toEqual([0, 1, 2, 3, 4]);
  const types = h.engine.received.map((message) => message.type);
  expect(types.indexOf("bundle")).toBeLessThan(
    h.engine.received.findIndex((m) => m.type === "exchange" && m.reports.length > 0),
  );
  expect(types.at(-1)).toBe("bye");
  expect(readdirSync(h.workDir)).toEqual([]);
});

test("argv reaches the process byte for byte, placeholders anywhere, escapes kept", async () => {
  const dump = h.script(
    "dump.mjs",
    'import { writeFileSync } from "node:fs";\n' +
      "writeFileSync(process.argv[2], JSON.stringify(process.argv.slice(3)));\n",
  );
  const hostile = join(h.folder, "in put $(reboot) `x` ü\n\"'\\;&|*? {count} $& $1.txt");
  writeFileSync(hostile, "abc");
  const args = ["{file}", "a{skip}b{stop}c", "{{skip}}", "{Skip}", '{"a":{"b":1}}', "$&{range}$1"];
  const more = ["{first}-{last}", "{seed}", "{attempt}", "{taskdir}", "", "{tree}|", "{{{skip}}}"];
  const task = h.engine.addTask(
    1,
    9,
    {
      command: [process.execPath, dump, "{output}", ...args, ...more],
      eventsPerRange: 4,
      taskDir: "/tmp/it's",
    },
    { path: hostile, tree: "t;1" },
  );
  h.engine.offer(task, 1, 1, 7);
  h.pilot();
  const [report] = await h.engine.reported(1);
  expect(JSON.parse(await h.engine.output(report!))).toEqual([
    ...[hostile, "a4b8c", "{skip}", "{Skip}", '{"a":{"b":1}}', "$&1$1"],
    ...["5-8", "18446744073709551615", "7", "/tmp/it's", "", "t;1|", "{{skip}}"],
  ]);
});

test("the environment is PATH, HOME, LANG, TMPDIR, what is passed by name and what is set", async () => {
  process.env["JUMBO_TEST_PASSED"] = "passed on";
  process.env["JUMBO_TEST_SECRET"] = "secret";
  const task = h.engine.addTask(1, 1, {
    command: [
      process.execPath,
      "-e",
      "fs.writeFileSync(process.argv[1], JSON.stringify(process.env))",
      "{output}",
    ],
    environment: ["SET", "a=b c", "LANG", "xx"],
    passEnvironment: ["JUMBO_TEST_PASSED", "JUMBO_TEST_ABSENT"],
  });
  h.engine.offer(task, 0, 1);
  h.pilot();
  const [report] = await h.engine.reported(1);
  const environment = JSON.parse(await h.engine.output(report!));
  expect(Object.keys(environment).sort()).toEqual([
    ...["HOME", "JUMBO_TEST_PASSED", "LANG", "PATH", "SET", "TMPDIR"],
  ]);
  expect(environment).toMatchObject({ SET: "a=b c", LANG: "xx", JUMBO_TEST_PASSED: "passed on" });
  expect(environment.TMPDIR).toContain(h.workDir);
});

test("exit 0 is not proof: output missing, empty, too few or too many records", async () => {
  const rule = { kind: COUNT_RULE.lines, skip: 1, prefix: "" };
  const counted = { eventsPerRange: 3, recordsPerEvent: 2, countRule: rule };
  const lines = (n: number) => sh(`{ echo header; seq ${n}; echo; } > "$1"`, "{output}");
  h.engine.addTask(1, 1, { command: ["true"] });
  h.engine.addTask(2, 1, { command: sh(': > "$1"', "{output}") });
  h.engine.addTask(3, 1, { command: sh(': > "$1"', "{output}"), allowEmpty: true });
  h.engine.addTask(4, 3, { command: lines(5), ...counted });
  h.engine.addTask(5, 3, { command: lines(6), ...counted });
  h.engine.addTask(6, 3, { command: lines(7), ...counted });
  h.engine.addTask(7, 1, { command: sh('mkdir "$1"', "{output}") });
  h.engine.addTask(8, 1, { command: sh('ln -s /etc/passwd "$1"', "{output}") });
  for (const task of h.engine.tasks.keys()) h.engine.offer(task, 0, 1);
  h.pilot();
  const reports = new Map((await h.engine.reported(8)).map((each) => [Number(each.task), each]));
  const reason = (task: number) => {
    expect(reports.get(task)).toMatchObject({ outcome: OUTCOME.failed });
    return reports.get(task)!.reason;
  };
  expect(reason(1)).toMatch(/^output out\.txt is missing/);
  expect(reason(2)).toMatch(/^output out\.txt is empty/);
  expect(reports.get(3)).toMatchObject({ outcome: OUTCOME.done, bundle: 0 });
  expect(reason(4)).toMatch(/has 5 records \(6 are expected: 2 for each of 3 events\)/);
  expect(reports.get(5)).toMatchObject({ outcome: OUTCOME.done });
  expect(reason(6)).toMatch(/has 7 records/);
  expect(reason(7)).toMatch(/no regular file/);
  expect(reason(8)).toMatch(/no regular file/);
});

test("a failed exit is told with the last lines of standard error; a failed attempt's output is not read", async () => {
  const script =
    'echo fine > "$1"; echo "to stdout"; echo first >&2; printf "\\033[31mlast: é\\033[0m\\n" > /dev/stderr; exit 3';
  h.engine.addTask(1, 1, { command: sh(script, "{output}") });
  h.engine.addTask(2, 1, { command: ["no-such-program-here"] });
  h.engine.addTask(3, 1, { command: sh("kill -SEGV $$") });
  h.engine.addTask(4, 1, { command: ["cat", "{file}"] });
  for (const task of h.engine.tasks.keys()) h.engine.offer(task, 0, 1);
  h.pilot();
  const reports = new Map((await h.engine.reported(4)).map((each) => [Number(each.task), each]));
  expect(reports.get(1)).toMatchObject({ outcome: OUTCOME.failed, bundle: 0 });
  expect(reports.get(1)?.reason).toMatch(/^payload ended with exit 3: .*last: é$/);
  expect(reports.get(2)?.reason).toMatch(/can't be started: no-such-program-here \(not found/);
  expect(reports.get(3)?.reason).toMatch(/^payload ended by signal SIGSEGV/);
  expect(reports.get(4)).toMatchObject({ outcome: OUTCOME.fatal });
  expect(reports.get(4)?.reason).toMatch(/asks for \{file\}/);
});

test("100 MB of standard error pass, and only their tail is kept", async () => {
  const noise = h.script(
    "noise.mjs",
    'import { writeFileSync, writeSync } from "node:fs";\n' +
      'const block = "noise ".repeat(174762);\n' +
      "for (let i = 0; i < 100; i++) writeSync(2, block);\n" +
      'writeSync(2, "\\nthe very last line\\n");\n' +
      'if (process.argv[2] === "fail") process.exit(9);\n' +
      'writeFileSync(process.argv[2], "ok");\n',
  );
  h.engine.addTask(1, 1, { command: [process.execPath, noise, "{output}"] });
  h.engine.addTask(2, 1, { command: [process.execPath, noise, "fail"] });
  h.engine.offer(1 as never, 0, 1);
  h.engine.offer(2 as never, 0, 1);
  h.pilot();
  const reports = (await h.engine.reported(2)).toSorted((a, b) => a.task - b.task);
  expect(reports[0]).toMatchObject({ outcome: OUTCOME.done });
  expect(reports[1]?.reason).toMatch(/exit 9: .*the very last line$/s);
  expect(reports[1]!.reason.length).toBeLessThanOrEqual(500);
});

test("a timeout kills the whole group, grandchildren and those that ignore SIGTERM too", async () => {
  const beat = join(h.folder, "beat");
  const script = `trap "" TERM; (trap "" TERM; while :; do date +%N > "${beat}"; sleep 0.05; done) & wait`;
  const task = h.engine.addTask(1, 2, { command: sh(script), timeoutSeconds: 0.3 });
  h.engine.offer(task, 0, 1);
  h.pilot();
  const [report] = await h.engine.reported(1);
  expect(report).toMatchObject({ outcome: OUTCOME.failed });
  expect(report?.reason).toMatch(/^timed out after 0\.3 s/);
  const last = readFileSync(beat, "utf8");
  await new Promise((done) => setTimeout(done, 300));
  expect(readFileSync(beat, "utf8")).toBe(last);
});

test("what a payload leaves running is killed when it ends", async () => {
  const beat = join(h.folder, "beat");
  const script = `(while :; do date +%N > "${beat}"; sleep 0.05; done) & sleep 0.2; echo x > "$1"`;
  const task = h.engine.addTask(1, 1, { command: sh(script, "{output}") });
  h.engine.offer(task, 0, 1);
  h.pilot();
  expect(await h.engine.reported(1)).toMatchObject([{ outcome: OUTCOME.done }]);
  const last = readFileSync(beat, "utf8");
  await new Promise((done) => setTimeout(done, 300));
  expect(readFileSync(beat, "utf8")).toBe(last);
});

test("a slice is header, the range's bytes and footer, whatever the program", async () => {
  const input = join(h.folder, "events.dat");
  writeFileSync(input, "HEADER\nevent one\nevent two\nevent three\nEND\n");
  const task = h.engine.addTask(
    1,
    3,
    {
      command: sh(
        'cat "$1" > "$2"; echo "$3 $4" >> "$2"; basename "$1" >> "$2"',
        "{slice}",
        "{output}",
        "{offset}",
        "{bytes}",
      ),
    },
    { path: input, header: [[0, 6], Buffer.from("+\n")], footer: [Buffer.from("<"), [39, 4]] },
  );
  h.engine.offsets.push({ task, first: 0, offsets: Float64Array.of(7, 17, 17, 27, 27, 39) });
  h.engine.offer(task, 1, 2);
  h.pilot();
  const reports = (await h.engine.reported(2)).toSorted((a, b) => a.range - b.range);
  expect(await h.engine.output(reports[0]!)).toBe(
    "HEADER+\nevent two\n<END\n17 10\nslice-events.dat\n",
  );
  expect(await h.engine.output(reports[1]!)).toContain("event three\n<END\n27 12\n");
});

test("an input that changed before or during a range is fatal, and says so", async () => {
  const input = join(h.folder, "in.txt");
  writeFileSync(input, "0123456789");
  const { size, mtimeMs } = statSync(input);
  const known = { path: input, sizeBytes: size, mtimeMs: Math.trunc(mtimeMs) };
  const write = 'echo x > "$1"';
  h.engine.addTask(1, 1, { command: sh(write, "{output}") }, known);
  h.engine.addTask(2, 1, { command: sh(write, "{output}") }, { ...known, sizeBytes: 11 });
  h.engine.addTask(3, 1, { command: sh(write, "{output}") }, { ...known, path: `${input}.gone` });
  for (const task of h.engine.tasks.keys()) h.engine.offer(task, 0, 1);
  h.pilot();
  const reports = new Map((await h.engine.reported(3)).map((each) => [Number(each.task), each]));
  expect(reports.get(1)).toMatchObject({ outcome: OUTCOME.done });
  for (const task of [2, 3]) {
    expect(reports.get(task)).toMatchObject({ outcome: OUTCOME.fatal });
    expect(reports.get(task)?.reason).toMatch(/^input changed: /);
  }
  expect(h.engine.startedRanges()).toHaveLength(1);

  const touch = 'echo x > "$1"; printf 012345678 > "$2"';
  h.engine.addTask(4, 1, { command: sh(touch, "{output}", "{file}") }, known);
  h.engine.offer(4 as never, 0, 1);
  await h.engine.reported(4);
  expect(h.engine.reports[3]).toMatchObject({ outcome: OUTCOME.fatal });
  expect(h.engine.reports[3]?.reason).toMatch(/^input changed: .* has 9 bytes \(it had 10/);

  writeFileSync(input, "0123456789");
  utimesSync(input, new Date(), new Date(mtimeMs + 5000));
  h.engine.offer(1 as never, 0, 1);
  await h.engine.reported(5);
  expect(h.engine.reports[4]?.reason).toMatch(/^input changed: .*after it was scanned/);
});

test("a task of several cores takes as many slots, and one wider than the machine still runs", async () => {
  const seen = join(h.folder, "seen");
  const script = 'echo "+$2" >> "$1"; sleep 0.15; echo "-$2" >> "$1"; echo x > "$3"';
  h.engine.addTask(1, 3, { command: sh(script, seen, "wide", "{output}"), cores: 3 });
  h.engine.addTask(2, 3, { command: sh(script, seen, "slim", "{output}") });
  h.engine.addTask(3, 1, { command: sh(script, seen, "huge", "{output}"), cores: 64 });
  for (const task of h.engine.tasks.keys()) {
    h.engine.offer(task, 0, h.engine.files.find((file) => file.task === task)!.ranges);
  }
  h.pilot({ slots: 4 });
  expect((await h.engine.reported(7)).every((each) => each.outcome === OUTCOME.done)).toBe(true);
  let used = 0;
  let most = 0;
  for (const line of readFileSync(seen, "utf8").trim().split("\n")) {
    const cores = { wide: 3, slim: 1, huge: 4 }[line.slice(1)] as number;
    used += line.startsWith("+") ? cores : -cores;
    most = Math.max(most, used);
  }
  expect(most).toBe(4);
});

test("the null payload is done without a process, an output or a word of starting", async () => {
  const task = h.engine.addTask(1, 100_000, { command: [":null"] });
  h.engine.offer(task, 0, 60_000);
  const { pilot, ended } = h.pilot();
  await h.engine.until("all null ranges", () => h.engine.reports.length >= 60_000);
  pilot.drain("test", null);
  expect(await ended).toMatchObject({ accepted: 60_000, bundles: 0, exitCode: 0 });
  expect(h.engine.reports.every((each) => each.bundle === 0)).toBe(true);
  expect(h.engine.of("started")).toEqual([]);
  expect(existsSync(join(h.folder, "bundles"))).toBe(true);
});
