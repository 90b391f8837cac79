/** From holes and work to shapes: which nodes, how long, and why none. */
import { describe, expect, it } from "vitest";
import { type PlanInput, planShapes } from "../../src/fleet/plan.ts";
import { SETTING_DEFAULTS, settingsOf } from "../../src/fleet/settings.ts";
import { mixOf } from "../../src/fleet/work.ts";

const NOW = 1_000_000;
const LIMITS = { nodesMin: 1, nodesMax: 100, walltimeSecondsMax: 86_400 };

/** Nodes n0, n1, ... of 8 cores, free for so many seconds each. */
function inputOf(free: readonly number[], more: Partial<PlanInput> = {}): PlanInput {
  return {
    sight: {
      nowSeconds: NOW,
      nodes: free.map((seconds, index) => ({
        name: `n${index}`,
        cores: 8,
        endsSeconds: NOW + seconds,
        why: "planned",
      })),
      nodesTotal: free.length,
      limits: LIMITS,
      notes: [],
    },
    settings: { ...SETTING_DEFAULTS, kind: "slurm", partition: "main", folder: "/f" },
    work: {
      tasks: 1,
      ready: 1_000_000,
      leased: 0,
      meanSeconds: 10,
      cv: 0.5,
      coresMean: 1,
      known: "measured",
    },
    startSeconds: 60,
    jobsLive: 0,
    taken: new Set(),
    claimed: 0,
    ...more,
  };
}

const sizes = (input: PlanInput) =>
  planShapes(input).shapes.map((shape) => [shape.nodes.join(" "), shape.seconds]);

describe("shapes", () => {
  it("are nested jobs, the longest holes first, in whole minutes less the lead", () => {
    const plan = planShapes(inputOf([650, 3_650, 3_640, 1_279, 20]));
    expect(plan.shapes.map((shape) => [shape.nodes, shape.seconds])).toEqual([
      [["n1", "n2"], 3_600],
      [["n3"], 1_200],
      [["n0"], 600],
    ]);
    expect(plan.steps).toEqual([
      { nodes: 2, seconds: 3_600 },
      { nodes: 3, seconds: 1_200 },
      { nodes: 4, seconds: 600 },
    ]);
    expect(plan.shapes[0]?.reason).toMatch(/^2 nodes for 1h 0m: they are all free .* is useful/);
    expect(plan.holes.map((hole) => hole.seconds)).toEqual([3_650, 3_640, 1_279, 650, 20]);
  });

  it("take what the place's own limit allows without a lead", () => {
    const input = inputOf([120, 120]);
    const limits = { ...LIMITS, walltimeSecondsMax: 120 };
    expect(sizes({ ...input, sight: { ...input.sight, limits } })).toEqual([["n0 n1", 120]]);
  });

  it("keep to the queue's limits of nodes, walltime and jobs", () => {
    const input = inputOf([7_230, 7_230, 7_230, 3_630]);
    const within = (more: object) => sizes({ ...input, settings: { ...input.settings, ...more } });
    expect(within({ nodesMax: 2 })).toEqual([
      ["n0", 7_200],
      ["n1 n2", 7_200],
      ["n3", 3_600],
    ]);
    expect(within({ walltimeSecondsMax: 1_830 })).toEqual([["n0 n1 n2 n3", 1_800]]);
    expect(within({ jobsMax: 1 })).toEqual([["n0 n1 n2", 7_200]]);
    expect(within({ walltimeSecondsMin: 3_660 })).toEqual([["n0 n1 n2", 7_200]]);
    const caps = [{ nodesBelow: 4, seconds: 1_200 }];
    expect(within({ caps })).toEqual([["n0 n1 n2 n3", 3_600]]);
  });

  it("are no more than the ranges that are left can fill", () => {
    const input = inputOf([3_630, 3_630, 3_630, 3_630]);
    const left = (ready: number, claimed = 0, meanSeconds = 10) =>
      sizes({ ...input, work: { ...input.work, ready, meanSeconds }, claimed });
    expect(left(20)).toEqual([["n0", 3_600]]);
    expect(left(2_900)).toEqual([["n0 n1", 3_600]]);
    expect(left(2_900, 2_890)).toEqual([["n0", 3_600]]);
    // Times are not known: a node for each eight ranges, and no more.
    expect(left(20, 0, 0)).toEqual([["n0 n1 n2", 3_600]]);
  });

  it("leave nodes alone that our own jobs were given", () => {
    expect(sizes(inputOf([3_630, 3_630], { taken: new Set(["n0"]) }))).toEqual([["n1", 3_600]]);
  });

  it.each([
    [inputOf([3_600], { taken: new Set(["n0"]) }), /taken by our own jobs/],
    [inputOf([]), /none of 0 nodes is free/],
    [inputOf([50]), /wanted again within a minute/],
    [inputOf([95]), /hole of 1m 0s brings nothing: 1m 11s are lost/],
    [inputOf([3_600], { jobsLive: 4 }), /4 of 4 jobs are under way/],
    [inputOf([3_600], { claimed: 1_000_000 }), /our jobs under way will do/],
    [inputOf([3_600], { work: { ...inputOf([]).work, ready: 0 } }), /no range is ready/],
  ])("are none for a reason in words", (input, reason) => {
    const plan = planShapes(input);
    expect(plan.shapes).toEqual([]);
    expect(plan.none).toMatch(reason);
  });
});

