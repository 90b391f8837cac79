/** The shaper at work in the core: copies, weights, shapes that change, what is learned and shown. */
import { describe, expect, it } from "vitest";
import type { LeaseId } from "../../src/base/index.ts";
import type {
  EngineMessage,
  Grant,
  PilotMessage,
  RangeCost,
  Report,
  SpanBlock,
  Verdicts,
  Welcome,
} from "../../src/wire/index.ts";
import { OUTCOME, singleSpan, VERDICT } from "../../src/wire/index.ts";
import { countTask } from "../sim/sim-tasks.ts";
import { CoreBench } from "./core-bench.ts";

const NO_COST = { wallSum: 0, wallSquares: 0, wallMax: 0, cpuSum: 0 };
const BUNDLE: PilotMessage = { type: "bundle", number: 1, node: 0, uri: "file:///b/1.zip" };
const node = (slots: number) => [{ name: "n", cores: slots, gpus: 0, memoryMiB: 1, slots }];

function costOf(ranges: number, seconds: number): RangeCost {
  const wallSum = ranges * seconds;
  return { wallSum, wallSquares: wallSum * seconds, wallMax: seconds, cpuSum: wallSum };
}

function report(spans: SpanBlock, change: Partial<Report> = {}): Report {
  return { outcome: OUTCOME.done, spans, bundle: 1, reason: "", cost: NO_COST, node: 0, ...change };
}

function exchange(
  sequence: number,
  reports: Report[],
  change: Partial<Extract<PilotMessage, { type: "exchange" }>> = {},
): PilotMessage {
  return { type: "exchange", sequence, reports, want: 0, freeSlots: 0, secondsLeft: -1, ...change };
}

const welcomeOf = (messages: EngineMessage[]) =>
  messages.find((message) => message.type === "welcome") as Welcome;
const grantsOf = (messages: EngineMessage[]) =>
  messages.filter((message): message is Grant => message.type === "grant");
const verdictsOf = (messages: EngineMessage[]) =>
  messages.filter((message): message is Verdicts => message.type === "verdicts");

/** Range and lease of each range of some blocks, in their order. */
function rangesOf(blocks: readonly SpanBlock[]): { range: number; lease: LeaseId }[] {
  return blocks.flatMap((block) =>
    Array.from(block.first).flatMap((first, i) =>
      Array.from({ length: block.count[i] as number }, (_, k) => ({
        range: first + k,
        lease: block.lease[i] as LeaseId,
      })),
    ),
  );
}

/** Time passes while pilots say that they live. */
function live(bench: CoreBench, seconds: number, freeSlots: Record<number, number>): void {
  for (let at = 0; at < seconds; at += 0.5) {
    for (const [connection, free] of Object.entries(freeSlots)) {
      bench.say(Number(connection), { type: "heartbeat", freeSlots: free, secondsLeft: -1 });
    }
    bench.pass(500);
  }
}

/** A slow pilot (1) sits on ranges 0-3; a healthy one (2) has done the rest and has nothing to do. */
function slowNode() {
  const bench = new CoreBench();
  const task = bench.task(100);
  const slow = welcomeOf(bench.hello(1)).grant.spans[0] as SpanBlock;
  bench.say(1, { type: "started", spans: [slow] });
  const fast = welcomeOf(bench.hello(2, { nodes: node(96), freeSlots: 96, want: 96 }));
  const rest = fast.grant.spans[0] as SpanBlock;
  bench.say(2, BUNDLE, { type: "started", spans: fast.grant.spans });
  const done = report(rest, { cost: costOf(96, 1) });
  bench.say(2, exchange(1, [done], { want: 8, freeSlots: 96 }));
  const from = bench.sent.length;
  live(bench, 12, { 1: 0, 2: 96 });
  const copies = grantsOf(bench.heard(2, from)).flatMap((grant) => rangesOf(grant.spans));
  return { bench, task, slowLease: slow.lease[0] as LeaseId, copies, rest };
}

