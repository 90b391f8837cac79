/** Small runs of the scheduling simulator: production ledger, shaper and codec in virtual time. */
import { describe, expect, it } from "vitest";
import { drawHints, drawTimes } from "../../bench/sim/draws.ts";
import { idealFifoSeconds } from "../../bench/sim/ideal.ts";
import { plainNode } from "../../bench/sim/node-run.ts";
import { World } from "../../bench/sim/world.ts";

const SEED = 11;

describe("in virtual time", () => {
  it("every range is done once, and as early as in an ideal queue", () => {
    const nodes = Array.from({ length: 10 }, () => plainNode(32));
    const times = drawTimes(SEED, "gamma", 3000, 100, 0.5);
    const world = new World({ nodes, times, seed: SEED, codec: true });
    const tally = world.run();
    expect(tally.done).toBe(3000);
    expect(world.engine.refused).toBe(0);
    expect(tally.makespanSeconds / idealFifoSeconds(times, nodes)).toBeLessThan(1.1);
  });

  it("hints shorten the tail, and the history of a seed is always the same", () => {
    const nodes = Array.from({ length: 10 }, () => plainNode(32));
    const times = drawTimes(SEED, "gamma", 3000, 100, 0.5);
    const run = (hints: Float32Array | null) =>
      new World({ nodes, times, hints, seed: SEED }).run().makespanSeconds;
    const plain = run(null);
    const hinted = run(drawHints(SEED + 1, times, 0.3));
    expect(hinted).toBeLessThan(0.9 * plain);
    expect(run(drawHints(SEED + 1, times, 0.3))).toBe(hinted);
  });

  it("survives nodes that vanish, fail everything, are slow, or reach their wall", () => {
    const nodes = Array.from({ length: 12 }, () => plainNode(16));
    nodes[0] = { ...nodes[0]!, failSeconds: 0.5 };
    nodes[1] = { ...nodes[1]!, speed: 5 };
    nodes[2] = { ...nodes[2]!, diesSeconds: 130 };
    nodes[3] = { ...nodes[3]!, wallSeconds: 200 };
    nodes[4] = { ...nodes[4]!, arriveSeconds: 150 };
    const times = drawTimes(SEED, "lognormal", 1500, 60, 0.5);
    const world = new World({ nodes, times, seed: SEED, speculation: true });
    const tally = world.run();
    expect(tally.done).toBe(1500);
    expect(tally.failedForGood).toBe(0);
    expect(world.engine.failures).toBeLessThan(3 * 16);
    expect(world.engine.copiesMade).toBeGreaterThan(0);
    expect(world.engine.copySeconds).toBeLessThanOrEqual(0.02 * tally.usefulSeconds + 60);
  });
});