describe("work", () => {
  it("of several tasks has the mean and spread of a range drawn from all", () => {
    const mix = mixOf([
      { ranges: 100, cores: 1, mean: 10, cv: 0 },
      { ranges: 100, cores: 3, mean: 30, cv: 0 },
    ]);
    expect(mix).toMatchObject({ tasks: 2, ready: 200, meanSeconds: 20, cv: 0.5, coresMean: 2 });
  });

  it("of unknown cost counts as ranges and not as time", () => {
    const mix = mixOf([
      { ranges: 100, cores: 1, mean: 10, cv: 0.5 },
      { ranges: 300, cores: 1, mean: -1, cv: 0.5 },
    ]);
    expect(mix.ready).toBe(400);
    expect(mix.meanSeconds).toBe(10);
    expect(mixOf([])).toMatchObject({ ready: 0, meanSeconds: 0 });
  });
});

describe("settings", () => {
  const good = { kind: "slurm", partition: "main", folder: "/shared/jumbo" };

  it("are filled in", () => {
    expect(settingsOf(good)).toEqual({ ...SETTING_DEFAULTS, ...good });
  });

  it.each([
    [null, /settings/],
    [{ ...good, kind: "pbs" }, /"kind" is "pbs" \(it is one of local, slurm\)/],
    [{ ...good, colour: 1 }, /no such setting/],
    [{ ...good, partition: "" }, /names one partition/],
    [{ ...good, partition: "a b" }, /names one partition/],
    [{ ...good, folder: "jobs" }, /absolute path/],
    [{ ...good, folder: "/a%b" }, /can't be in/],
    [{ ...good, jobsMax: 0 }, /whole number from 1 to 1000/],
    [{ ...good, jobsMax: 1.5 }, /whole number/],
    [{ ...good, leadSeconds: "30" }, /number from 0/],
    [{ ...good, nodesMin: 4, nodesMax: 2 }, /less than nodesMin/],
    [
      {
        ...good,
        caps: [
          { nodesBelow: 4, seconds: 60 },
          { nodesBelow: 2, seconds: 60 },
        ],
      },
      /rising/,
    ],
    [{ ...good, arguments: ["account"] }, /list of options/],
    [{ kind: "local", folder: "/f", partition: "main" }, /a local queue has none/],
    [{ kind: "local", folder: "/f", pilot: "mpi" }, /only a Slurm queue/],
    [{ ...good, pilot: "go" }, /"pilot" is "go" \(it is one of ts, mpi\)/],
    [{ ...good, pilot: "mpi", mpi: "lam" }, /it is one of openmpi, mpich/],
    [{ ...good, pilot: "mpi", launcher: "ssh" }, /it is one of srun, mpirun/],
    [{ ...good, pilot: "mpi", program: "jumbo-pilot" }, /absolute path/],
    [{ ...good, program: "/opt/jumbo-pilot" }, /only a queue whose pilot is "mpi"/],
  ])("are refused with key and reason: %j", (value, reason) => {
    expect(() => settingsOf(value)).toThrow(reason);
  });
});