describe("a second copy", () => {
  it("is made of what a slow node runs, for at most 2 % of the work done", () => {
    const { bench, task, copies, slowLease } = slowNode();
    expect(copies).toHaveLength(1);
    expect(copies[0]?.range).toBeLessThan(4);
    expect(copies[0]?.lease).not.toBe(slowLease);
    expect(bench.ask("show", { task }).answer?.ranges).toMatchObject({ leased: 4, done: 96 });
    expect(bench.ask("metrics", {}).answer?.["jumbo_copies_made_total"]).toBe(1);
    bench.core.check();
  });

  it("that ends first counts; the slow pilot is told to stop, and hears the truth", () => {
    const { bench, task, copies, slowLease, rest } = slowNode();
    const { range, lease } = copies[0] as { range: number; lease: LeaseId };
    const copy = singleSpan(rest.task, range, 1, 2, 2, lease);
    bench.say(2, { type: "started", spans: [copy] });
    bench.say(2, exchange(2, [report(copy, { cost: costOf(1, 1) })], { freeSlots: 96 }));
    bench.pass(300);
    const recall = bench.heard(1).find((message) => message.type === "recall");
    expect(recall).toMatchObject({ stop: true });
    const told = recall?.type === "recall" ? rangesOf(recall.spans) : [];
    expect(told).toEqual([{ range, lease: slowLease }]);
    const late = singleSpan(rest.task, range, 1, 1, 1, slowLease);
    bench.say(1, BUNDLE, exchange(1, [report(late, { cost: costOf(1, 13) })]));
    bench.pass(300);
    expect(verdictsOf(bench.heard(1)).at(-1)?.runs).toEqual([1, VERDICT.stale]);
    expect(bench.ask("show", { task }).answer?.ranges.done).toBe(97);
    bench.core.check();
  });

  it("that comes second is answered stale, and its time is edge", () => {
    const { bench, task, copies, slowLease, rest } = slowNode();
    const { range, lease } = copies[0] as { range: number; lease: LeaseId };
    const copy = singleSpan(rest.task, range, 1, 2, 2, lease);
    bench.say(2, { type: "started", spans: [copy] });
    const first = singleSpan(rest.task, range, 1, 1, 1, slowLease);
    bench.say(1, BUNDLE, exchange(1, [report(first, { cost: costOf(1, 13) })]));
    bench.pass(300);
    const recall = bench.heard(2).find((message) => message.type === "recall");
    expect(recall?.type === "recall" && rangesOf(recall.spans)).toEqual([{ range, lease }]);
    const back = report(copy, { outcome: OUTCOME.returned, bundle: 0 });
    bench.say(2, exchange(2, [back], { freeSlots: 96 }));
    bench.pass(300);
    expect(verdictsOf(bench.heard(2)).at(-1)?.runs).toEqual([1, VERDICT.stale]);
    const allocations = bench.ask("standing", { task }).answer?.allocations ?? [];
    const other = allocations.find(({ pilots }) => pilots.includes("pilot-2"));
    expect(other?.split.edge).toBeGreaterThan(0.2);
    bench.core.check();
  });

  it("is still known after a restart, so that its loser is stopped then too", () => {
    const { bench, task, copies, slowLease, rest } = slowNode();
    bench.pass(300);
    const { range, lease } = copies[0] as { range: number; lease: LeaseId };
    bench.crash();
    const copy = singleSpan(rest.task, range, 1, 2, 2, lease);
    const slow = singleSpan(rest.task, 0, 4, 1, 1, slowLease);
    bench.hello(11, { pilotId: "pilot-1", held: [slow], want: 0, freeSlots: 0 });
    bench.hello(12, { pilotId: "pilot-2", nodes: node(96), held: [copy], want: 0 });
    bench.say(12, BUNDLE, exchange(1, [report(copy, { cost: costOf(1, 1) })]));
    bench.pass(300);
    const recall = bench.heard(11).find((message) => message.type === "recall");
    expect(recall).toMatchObject({ stop: true });
    expect(bench.ask("show", { task }).answer?.ranges.done).toBe(97);
  });

  it("is not made while something is ready, nor of a long range on a healthy node", () => {
    const bench = new CoreBench();
    bench.task(120);
    const long = welcomeOf(bench.hello(1)).grant.spans[0] as SpanBlock;
    const keep = singleSpan(long.task, 0, 1, 1, 1, long.lease[0] as LeaseId);
    const ended = singleSpan(long.task, 1, 3, 1, 1, long.lease[0] as LeaseId);
    bench.say(1, BUNDLE, { type: "started", spans: [long] });
    bench.say(1, exchange(1, [report(ended, { cost: costOf(3, 1) })], { freeSlots: 3 }));
    const all = { nodes: node(116), freeSlots: 116, want: 116 };
    const fast = welcomeOf(bench.hello(2, all)).grant.spans;
    bench.say(2, BUNDLE, { type: "started", spans: fast });
    const done = report(fast[0] as SpanBlock, { cost: costOf(116, 1) });
    bench.say(2, exchange(1, [done], { want: 8, freeSlots: 116 }));
    live(bench, 6, { 1: 3, 2: 116 });
    expect(keep.size).toBe(1);
    expect(bench.ask("metrics", {}).answer?.["jumbo_copies_made_total"]).toBe(0);
  });
});

