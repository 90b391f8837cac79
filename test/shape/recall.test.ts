import { describe, expect, it } from "vitest";
import { type HolderSight, recallOrders } from "../../src/shape/index.ts";

const holder = (over: Partial<HolderSight>): HolderSight => ({
  pilot: 1,
  slots: 10,
  freeSlots: 0,
  unstarted: 20,
  meanSeconds: 100,
  roundTripSeconds: 0.1,
  secondsLeft: Number.POSITIVE_INFINITY,
  draining: false,
  ...over,
});

describe("recall", () => {
  it("takes from the longest queue first, and no more than free slots wait for", () => {
    const holders = [holder({ unstarted: 5 }), holder({ pilot: 2, unstarted: 30 })];
    expect(recallOrders(holders, 12)).toMatchObject([{ pilot: 2, ranges: 12 }]);
    expect(recallOrders(holders, 0)).toEqual([]);
    const all = recallOrders(holders, 1000);
    expect(all.map((order) => order.pilot)).toEqual([2, 1]);
    expect(all[0]!.ranges).toBe(29);
  });

  it("leaves what starts within a round trip, and what has a free slot", () => {
    expect(recallOrders([holder({ meanSeconds: 0.001 })], 10)).toEqual([]);
    expect(recallOrders([holder({ freeSlots: 20 })], 10)).toEqual([]);
  });

  it("takes all from a pilot that drains", () => {
    expect(recallOrders([holder({ draining: true })], 0)).toMatchObject([{ ranges: 20 }]);
  });

  it("takes back what won't get its turn before the wall", () => {
    // A range starts every 10 s; 45 s are left.
    expect(recallOrders([holder({ secondsLeft: 45 })], 0)).toMatchObject([
      { ranges: 16, reason: "its wall is near" },
    ]);
  });
});
