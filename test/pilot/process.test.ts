import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { OUTCOME } from "../../src/wire/index.ts";
import { useHarness } from "./harness.ts";

const h = useHarness();
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
const index = new URL("../../src/pilot/index.ts", import.meta.url).href;

/** A pilot as a process of its own; prints its end as JSON. */
function pilotProcess(options: Record<string, unknown> = {}, wrap: string[] = []) {
  const access = join(h.folder, "access.json");
  writeFileSync(access, JSON.stringify(h.engine.access));
  const all = { access, slots: 1, bundlesDir: join(h.folder, "b"), workDir: h.workDir, ...options };
  const program = h.script(
    "pilot.mjs",
    `import { runPilot } from ${JSON.stringify(index)};\n` +
      `const end = await runPilot(${JSON.stringify(all)});\n` +
      "console.log(JSON.stringify(end));\nprocess.exitCode = end.exitCode;\n",
  );
  const command = [...wrap, process.execPath, program];
  const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  const ended = new Promise<{ code: number | null; end: Record<string, unknown> }>((done) => {
    child.on("close", (code) => done({ code, end: text === "" ? {} : JSON.parse(text) }));
  });
  return { child: child as ChildProcess, ended };
}

const beating = (file: string) => [
  "sh",
  "-c",
  `while :; do date +%N > "${file}"; sleep 0.05; done`,
];

async function stands(file: string): Promise<boolean> {
  const before = readFileSync(file, "utf8");
  await pause(300);
  return readFileSync(file, "utf8") === before;
}

test("SIGTERM drains; the process ends by itself with exit 0", async () => {
  const command = ["sh", "-c", 'sleep 0.5; echo x > "$1"', "payload", "{output}"];
  const task = h.engine.addTask(1, 3, { command });
  h.engine.offer(task, 0, 3);
  const { child, ended } = pilotProcess();
  await h.engine.until("a start", () => h.engine.startedRanges().length === 1);
  child.kill("SIGUSR1");
  child.kill("SIGTERM");
  const { code, end } = await ended;
  expect(code).toBe(0);
  expect(end).toMatchObject({ accepted: 1, returned: 2, lost: 0 });
});

test("a second SIGTERM stops at once, kills the payload, and still says what was lost", async () => {
  const beat = join(h.folder, "beat");
  const task = h.engine.addTask(1, 3, { command: beating(beat) });
  h.engine.offer(task, 0, 3);
  const { child, ended } = pilotProcess();
  await h.engine.until("a start", () => h.engine.startedRanges().length === 1);
  await pause(200);
  child.kill("SIGTERM");
  await h.engine.reported(2);
  child.kill("SIGTERM");
  expect((await ended).code).toBe(130);
  expect(await stands(beat)).toBe(true);
  expect(h.engine.reports.find((each) => each.range === 0)).toMatchObject({
    outcome: OUTCOME.lost,
    reason: "stopped before its end (a second SIGTERM)",
  });
});

test("a pilot that dies with its parent takes its payloads along", async () => {
  const beat = join(h.folder, "beat");
  const task = h.engine.addTask(1, 1, { command: beating(beat) });
  h.engine.offer(task, 0, 1);
  const wrap = ["sh", "-c", '"$@" & wait', "parent"];
  const { child, ended } = pilotProcess({ dieWithParent: true }, wrap);
  await h.engine.until("a start", () => h.engine.startedRanges().length === 1);
  await pause(200);
  child.kill("SIGKILL");
  await ended;
  await h.engine.until("bye", () => h.engine.of("bye").length === 1);
  expect(await stands(beat)).toBe(true);
});

test("a pilot that is killed leaves no payload behind", async () => {
  const beats = [join(h.folder, "beat1"), join(h.folder, "beat2")] as const;
  h.engine.addTask(1, 1, { command: ["true"] });
  h.engine.addTask(2, 1, { command: beating(beats[0]) });
  h.engine.addTask(3, 1, { command: beating(beats[1]) });
  h.engine.offer(1 as never, 0, 1);
  const { child, ended } = pilotProcess({ slots: 2 });
  await h.engine.reported(1);
  for (const task of [2, 3] as never[]) h.engine.offer(task, 0, 1);
  await h.engine.until("three starts", () => h.engine.startedRanges().length === 3);
  await pause(300);
  child.kill("SIGKILL");
  await ended;
  await pause(200);
  for (const beat of beats) expect(await stands(beat)).toBe(true);
});

test("a pilot stopped and continued goes on with what it held", async () => {
  const command = ["sh", "-c", 'sleep 0.3; echo x > "$1"', "payload", "{output}"];
  const task = h.engine.addTask(1, 4, { command });
  h.engine.heartbeatMs = 200;
  h.engine.offer(task, 0, 4);
  const { child, ended } = pilotProcess();
  await h.engine.until("a start", () => h.engine.startedRanges().length === 1);
  child.kill("SIGSTOP");
  await pause(800);
  child.kill("SIGCONT");
  const reports = await h.engine.reported(4);
  expect(reports.every((each) => each.outcome === OUTCOME.done)).toBe(true);
  child.kill("SIGTERM");
  expect((await ended).code).toBe(0);
});