describe("cost weights", () => {
  const WEIGHTS = [1, 9, 3, 8, 5, 2];

  function weighted(losses = 5): { bench: CoreBench; task: number } {
    const bench = new CoreBench();
    const terms = { attempts: 3, losses, priority: 0, owner: "" };
    const { spec, files } = countTask("weighted", WEIGHTS.length, terms);
    const told = { ...spec, cost: { meanSeconds: 1, cv: null, weights: "weights.txt" } };
    const ask = { spec: told, files, weights: Float32Array.from(WEIGHTS) };
    const submitted = bench.ask("submit", ask);
    bench.pass(300);
    return { bench, task: submitted.answer?.task ?? 0 };
  }

  const weightRows = (bench: CoreBench) =>
    [...bench.disk.contents().rows]
      .filter(({ table, key }) => table === "meta" && String(key[0]).startsWith("weights/"))
      .map(({ key }) => String(key[0]));

  it("put the longest ranges first, again after a failure, and in the next life", () => {
    const { bench } = weighted();
    const hello = { nodes: node(3), freeSlots: 3, want: 3 };
    const { grant } = welcomeOf(bench.hello(1, hello));
    const first = rangesOf(grant.spans);
    expect(first.map(({ range }) => range)).toEqual([1, 3, 4]);
    const at = (range: number) => first.find((one) => one.range === range)?.lease as LeaseId;
    const { task } = grant.spans[0] as SpanBlock;
    const done = report(singleSpan(task, 1, 1, 1, 1, at(1)), { cost: costOf(1, 9) });
    const failed = report(singleSpan(task, 3, 1, 1, 1, at(3)), {
      outcome: OUTCOME.failed,
      bundle: 0,
      reason: "bad",
    });
    const answer = bench.say(1, BUNDLE, exchange(1, [done, failed], { want: 2, freeSlots: 2 }));
    const next = grantsOf(answer).flatMap((one) => rangesOf(one.spans));
    expect(next.map(({ range }) => range).sort()).toEqual([2, 3]);
    bench.pass(300);
    bench.crash();
    const again = welcomeOf(bench.hello(9, { pilotId: "other", ...hello, want: 1 }));
    expect(rangesOf(again.grant.spans).map(({ range }) => range)).toEqual([5]);
    bench.say(9, exchange(1, [], { want: 1, freeSlots: 1 }));
    const [last] = grantsOf(bench.heard(9));
    expect(rangesOf(last?.spans ?? []).map(({ range }) => range)).toEqual([0]);
  });

  it("order what a lost bundle opens again, at once for who waits", () => {
    const { bench, task } = weighted();
    const hello = { nodes: node(6), freeSlots: 6, want: 6 };
    const { grant } = welcomeOf(bench.hello(1, hello));
    const done = grant.spans.map((spans) => report(spans, { cost: costOf(6, 1) }));
    bench.say(1, BUNDLE, exchange(1, done, { want: 6, freeSlots: 6 }));
    bench.pass(300);
    const [bundle] = bench.ask("ranges", { task, from: 0, runsMax: 10 }).answer?.bundle ?? [];
    bench.heard(1);
    bench.ask("reopenBundle", { task, bundle: bundle as number, why: "it is gone" });
    const again = grantsOf(bench.heard(1)).flatMap((one) => rangesOf(one.spans));
    expect(again.map(({ range }) => range)).toEqual([1, 3, 4, 2, 5, 0]);
  });

  it("give a pilot the next longest in place of a second one at its last chance", () => {
    const { bench } = weighted(2);
    const first = welcomeOf(bench.hello(1, { nodes: node(2), freeSlots: 2, want: 2 }));
    expect(rangesOf(first.grant.spans).map(({ range }) => range)).toEqual([1, 3]);
    bench.say(1, { type: "started", spans: first.grant.spans });
    bench.core.closed(1);
    bench.ask("pilotsEnded", { prefix: "pilot" });
    bench.pass(300);
    const hello = { pilotId: "other", nodes: node(3), freeSlots: 3, want: 3 };
    const { grant } = welcomeOf(bench.hello(2, hello));
    expect(rangesOf(grant.spans).map(({ range }) => range)).toEqual([1, 4, 2]);
  });

  it("are forgotten with their task, and refused if they are not one a range", () => {
    const { bench, task } = weighted();
    expect(weightRows(bench)).toEqual([`weights/${task}`]);
    expect(bench.ask("cancel", { task }).error).toBeUndefined();
    bench.pass(300);
    expect(weightRows(bench)).toEqual([]);
    const { spec, files } = countTask("short", 4, {
      attempts: 1,
      losses: 1,
      priority: 0,
      owner: "",
    });
    const error = bench.ask("submit", { spec, files, weights: Float32Array.from([1, 2]) }).error;
    expect(error).toMatch(/has 4 ranges and 2 cost weights came/);
  });
});

