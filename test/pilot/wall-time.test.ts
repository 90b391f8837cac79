/** The end of a Slurm job, asked of a squeue that says what a file says. */
import { writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WallTime } from "../../src/pilot/wall-time.ts";
import { useHarness } from "./harness.ts";

const h = useHarness();
const path = process.env["PATH"];
const walls: WallTime[] = [];

beforeEach(() => {
  h.script(
    "squeue",
    `#!/bin/sh\n[ "$*" = "-h -j 42 -o %e" ] && [ "$SLURM_TIME_FORMAT" = %s ] || exit 1\n` +
      `exec cat "${h.folder}/end.txt"\n`,
  );
  process.env["PATH"] = `${h.folder}${delimiter}${path}`;
});
afterEach(() => {
  process.env["PATH"] = path;
  delete process.env["SLURM_JOB_ID"];
  for (const wall of walls.splice(0)) wall.stop();
});

const endsIn = (seconds: number) =>
  writeFileSync(join(h.folder, "end.txt"), `${Math.round(Date.now() / 1000 + seconds)}\n`);

/** A wall that asks ten times a second; `next` resolves at its next change. */
function asking(seconds: number | null): { wall: WallTime; next: () => Promise<void> } {
  const wall = new WallTime({ seconds, slurmJob: "42", log: () => {}, askMs: 100 });
  walls.push(wall);
  let changes = 0;
  const waiting: (() => void)[] = [];
  wall.start(() => {
    changes++;
    for (const wake of waiting.splice(0)) wake();
  });
  const next = () => {
    if (changes-- > 0) return Promise.resolve();
    return new Promise<void>((resolve) => {
      waiting.push(() => {
        changes--;
        resolve();
      });
    });
  };
  return { wall, next };
}

test("a job's end is asked again and again: limits change, both ways", async () => {
  endsIn(1000);
  const { wall, next } = asking(null);
  await next();
  // Five seconds are kept for clocks that differ.
  expect(wall.secondsLeft()).toBeGreaterThan(900);
  expect(wall.secondsLeft()).toBeLessThan(997);
  endsIn(5000);
  await next();
  expect(wall.secondsLeft()).toBeGreaterThan(4900);
  endsIn(300);
  await next();
  expect(wall.secondsLeft()).toBeLessThan(297);
  expect(wall.leadSeconds()).toBe(5);
});

test("what is told counts until Slurm says something else, and when it says nothing", async () => {
  writeFileSync(join(h.folder, "end.txt"), "N/A\n");
  const { wall, next } = asking(2000);
  expect(Math.round(wall.secondsLeft())).toBe(2000);
  endsIn(600);
  await next();
  expect(wall.secondsLeft()).toBeLessThan(597);
});

test("a pilot in a Slurm job without a told walltime tells the engine the job's end", async () => {
  process.env["SLURM_JOB_ID"] = "42";
  endsIn(1234);
  h.pilot();
  const said = () => h.engine.received.flatMap((each) => (each.type === "resources" ? [each] : []));
  await h.engine.until("the new end", () => said().length > 0);
  const [{ secondsLeft, nodes }] = said() as [ReturnType<typeof said>[number]];
  expect(secondsLeft).toBeGreaterThan(1100);
  expect(secondsLeft).toBeLessThan(1230);
  expect(nodes).toMatchObject([{ slots: 2 }]);
});

test("a walltime that was told is not asked for, and none without a job", () => {
  const told = { log: () => {}, slurmJob: "" };
  const wall = new WallTime({ ...told, seconds: 50 });
  wall.start(() => {});
  expect(wall.secondsLeft()).toBeLessThanOrEqual(50);
  expect(wall.leadSeconds()).toBe(5);
  expect(new WallTime({ ...told, seconds: 20 }).leadSeconds()).toBeCloseTo(2, 3);
  expect(new WallTime({ ...told, seconds: null }).secondsLeft()).toBe(-1);
});
