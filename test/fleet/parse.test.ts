/** What Slurm 22.05 printed, as it was recorded from a cluster, becomes what is true of it. */
import { describe, expect, it } from "vitest";
import { epochOf, limitSeconds, numberOf, pairs } from "../../src/fleet/answer.ts";
import { sightOf } from "../../src/fleet/holes.ts";
import { expandNodeList } from "../../src/fleet/node-list.ts";
import {
  parseKillWait,
  parsePartition,
  parseReservations,
} from "../../src/fleet/parse-scontrol.ts";
import { parseSinfo, whyNotFree } from "../../src/fleet/parse-sinfo.ts";
import {
  codeOfWait,
  parseJobLine,
  parsePlanned,
  parseSqueue,
} from "../../src/fleet/parse-squeue.ts";
import { RECORDED_SECONDS, recorded } from "./fake-site.ts";

describe("host lists", () => {
  it.each([
    ["n1", "n1"],
    ["n[1,3-4]", "n1 n3 n4"],
    ["n[1,3-4],m0[08-10]", "n1 n3 n4 m008 m009 m010"],
    ["r[1-2]n[01-02]x", "r1n01x r1n02x r2n01x r2n02x"],
    ["", ""],
  ])("%s", (text, names) => {
    expect(expandNodeList(text).join(" ")).toBe(names);
  });

  it.each(["n[1-", "n]1[", "n[a-b]", "n[3-1]", "n[[1]]", "n[1-99999999]"])("refuses %s", (text) => {
    expect(() => expandNodeList(text)).toThrow(/node list/);
  });
});

describe("sinfo --json", () => {
  it("tells cores, state, flags and partitions", () => {
    const nodes = parseSinfo(recorded("sinfo.json"));
    expect(nodes.map((node) => [node.name, node.cores, node.state, node.busyCores])).toEqual([
      ["n1", 64, "allocated", 64],
      ["n2", 64, "mixed", 32],
      ["n3", 64, "idle", 0],
      ["n4", 64, "idle", 0],
    ]);
    expect(nodes[2]?.flags).toEqual(["PLANNED"]);
    expect(nodes[0]?.partitions).toEqual(["main", "short", "spot", "scav"]);
  });

  it("says why a node is not free", () => {
    const free = { name: "n", cores: 4, state: "idle", flags: [], busyCores: 0, partitions: [] };
    expect(whyNotFree(free)).toBe(null);
    expect(whyNotFree({ ...free, flags: ["PLANNED"] })).toBe(null);
    expect(whyNotFree({ ...free, flags: ["DRAIN"] })).toBe("drain");
    expect(whyNotFree({ ...free, flags: ["COMPLETING"] })).toBe("completing");
    expect(whyNotFree({ ...free, state: "down", flags: ["NOT_RESPONDING"] })).toMatch(/^down/);
    expect(whyNotFree({ ...free, state: "mixed" })).toBe("mixed");
    expect(whyNotFree({ ...free, busyCores: 1 })).toBe("1 cores are in use");
  });

  it("takes cpus null and the later lists of states", () => {
    const node = { name: "x", cpus: null, cores: 8, state: ["IDLE", "DRAIN"], partitions: ["p"] };
    const [parsed] = parseSinfo(JSON.stringify({ nodes: [node] }));
    expect(parsed).toMatchObject({ cores: 8, state: "idle", flags: ["DRAIN"] });
  });

  it.each(["", "{}", '{"nodes": 3}', '{"nodes": [{}]}'])("refuses %s", (text) => {
    expect(() => parseSinfo(text)).toThrow(/is not understood/);
  });
});

describe("jobs", () => {
  it("are read with their end states from squeue --json", () => {
    const jobs = parseSqueue(recorded("squeue-ended.json"));
    const seen = jobs.map((job) => [job.jobId, job.name, job.phase, job.state, job.exitCode]);
    expect(seen).toEqual([
      ["1", "busy1", "running", "RUNNING", 0],
      ["2", "busy2", "running", "RUNNING", 0],
      ["3", "planned", "ended", "CANCELLED", 0],
      ["4", "jumbo-q-1", "ended", "FAILED", 3],
    ]);
    expect(jobs[0]).toMatchObject({ startSeconds: 1_795_374_653, endSeconds: 1_795_375_853 });
  });

  it("are the same from scontrol show job", () => {
    const fromQueue = parseSqueue(recorded("squeue-ended.json")).find((job) => job.jobId === "4");
    expect(parseJobLine(recorded("job.txt"))).toEqual(fromQueue);
    expect(parseJobLine("")).toBe(null);
  });

  it("carry raw wait statuses", () => {
    expect([0, 768, 256, 9, 15].map(codeOfWait)).toEqual([0, 3, 1, 137, 143]);
  });

  it("have planned starts with nodes, or none yet", () => {
    expect(parsePlanned(recorded("start.txt"))).toEqual([
      { jobId: "3", startSeconds: 1_795_375_853, nodes: ["n1", "n3", "n4"] },
    ]);
    expect(parsePlanned("8|N/A|(null)\n\n")).toEqual([{ jobId: "8", startSeconds: -1, nodes: [] }]);
  });
});