describe("a pilot whose programs are starting", () => {
  it("is not asked for what its own free slots wait for", () => {
    const bench = new CoreBench();
    bench.task(20);
    const span = welcomeOf(bench.hello(1, { nodes: node(4), freeSlots: 4, want: 20 })).grant
      .spans[0] as SpanBlock;
    const lease = span.lease[0] as LeaseId;
    bench.say(1, BUNDLE, { type: "started", spans: [singleSpan(span.task, 0, 1, 1, 1, lease)] });
    const done = report(singleSpan(span.task, 0, 1, 1, 1, lease), { cost: costOf(1, 10) });
    bench.say(1, exchange(1, [done], { want: 20, freeSlots: 2 }));
    const from = bench.sent.length;
    live(bench, 3, { 1: 2 });
    expect(bench.heard(1, from).filter(({ type }) => type === "recall")).toEqual([]);
    bench.hello(2, { pilotId: "other", nodes: node(3), freeSlots: 3, want: 3 });
    live(bench, 2, { 1: 2, 2: 3 });
    const [recall] = bench.heard(1, from).filter(({ type }) => type === "recall");
    expect(recall?.type === "recall" ? rangesOf(recall.spans) : []).toHaveLength(3);
  });
});

describe("a hint of seconds an event", () => {
  it("is taken for ranges of several events: so many times the mean", () => {
    const bench = new CoreBench();
    const { spec, files } = countTask("hinted", 100, {
      attempts: 1,
      losses: 1,
      priority: 0,
      owner: "",
    });
    const cost = { meanSeconds: 2, cv: 0.9, weights: null };
    const hinted = { ...spec, eventsPerRange: 9, cost };
    const submitted = bench.ask("submit", { spec: hinted, files });
    bench.pass(300);
    const task = submitted.answer?.task ?? 0;
    const forecast = bench.ask("standing", { task }).answer?.forecast;
    expect(forecast).toMatchObject({ known: "hint", meanSeconds: 18, seconds: -1, ranges: 12 });
    expect(forecast?.cv).toBeCloseTo(0.3, 10);
  });
});

