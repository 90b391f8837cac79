/** Dispatch: idle slots and engine CPU at full load, frames included; start-up; the last words. */
import { Draws, drawTimes } from "../draws.ts";
import { type NodeSpec, plainNode } from "../node-run.ts";
import type { FigureReport } from "../report.ts";
import type { Settings } from "../settings.ts";
import { World } from "../world.ts";

const SLOTS = 128;

interface Load {
  readonly mean: number;
  readonly cv: number;
  readonly seconds: number;
  readonly idleMax: number | null;
  readonly cpuMax: number | null;
}

const LOADS: readonly Load[] = [
  { mean: 1060, cv: 0.5, seconds: 2120, idleMax: null, cpuMax: 0.01 },
  { mean: 20, cv: 1, seconds: 60, idleMax: 0.001, cpuMax: null },
  { mean: 1, cv: 1, seconds: 6, idleMax: 0.01, cpuMax: 0.3 },
];

export function dispatchScenario(settings: Settings, report: FigureReport): void {
  const nodes = settings.quick ? 100 : 1000;
  for (const load of LOADS) {
    const ranges = Math.ceil(nodes * SLOTS * (load.seconds / load.mean + 4));
    const world = new World({
      nodes: Array.from({ length: nodes }, () => plainNode(SLOTS)),
      times: drawTimes(settings.seed, settings.law, ranges, load.mean, load.cv),
      policy: settings.policy ?? "jumbo",
      seed: settings.seed,
      codec: true,
      untilSeconds: load.seconds,
      markSeconds: load.seconds / 3,
    });
    const tally = world.run();
    const { engine } = world;
    const name = `dispatch ${nodes} x ${SLOTS}, mu ${load.mean} s`;
    const idle = load.idleMax === null ? null : { atMost: load.idleMax };
    report.add(`${name}: idle`, tally.idleSinceMark, "", idle);
    const spent = engine.cpuSeconds - world.cpuSecondsAtMark;
    const perSecond = spent / ((load.seconds * 2) / 3);
    const share = nodes / 1000;
    // A quick run is too short for its seconds to gate: they hold the compiler's warm-up.
    const gates = load.cpuMax !== null && !settings.quick;
    const cpu = gates ? { atMost: load.cpuMax! * share } : null;
    report.add(`${name}: engine CPU`, perSecond, "cores", cpu);
    report.add(`${name}: requests`, engine.requests / load.seconds, "/s");
    const bytes = (engine.bytesIn + engine.bytesOut) / Math.max(1, tally.done);
    report.add(`${name}: wire bytes a range`, bytes, "B");
    const kept = (engine.journalBytes + engine.pageBytes) / Math.max(1, tally.done);
    report.add(`${name}: journal and page bytes a range`, kept, "B");
  }
}

/** 1 000 sessions within 10 s, one that dies at once, one 3 730 s late. */
export function startScenario(settings: Settings, report: FigureReport): void {
  const draws = new Draws(settings.seed);
  const nodes: NodeSpec[] = Array.from({ length: 1000 }, () => ({
    ...plainNode(settings.quick ? 16 : SLOTS),
    arriveSeconds: 10 * draws.unit(),
  }));
  nodes[17] = { ...nodes[17]!, diesSeconds: nodes[17]!.arriveSeconds + 0.002 };
  nodes[18] = { ...nodes[18]!, arriveSeconds: 3730 };
  const slots = nodes.length * nodes[0]!.slots;
  const world = new World({
    nodes,
    times: drawTimes(settings.seed, settings.law, slots * 5, 1060, 0.5),
    seed: settings.seed,
    untilSeconds: 3760,
  });
  const tally = world.run();
  let worst = 0;
  let late = 0;
  tally.firstStartSeconds.forEach((seconds, node) => {
    if (node === 17) return;
    if (Number.isNaN(seconds)) worst = Number.POSITIVE_INFINITY;
    if (node === 18) late = seconds;
    else worst = Math.max(worst, seconds);
  });
  report.add("start: hello to first range, worst of 999 nodes", worst, "s", { atMost: 1 });
  report.add("start: the same for the node 3 730 s late", late, "s", { atMost: 1 });
  const idle = tally.idleSeconds / tally.capacitySeconds;
  report.add("start: idle share of slot time, all nodes", idle, "", { atMost: 0.001 });
}

/** Every node reaches its wall at the same moment. */
export function wallScenario(settings: Settings, report: FigureReport): void {
  const nodes = settings.quick ? 200 : 1000;
  const wallSeconds = 100;
  const world = new World({
    nodes: Array.from({ length: nodes }, () => ({ ...plainNode(SLOTS), wallSeconds })),
    times: drawTimes(settings.seed, settings.law, nodes * SLOTS * 6, 20, 0.5),
    seed: settings.seed,
    codec: true,
  });
  const tally = world.run();
  report.add(`wall: flush lead of ${nodes} nodes`, tally.flushLeadSeconds, "s", { atMost: 5 });
  const forgotten = tally.finishedRanges - tally.done;
  report.add("wall: finished ranges that were not recorded", forgotten, "", { atMost: 0 });
  report.add("wall: ranges cut while running", tally.cutRanges, "");
}
