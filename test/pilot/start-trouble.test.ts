import { expect, test } from "vitest";
import type { TaskId } from "../../src/base/index.ts";
import { StartTrouble } from "../../src/pilot/start-trouble.ts";

const TASK = 1 as TaskId;
const OTHER = 2 as TaskId;

/** Lets `processes` fail a round, `rounds` times; the time after the last round's pause began. */
function failRounds(trouble: StartTrouble, rounds: number, processes: number, nowMs = 0): number {
  let at = nowMs;
  for (let round = 0; round < rounds; round++) {
    const startedMs = at;
    let waitMs = 0;
    for (let i = 0; i < processes; i++) {
      waitMs = trouble.failed(TASK, startedMs, `round ${round}`, startedMs + 50 + i);
    }
    at = startedMs + 50 + processes - 1;
    if (round < rounds - 1) at += waitMs;
  }
  return at;
}

test("processes that fail side by side are one round; pauses double up to 30 s", () => {
  for (const processes of [1, 2, 64]) {
    const trouble = new StartTrouble();
    let at = 0;
    const pauses: number[] = [];
    for (let round = 0; round < 12; round++) {
      expect(trouble.waits(TASK, at)).toBe(false);
      for (let i = 0; i < processes; i++) trouble.failed(TASK, at, "why", at + 10);
      const pause = trouble.failed(TASK, at, "why", at + 10);
      expect(trouble.waits(TASK, at + 10)).toBe(true);
      pauses.push(pause);
      at += 10 + pause;
    }
    expect(pauses.slice(0, 5)).toEqual([100, 200, 400, 800, 1600]);
    expect(pauses.at(-1)).toBe(30_000);
  }
});

test("after seven rounds the command is hopeless until the next try is due", () => {
  const trouble = new StartTrouble();
  let at = failRounds(trouble, 6, 3);
  expect(trouble.hopeless(TASK, at)).toBeNull();
  at += 3_200;
  expect(trouble.waits(TASK, at)).toBe(false);
  const waitMs = trouble.failed(TASK, at, "still no licence", at + 5);
  expect(trouble.hopeless(TASK, at + 5)).toBe("still no licence");
  expect(trouble.hopeless(OTHER, at + 5)).toBeNull();
  expect(trouble.hopeless(TASK, at + 5 + waitMs)).toBeNull();
  trouble.failed(TASK, at + 5 + waitMs, "again", at + 10 + waitMs);
  expect(trouble.hopeless(TASK, at + 10 + waitMs)).toBe("again");
});

test("one process that gets ready ends the trouble", () => {
  const trouble = new StartTrouble();
  const at = failRounds(trouble, 7, 1);
  expect(trouble.hopeless(TASK, at)).not.toBeNull();
  trouble.clear(TASK);
  expect(trouble.hopeless(TASK, at)).toBeNull();
  expect(trouble.waits(TASK, at)).toBe(false);
  expect(trouble.failed(TASK, at, "why", at + 1)).toBe(100);
});