describe("a pilot that changes its shape", () => {
  it("gets more at the next exchange when cores were added, and queues nothing when they go", () => {
    const bench = new CoreBench();
    bench.task(1000);
    const one = { nodes: node(1), freeSlots: 1, want: 1 };
    const welcome = welcomeOf(bench.hello(1, one));
    expect(rangesOf(welcome.grant.spans)).toHaveLength(1);
    const span = welcome.grant.spans[0] as SpanBlock;
    bench.say(1, BUNDLE, { type: "started", spans: [span] });
    const done = report(span, { cost: costOf(1, 10) });
    bench.say(1, { type: "resources", nodes: node(16), secondsLeft: -1 });
    const [grant] = grantsOf(bench.say(1, exchange(1, [done], { want: 20, freeSlots: 16 })));
    const held = rangesOf(grant?.spans ?? []);
    expect(held.length).toBeGreaterThanOrEqual(16);
    const started = (grant?.spans ?? []) as SpanBlock[];
    const running = singleSpan(span.task, held[0]?.range ?? 0, 2, 1, 1, held[0]?.lease as LeaseId);
    expect(started).toHaveLength(1);
    bench.say(1, { type: "started", spans: [running] });
    bench.say(1, { type: "resources", nodes: node(2), secondsLeft: -1 });
    bench.say(1, exchange(2, [], { freeSlots: 0 }));
    bench.pass(1_200);
    const recall = bench.heard(1).find((message) => message.type === "recall");
    const back = recall?.type === "recall" ? rangesOf(recall.spans) : [];
    // Two run, and one may wait: its turn comes as fast as a message.
    expect(back).toHaveLength(held.length - 3);
  });

  it("gets what fits the time that is left now, and leaves when nothing does", () => {
    const bench = new CoreBench();
    bench.task(1000);
    const span = welcomeOf(bench.hello(1, { want: 4 })).grant.spans[0] as SpanBlock;
    const done = report(span, { cost: { ...costOf(4, 10), wallSquares: 410 } });
    const all = { want: 4, freeSlots: 4, secondsLeft: 1_000 };
    const [first] = grantsOf(bench.say(1, BUNDLE, exchange(1, [done], all)));
    expect(rangesOf(first?.spans ?? []).length).toBeGreaterThanOrEqual(4);
    const again = report((first?.spans ?? [])[0] as SpanBlock, { cost: costOf(4, 10) });
    bench.say(1, { type: "resources", nodes: node(4), secondsLeft: 2 });
    const short = exchange(2, [again], { want: 4, freeSlots: 4, secondsLeft: 2 });
    expect(grantsOf(bench.say(1, short)).flatMap(({ spans }) => rangesOf(spans))).toEqual([]);
    const longer = exchange(3, [], { want: 4, freeSlots: 4, secondsLeft: 500 });
    const [more] = grantsOf(bench.say(1, longer));
    expect(rangesOf(more?.spans ?? []).length).toBeGreaterThanOrEqual(4);
    const last = report((more?.spans ?? [])[0] as SpanBlock, { cost: costOf(4, 10) });
    bench.say(1, exchange(4, [last], { want: 4, freeSlots: 4, secondsLeft: 2 }));
    bench.pass(1_200);
    expect(bench.heard(1).find((message) => message.type === "drain")).toMatchObject({
      reason: expect.stringContaining("ready ranges fits"),
    });
  });
});

