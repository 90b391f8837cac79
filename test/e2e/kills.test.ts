/**
 * `kill -9` of engines and pilots at random moments of a run: the result is the undisturbed one,
 * byte for byte, and only what was in flight is done again. JUMBO_KILLS=50 is the full form, and
 * JUMBO_KILLS_SEED replays its moments (as far as processes let them be replayed).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { SeededRandom } from "../../src/base/index.ts";
import { type Child, until, useBench, writeTask } from "./support/bench.ts";
import { countedTask, countedText, startsByRange } from "./support/counted.ts";
import { documentOf, expectFinal, manifestRows, type TaskDocument } from "./support/documents.ts";
import { Serving } from "./support/serving.ts";

const bench = useBench();
const KILLS = Number(process.env["JUMBO_KILLS"] ?? 6);
const SEED = Number(process.env["JUMBO_KILLS_SEED"] ?? 1);
const SLOTS = 4;
const PILOTS = 2;
const EVENTS_PER_RANGE = 3;
const MILLISECONDS_PER_RANGE = 25;
/** Enough to be busy until the last kill: a life works for up to WORK_MS before it is killed. */
const WORK_MS = 700;
const RANGES = Math.ceil((KILLS * WORK_MS * SLOTS) / MILLISECONDS_PER_RANGE / 2);
const EVENTS = RANGES * EVENTS_PER_RANGE - 1;
/** Running, done but not yet acknowledged, and granted ahead of an exec that was under way. */
const IN_FLIGHT_MAX = 3 * SLOTS;
const TIMEOUT_MS = 60_000 + KILLS * 15_000;

function startsIn(path: string): number {
  try {
    return readFileSync(path, "utf8").split("\n").length - 1;
  } catch {
    return 0;
  }
}

function task(starts: string) {
  return countedTask({
    mode: "stream",
    events: EVENTS,
    eventsPerRange: EVENTS_PER_RANGE,
    starts,
    millisecondsPerRange: MILLISECONDS_PER_RANGE,
    more: { losses: 50 },
  });
}

/** The merged bytes, the books, and how much was done twice. */
function expectUndisturbed(document: TaskDocument, folder: string, starts: string, kills: number) {
  expectFinal(document, RANGES);
  expect(readFileSync(join(folder, "counted.jsonl"), "utf8")).toBe(countedText(EVENTS));
  expect(manifestRows(document.manifest).length).toBe(RANGES);
  const byRange = startsByRange(starts);
  expect(byRange.size).toBe(RANGES);
  const again = [...byRange.values()].reduce((sum, count) => sum + count - 1, 0);
  console.log(`seed ${SEED}: ${kills} kills, ${RANGES} ranges, ${again} starts again`);
  expect(again).toBeLessThanOrEqual(kills * IN_FLIGHT_MAX);
}

test(`${KILLS} kills of \`run\`, continued each time`, { timeout: TIMEOUT_MS }, async () => {
  const random = new SeededRandom(SEED);
  const folder = bench.place();
  const store = join(folder, "store");
  const starts = join(folder, "starts");
  const taskFile = writeTask(folder, task(starts));
  const flags = ["--slots", `${SLOTS}`, "--pilots", `${PILOTS}`, "--output", "json"];
  const args = ["run", taskFile, "--store", store, "--results", folder, ...flags];
  let kills = 0;
  while (kills < KILLS) {
    const before = startsIn(starts);
    const inline = random.below(2) === 0 ? ["--inline"] : [];
    const life = bench.start([...args, ...inline], { timeoutMs: TIMEOUT_MS });
    // Every fourth life is killed while it starts or recovers, the others at work.
    if (random.below(4) > 0) {
      await until("work", () => life.over || startsIn(starts) > before, TIMEOUT_MS);
    }
    await sleep(random.below(WORK_MS));
    expect(life.over, `${life.stdout}\n${life.stderr}`).toBe(false);
    await life.kill9();
    kills++;
  }
  const document = documentOf(await bench.jumbo(args, { timeoutMs: TIMEOUT_MS }));
  expectUndisturbed(document, folder, starts, kills);
  const verified = await bench.jumbo(["verify", "--store", store, "--output", "json"]);
  expect(documentOf<{ problems: unknown[] }>(verified).problems).toEqual([]);
});

test("pilots end with a `run` that is killed while they start", {
  timeout: TIMEOUT_MS,
}, async () => {
  const lives = [0, 40, 80, 160, 320].map(async (delayMs) => {
    const folder = bench.place();
    const taskFile = writeTask(folder, task(join(folder, "starts")));
    const place = ["--store", join(folder, "store"), "--results", folder];
    const life = bench.start(["run", taskFile, ...place, "--pilots", "2"], {
      timeoutMs: TIMEOUT_MS,
    });
    await until("an access file", () => existsSync(join(folder, "store", "access.json")));
    await sleep(delayMs);
    const killedMs = performance.now();
    // Its pilots have its standard error too: it is closed when the last of them has ended.
    await life.kill9();
    return performance.now() - killedMs;
  });
  for (const milliseconds of await Promise.all(lives)) expect(milliseconds).toBeLessThan(45_000);
});

test(`${KILLS} kills of pilots, and of the service under them`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const random = new SeededRandom(SEED + 1);
  const serving = new Serving(bench);
  const starts = join(serving.folder, "starts");
  const serve = ["--lease-term", "2s"];
  await serving.start(serve);
  const id = await serving.submit(writeTask(serving.folder, task(starts)));
  const pilots: Child[] = [];
  for (let i = 0; i < PILOTS; i++) pilots.push(serving.pilot(SLOTS / PILOTS));
  let engineKills = 0;
  for (let kills = 0; kills < KILLS; kills++) {
    const before = startsIn(starts);
    await until("work", () => startsIn(starts) > before, TIMEOUT_MS);
    await sleep(random.below(WORK_MS));
    const victim = random.below(PILOTS);
    await pilots[victim]?.kill9();
    pilots[victim] = serving.pilot(SLOTS / PILOTS);
    if (random.below(5) > 0) continue;
    await serving.engine?.kill9();
    engineKills++;
    await serving.start(serve);
  }
  serving.pilots.splice(0, serving.pilots.length, ...pilots);
  const document = await serving.wait(id, 0, TIMEOUT_MS);
  expectUndisturbed(document, serving.folder, starts, KILLS + engineKills);
  await serving.stop();
});
