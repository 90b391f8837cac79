/**
 * The n-th I/O call of a whole small run fails: EIO, ENOSPC, EROFS, or a short write; once or from
 * then on. The run ends with 74, or with the right result; never hangs. What it left behind must be
 * good for the next run, on a disk that works again, to end with the right result.
 *
 * `--count` cases are drawn from all n x 4 x 2; `--long` tries them all, in a seeded order. Slices
 * of them run side by side, each told as it ends, so that the run may be stopped at any time. A hang
 * is judged by time: what seems to hang beside another is tried again alone, and only that counts.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, SeededRandom } from "../../../src/base/index.ts";
import { shuffled } from "../../helpers/shuffled.ts";
import {
  compileShim,
  inLanes,
  jumbo,
  LANES,
  type Part,
  type PartResult,
  workFolder,
} from "../part.ts";
import { isRight, smallTask } from "../small-task.ts";

const HOW = ["EIO", "ENOSPC", "EROFS", "SHORT"] as const;
const HANG_MS = 15_000;
const SLICE = 40;

interface Case {
  readonly at: number;
  readonly how: (typeof HOW)[number];
  readonly always: boolean;
}

export const part: Part = {
  what: "the n-th I/O call of a whole small task fails, once or for ever",
  count: 200,
  async run({ seed, count, long }): Promise<PartResult> {
    const shim = compileShim("fail-io", workFolder());
    if (shim === "") return { counts: {}, violations: [], skipped: "no C compiler (cc)" };
    const violations: string[] = [];
    const ends: Record<string, number> = {};
    const whole = await runOnce(shim, { at: 0, how: "EIO", always: false });
    if (whole.problem !== "") violations.push(`without a failure: ${whole.problem}`);
    const all: Case[] = [];
    for (let at = 1; at <= whole.calls; at++) {
      for (const how of HOW) for (const always of [false, true]) all.push({ at, how, always });
    }
    const random = new SeededRandom(seed);
    const chosen = shuffled(all, random).slice(0, long ? all.length : count);
    let tried = 0;
    let again = 0;
    const take = (one: Case, { problem, end }: Outcome) => {
      ends[end] = (ends[end] ?? 0) + 1;
      tried++;
      if (problem === "") return;
      violations.push(`${one.how} at call ${one.at}${one.always ? " and after" : ""}: ${problem}`);
      console.log(`  VIOLATED ${violations.at(-1)}`);
    };
    for (let from = 0; from < chosen.length; from += SLICE) {
      const slow: Case[] = [];
      await inLanes(chosen.slice(from, from + SLICE), LANES, async (one) => {
        const outcome = await runOnce(shim, one);
        if (outcome.hung) slow.push(one);
        else take(one, outcome);
      });
      for (const one of slow) take(one, await runOnce(shim, one));
      again += slow.length;
      const now = new Date().toISOString();
      const list = Object.entries(ends).map(([end, times]) => `, ${times} ${end}`);
      console.log(
        `  ${now} ${tried} of ${chosen.length}: ${violations.length} not held${list.join("")}`,
      );
    }
    const told = { runs: tried, "calls in a run": whole.calls, "tried again alone": again };
    return { counts: { ...told, ...ends }, violations };
  },
};

interface Outcome {
  readonly problem: string;
  readonly end: string;
  readonly hung: boolean;
}

async function runOnce(shim: string, one: Case): Promise<Outcome & { calls: number }> {
  const dir = workFolder("memory");
  try {
    return await runIn(dir, shim, one);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function runIn(dir: string, shim: string, { at, how, always }: Case) {
  const work = join(dir, "work");
  mkdirSync(work);
  const counter = join(dir, "counter");
  writeFileSync(counter, Buffer.alloc(4096));
  const task = smallTask(work);
  const args = ["run", task, "--store", join(work, "store"), "--results", work, "--slots", "1"];
  const env = {
    LD_PRELOAD: shim,
    FAIL_COUNTER: counter,
    FAIL_BELOW: work,
    FAIL_AT: String(at),
    FAIL_HOW: how,
    TMPDIR: dir,
    ...(always ? { FAIL_ALWAYS: "1" } : {}),
  };
  const first = await jumbo(args, env, HANG_MS).end;
  const calls = Number(readFileSync(counter).readBigUInt64LE(0));
  const end = first.timedOut ? "hung" : `ended with ${first.code ?? first.signal}`;
  let problem = "";
  const said = `${first.stdout}${first.stderr}`.slice(-600).trim();
  if (first.timedOut) problem = `still running after ${HANG_MS / 1000} s: ${said}`;
  else if (first.code === EXIT.ok) problem = isRight(work) ? "" : "exit 0 and a wrong result";
  else if (first.code !== EXIT.storeIo) problem = `${end}: ${said}`;
  else if (said === "") problem = "ended without a word";
  if (problem === "" && first.code !== EXIT.ok) {
    const next = await jumbo(args, { TMPDIR: dir }).end;
    const after = `${next.stdout}${next.stderr}`.slice(-600);
    if (next.code !== EXIT.ok) problem = `the next run ended with ${next.code}: ${after}`;
    else if (!isRight(work)) problem = "the next run gave a wrong result";
  }
  return { problem, end, hung: first.timedOut, calls };
}