describe("what is measured", () => {
  /** 2 slots: 2 s of start-up, 10 s of work each, then one range is cut after 3 s. */
  function worked(bench: CoreBench): number {
    const task = bench.task(3);
    const hello = { nodes: node(2), freeSlots: 2, want: 2, allocation: "a7", queue: "q" };
    const { grant } = welcomeOf(bench.hello(1, hello));
    const span = grant.spans[0] as SpanBlock;
    live(bench, 2, { 1: 2 });
    bench.say(1, BUNDLE, { type: "started", spans: [span] });
    live(bench, 10, { 1: 0 });
    const done = report(span, { cost: costOf(2, 10) });
    const answer = bench.say(1, exchange(1, [done], { want: 2, freeSlots: 2 }));
    const [last] = grantsOf(answer);
    bench.say(1, { type: "started", spans: last?.spans ?? [] });
    live(bench, 3, { 1: 1 });
    return task;
  }

  it("splits an allocation's core-seconds, what runs being edge until it is done", () => {
    const bench = new CoreBench();
    const task = worked(bench);
    const standing = bench.ask("standing", { task }).answer;
    const [one] = standing?.allocations ?? [];
    expect(one).toMatchObject({ queue: "q", allocation: "a7", connected: 1, slots: 2 });
    expect(one?.taskCoreSeconds).toBe(20);
    const { total, useful, startup, edge, idle, running } = one?.split ?? standing!.split;
    expect(total).toBeCloseTo(30, 0);
    expect(useful).toBe(20);
    expect(startup).toBeCloseTo(4, 1);
    expect(edge).toBeCloseTo(3, 1);
    expect(running).toBe(edge);
    expect(useful + startup + edge + idle).toBeCloseTo(total, 6);
    expect(standing?.split).toEqual(one?.split);
    expect(standing?.forecast).toMatchObject({ known: "measured", ranges: 1, meanSeconds: 10 });
  });

  it("counts the time before the pilot's hello once somebody knows when its allocation began", () => {
    const bench = new CoreBench();
    const task = worked(bench);
    const wallMs = bench.time.wallMs() - 115_000;
    bench.ask("allocationBegan", { queue: "q", allocation: "a7", wallMs });
    bench.ask("allocationBegan", { queue: "q", allocation: "a7", wallMs });
    const split = bench.ask("standing", { task }).answer?.split;
    expect(split?.startup).toBeCloseTo(204, 0);
    expect(split?.total).toBeCloseTo(230, 0);
  });

  it("ends for a process whose pilot was started anew before its connection was missed", () => {
    const bench = new CoreBench();
    const task = worked(bench);
    const next = { pilotId: "pilot-1", generation: 2, allocation: "a8", queue: "q" };
    const { grant } = welcomeOf(bench.hello(2, { ...next, nodes: node(2), freeSlots: 2, want: 2 }));
    bench.say(2, { type: "started", spans: grant.spans });
    live(bench, 10, { 2: 1 });
    const { allocations } = bench.ask("standing", { task }).answer ?? { allocations: [] };
    const [older, later] = ["a7", "a8"].map((name) =>
      allocations.find(({ allocation }) => allocation === name),
    );
    expect(later).toMatchObject({ connected: 1 });
    expect(older).toMatchObject({ connected: 0 });
    expect(older?.split.total).toBeCloseTo(30, 0);
  });

  it("is kept of the pilots that are there, and of no more than 4 000 where some have left", () => {
    const bench = new CoreBench();
    const rows = () => {
      bench.core.save();
      return JSON.parse(bench.ask("getMeta", { key: "accounts" }).answer?.value ?? "[]").length;
    };
    for (let pilot = 1; pilot <= 4_100; pilot++) bench.hello(pilot, { want: 0 });
    expect(rows()).toBe(4_100);
    for (let pilot = 1; pilot <= 4_100; pilot++) bench.say(pilot, { type: "bye", reason: "" });
    bench.hello(4_101, { want: 0 });
    expect(rows()).toBe(4_000);
  });

  it("goes on in the next life: costs, S, F and core-seconds", () => {
    const bench = new CoreBench();
    const task = worked(bench);
    const before = bench.ask("standing", { task }).answer;
    bench.core.save();
    bench.core.endOfBatch();
    bench.pass(300);
    bench.crash();
    const after = bench.ask("standing", { task }).answer;
    expect(after?.forecast).toMatchObject({ meanSeconds: 10, known: "measured" });
    expect(after?.split.useful).toBe(before?.split.useful);
    expect(after?.split.startup).toBeCloseTo(before?.split.startup ?? -1, 1);
    const saved = JSON.parse(bench.ask("getMeta", { key: "shaper" }).answer?.value ?? "{}");
    const [[type, start]] = saved.costs.starts;
    expect([type, start[0]]).toEqual(["q/2c", 1]);
    expect(start[1]).toBeCloseTo(2, 1);
    expect(saved.costs.flushes[0][1][1]).toBeGreaterThan(0);
    bench.hello(5, { pilotId: "pilot-1", nodes: node(2), allocation: "a7", queue: "q", want: 0 });
    live(bench, 4, { 5: 2 });
    const later = bench.ask("standing", { task }).answer;
    expect(later?.split.total).toBeGreaterThan((before?.split.total ?? 0) + 7);
  });
});

describe("explain", () => {
  it("says why a pilot has no work, by number, id and node", () => {
    const bench = new CoreBench();
    bench.task(4);
    bench.hello(1);
    bench.hello(2, { nodes: [{ name: "m", cores: 2, gpus: 0, memoryMiB: 1, slots: 2 }] });
    for (const pilot of ["2", "pilot-2", "m"]) {
      const { lines } = bench.ask("explainPilot", { pilot }).answer ?? { lines: [] };
      expect(lines[0]).toMatch(/pilot pilot-2 .*: 2 slots on 1 node\(s\), 4 free; it holds 0/);
      expect(lines.join("\n")).toMatch(/none of 1 open task\(s\) has a ready range/);
    }
    expect(bench.ask("explainPilot", { pilot: "x" }).error).toMatch(/not_found: no pilot "x"/);
  });

  it("says since when a range runs, how long that takes, and whether it runs twice", () => {
    const { bench, task, copies } = slowNode();
    const range = copies[0]?.range ?? 0;
    const lines = bench.ask("explain", { task, range }).answer?.lines.join("\n");
    expect(lines).toMatch(/running under lease .* for 12 s/);
    expect(lines).toMatch(/predicted: 1\.0+ s/);
    expect(lines).toMatch(/a second copy of it runs at pilot pilot-2/);
    const pilot = bench.ask("explainPilot", { pilot: "pilot-1" }).answer?.lines.join("\n");
    expect(pilot).toMatch(/times as long as predicted for task/);
  });
});