describe("scontrol", () => {
  it("tells reservations of nodes", () => {
    expect(parseReservations(recorded("res.txt"))).toEqual([
      { name: "maint", startSeconds: 1_795_380_055, endSeconds: 1_795_383_655, nodes: ["n4"] },
    ]);
    expect(parseReservations("No reservations in the system\n")).toEqual([]);
    expect(parseReservations("ReservationName=lic StartTime=1 EndTime=2 Nodes=(null)")).toEqual([]);
  });

  it("tells a partition's limits", () => {
    expect(parsePartition(recorded("partition.txt"))).toEqual({
      name: "main",
      state: "UP",
      nodesMin: 1,
      nodesMax: Number.POSITIVE_INFINITY,
      walltimeSecondsMax: 86_400,
    });
    const other = parsePartition(
      "PartitionName=p MaxNodes=8 MinNodes=2 MaxTime=00:30:00 State=DOWN",
    );
    expect(other).toMatchObject({ nodesMin: 2, nodesMax: 8, walltimeSecondsMax: 1_800 });
  });

  it("has durations, times and missing values", () => {
    const limits = ["1-00:00:00", "02:30:00", "30:00", "UNLIMITED", undefined].map(limitSeconds);
    const endless = Number.POSITIVE_INFINITY;
    expect(limits).toEqual([86_400, 9_000, 1_800, endless, endless]);
    expect([epochOf("17"), epochOf("N/A"), epochOf(undefined)]).toEqual([17, -1, -1]);
    expect(numberOf({ set: true, infinite: false, number: 5 })).toBe(5);
    expect(numberOf({ set: true, infinite: true, number: 0 })).toBe(endless);
    expect(numberOf(null)).toBe(-1);
    expect(parseKillWait(recorded("config.txt"))).toBe(5);
    expect(parseKillWait("")).toBe(30);
    expect([...pairs("A=1 B:C=x=y D=")]).toEqual([
      ["A", "1"],
      ["B:C", "x=y"],
      ["D", ""],
    ]);
  });
});

describe("holes", () => {
  const seen = {
    nowSeconds: RECORDED_SECONDS,
    partition: parsePartition(recorded("partition.txt")),
    nodes: parseSinfo(recorded("sinfo.json")),
    planned: parsePlanned(recorded("start.txt")),
    reservations: parseReservations(recorded("res.txt")),
  };

  it("end at the first of planned start, reservation and limit", () => {
    const sight = sightOf(seen);
    expect(sight.nodes).toEqual([
      { name: "n3", cores: 64, endsSeconds: 1_795_375_853, why: "job 3 is planned there" },
      { name: "n4", cores: 64, endsSeconds: 1_795_375_853, why: "job 3 is planned there" },
    ]);
    expect(sight.notes).toEqual(["n1: allocated", "n2: mixed"]);
    const later = sightOf({ ...seen, planned: [] });
    expect(later.nodes.map((node) => [node.endsSeconds, node.why])).toEqual([
      [RECORDED_SECONDS + 86_400, "limit of partition main"],
      [1_795_380_055, "reservation maint"],
    ]);
  });

  it("are none under a reservation that runs, and again behind one that is over", () => {
    const during = sightOf({ ...seen, planned: [], nowSeconds: 1_795_380_060 });
    expect(during.nodes.map((node) => node.name)).toEqual(["n3"]);
    expect(during.notes).toContain("n4: reservation maint");
    const after = sightOf({ ...seen, planned: [], nowSeconds: 1_795_383_655 });
    expect(after.nodes.map((node) => node.name)).toEqual(["n3", "n4"]);
  });

  it("are none in a full, a closed and another partition", () => {
    const nodes = seen.nodes.map((node) => ({ ...node, state: "allocated" }));
    expect(sightOf({ ...seen, nodes }).nodes).toEqual([]);
    const closed = sightOf({ ...seen, partition: { ...seen.partition, state: "DOWN" } });
    expect(closed.nodes).toEqual([]);
    expect(closed.notes).toContain("partition main is DOWN");
    const gone = sightOf({ ...seen, partition: { ...seen.partition, name: "other" } });
    expect([gone.nodes, gone.nodesTotal]).toEqual([[], 0]);
  });

  it("are said to be unsure while jobs wait without a planned start", () => {
    const planned = [{ jobId: "9", startSeconds: -1, nodes: [] }];
    const sight = sightOf({ ...seen, planned });
    expect(sight.notes).toContain("1 waiting job without a planned start yet");
  });
});
