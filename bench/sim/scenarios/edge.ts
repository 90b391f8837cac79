/** Edge: what is lost at the wall against the renewal law; and the forecast of what completes. */
import { Ages, completedRanges, edgeSeconds } from "../../../src/shape/index.ts";
import { cvOfLaw, drawHints, drawTimes } from "../draws.ts";
import { plainNode } from "../node-run.ts";
import type { FigureReport } from "../report.ts";
import { isYardstick, type Settings, type Spread, spreadName } from "../settings.ts";
import { World } from "../world.ts";

const MEAN = 1060;
const WALL = 7200;
const START = 900;
const SLOTS = 136;
const LEAD = 1;

const cvOf = (settings: Settings) => cvOfLaw(settings.law, settings.cv ?? 0.5);

function world(settings: Settings, seed: number, spread: Spread, until?: number): World {
  const nodes = settings.quick ? 20 : 50;
  const ranges = Math.round((118_000 * nodes) / 50);
  const times = drawTimes(seed, settings.law, ranges, MEAN, cvOf(settings));
  return new World({
    nodes: Array.from({ length: nodes }, () => ({
      ...plainNode(SLOTS),
      arriveSeconds: START,
      wallSeconds: WALL,
    })),
    times,
    hints: spread === null ? null : drawHints(seed + 1000, times, spread),
    policy: settings.policy ?? "jumbo",
    seed,
    leadSeconds: LEAD,
    ...(until === undefined ? {} : { untilSeconds: until }),
  });
}

/** Slot-seconds of the walltime that brought nothing, start-up apart, over what the law says. */
export function edgeOverLaw(settings: Settings, seed: number, spread: Spread): number {
  const run = world(settings, seed, spread);
  const tally = run.run();
  const slots = run.nodes.length * SLOTS;
  const lost = slots * (WALL - START) - tally.usefulSeconds;
  return lost / slots / edgeSeconds(MEAN, cvOf(settings));
}

export function edgeScenario(settings: Settings, report: FigureReport): void {
  const goals = new Map<Spread, number>([
    [null, 1.03],
    [0.6, 1],
    [0.3, 0.78],
    [0.1, 0.5],
    [0, 0.5],
  ]);
  for (const [spread, atMost] of goals) {
    if (settings.hints !== undefined && settings.hints !== spread) continue;
    const value = edgeOverLaw(settings, settings.seed, spread);
    const stated = isYardstick(settings) && spread !== 0.6 && spread !== 0;
    report.add(`edge: loss / law, ${spreadName(spread)}`, value, "x", stated ? { atMost } : null);
  }
}

export function forecastScenario(settings: Settings, report: FigureReport): void {
  const cv = cvOf(settings);
  const full = world(settings, settings.seed, null);
  const done = full.run().done;
  const slots = full.nodes.length * SLOTS;
  const seconds = WALL - START - LEAD;
  const known = completedRanges(slots, seconds, { mean: MEAN, cv });
  report.add("forecast: done / predicted, S and mu known", done / known, "x");
  report.add("forecast: error, S and mu known", Math.abs(done / known - 1), "", { atMost: 0.05 });
  const minutes = learnMinutes(settings);
  const learning = world(settings, settings.seed, null, START + minutes * 60);
  learning.tally.ages = new Ages();
  learning.run();
  const learned = learning.tally.ages.learn((START + minutes * 60) * 1000);
  const later = completedRanges(slots, seconds, learned);
  report.add(`forecast: mean learned in ${minutes} minutes / true`, learned.mean / MEAN, "x");
  const error = Math.abs(done / later - 1);
  const goal = isYardstick(settings) ? { atMost: 0.1 } : null;
  report.add(`forecast: error after ${minutes} minutes`, error, "", goal);
}

/** Of the recorded laws no range ends within 13 minutes, and until then nothing can be known. */
function learnMinutes(settings: Settings): number {
  return settings.law === "gamma" || settings.law === "lognormal" ? 10 : 20;
}
