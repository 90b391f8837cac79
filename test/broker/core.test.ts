import { describe, expect, it } from "vitest";
import type { LeaseId, TaskId } from "../../src/base/index.ts";
import type {
  EngineMessage,
  Grant,
  PilotMessage,
  Report,
  SpanBlock,
  Verdicts,
  Welcome,
} from "../../src/wire/index.ts";
import { OUTCOME, singleSpan, VERDICT } from "../../src/wire/index.ts";
import { CoreBench } from "./core-bench.ts";

const BUNDLE: PilotMessage = { type: "bundle", number: 1, node: 0, uri: "file:///b/1.zip" };
const NO_COST = { wallSum: 0, wallSquares: 0, wallMax: 0, cpuSum: 0 };

function welcomeOf(messages: EngineMessage[]): Welcome {
  const welcome = messages.find((message) => message.type === "welcome");
  if (!welcome) throw new Error(`no welcome in ${JSON.stringify(messages)}`);
  return welcome as Welcome;
}

function report(spans: SpanBlock, change: Partial<Report> = {}): Report {
  return { outcome: OUTCOME.done, spans, bundle: 1, reason: "", cost: NO_COST, node: 0, ...change };
}

function exchange(sequence: number, reports: Report[], want = 0): PilotMessage {
  return { type: "exchange", sequence, reports, want, freeSlots: 4, secondsLeft: -1 };
}

const firstSpan = (welcome: Welcome) => welcome.grant.spans[0] as SpanBlock;
const verdictsOf = (messages: EngineMessage[]) =>
  messages.filter((message): message is Verdicts => message.type === "verdicts");
const rangesOf = (blocks: readonly SpanBlock[]) =>
  blocks.flatMap((block) => Array.from(block.count)).reduce((sum, count) => sum + count, 0);

describe("a session", () => {
  it("is welcomed with its first grant, the task and its file", () => {
    const bench = new CoreBench();
    const task = bench.task(10);
    const welcome = welcomeOf(bench.hello(1));
    expect(rangesOf(welcome.grant.spans)).toBe(4);
    expect(welcome.grant.tasks.map((info) => info.task)).toEqual([task]);
    expect(welcome.grant.files.map(({ firstRange, ranges }) => [firstRange, ranges])).toEqual([
      [0, 10],
    ]);
  });

  it("with an unknown credential gets a fault and nothing else", () => {
    const bench = new CoreBench();
    bench.task(10);
    const [fault] = bench.hello(1, { credential: "other" });
    expect(fault).toMatchObject({ type: "fault", code: "unauthorized" });
    expect(bench.closed).toEqual([1]);
  });

  it("must begin with hello", () => {
    const bench = new CoreBench();
    bench.open(1);
    const [fault] = bench.say(1, exchange(1, []));
    expect(fault).toMatchObject({ type: "fault", code: "protocol" });
  });

  it("of an older generation is refused, and the newer one stays", () => {
    const bench = new CoreBench();
    bench.hello(1, { pilotId: "p", generation: 2 });
    const [fault] = bench.hello(2, { pilotId: "p", generation: 1 });
    expect(fault).toMatchObject({ type: "fault", code: "conflict" });
    expect(bench.ask("pilots", {}).answer).toHaveLength(1);
  });

  it("of the same pilot on a new connection replaces the old one and keeps its leases", () => {
    const bench = new CoreBench();
    bench.task(10);
    const held = firstSpan(welcomeOf(bench.hello(1, { pilotId: "p" })));
    const again = welcomeOf(bench.hello(2, { pilotId: "p", held: [held], want: 0 }));
    expect(again.refused).toEqual([]);
    expect(bench.closed).toEqual([1]);
    expect(bench.ask("show", { task: 1 }).answer?.ranges.leased).toBe(4);
  });

  it("that is silent for two heartbeats is closed; its leases go when their time is over", () => {
    const bench = new CoreBench();
    bench.task(10);
    bench.hello(1);
    bench.pass(2_300);
    expect(bench.heard(1).at(-1)).toMatchObject({ type: "fault", code: "timed_out" });
    bench.pass(2_000);
    const ranges = bench.ask("show", { task: 1 }).answer?.ranges;
    expect(ranges).toMatchObject({ ready: 10, leased: 0 });
  });
});

describe("a connection that breaks", () => {
  const node = { name: "n", cores: 4, gpus: 0, memoryMiB: 1024, slots: 4 };
  it.each([
    ["one node: its leases go after a grace", [node], 0],
    ["several nodes: those left have the lease's whole term to take over", [node, node], 4],
    ["several nodes of which one lives: as one", [node, { ...node, slots: 0 }], 0],
  ])("of %s", (_what, nodes, leased) => {
    const bench = new CoreBench();
    bench.task(10);
    bench.hello(1, { nodes });
    bench.core.closed(1);
    bench.pass(2_000);
    expect(bench.ask("show", { task: 1 }).answer?.ranges.leased).toBe(leased);
    bench.pass(2_000);
    expect(bench.ask("show", { task: 1 }).answer?.ranges.leased).toBe(0);
  });
});

describe("a pilot whose process is known to have ended", () => {
  it("is not waited for: its leases end at once, those of others stay", () => {
    const bench = new CoreBench();
    const task = bench.task(8);
    bench.hello(1, { pilotId: "run-1-ab" });
    bench.hello(2, { pilotId: "elsewhere" });
    bench.pass(1_000);
    bench.crash();
    const ranges = () => bench.ask("show", { task }).answer?.ranges;
    expect(ranges()).toMatchObject({ ready: 0, leased: 8 });
    bench.ask("pilotsEnded", { prefix: "run-" });
    expect(ranges()).toMatchObject({ ready: 4, leased: 4 });
    bench.pass(100);
    bench.crash();
    expect(ranges()).toMatchObject({ ready: 4, leased: 4 });
  });

  it("is not waited for when its allocation is over, whatever its connection looks like", () => {
    const bench = new CoreBench();
    const task = bench.task(12);
    const nodes = ["n1", "n2"].map((name) => ({ name, cores: 2, gpus: 0, memoryMiB: 1, slots: 2 }));
    const ranges = () => bench.ask("show", { task }).answer?.ranges;
    bench.hello(1, { pilotId: "silent", allocation: "a1", nodes });
    bench.hello(2, { pilotId: "broken", allocation: "a1", nodes });
    bench.hello(3, { pilotId: "other", allocation: "a2", nodes });
    bench.core.closed(2);
    bench.core.closed(3);
    bench.core.endOfBatch();
    bench.ask("allocationEnded", { queue: "q", allocation: "a1" });
    expect(ranges()).toMatchObject({ ready: 4, leased: 8 });
    bench.say(1, { type: "heartbeat", freeSlots: 4, secondsLeft: -1 });
    bench.pass(1_500);
    expect(ranges()).toMatchObject({ ready: 4, leased: 8 });
    bench.pass(700);
    expect(bench.closed).toEqual([1]);
    expect(ranges()).toMatchObject({ ready: 8, leased: 4 });
  });

  it("is still heard out: what lies in its connection counts", () => {
    const bench = new CoreBench();
    const task = bench.task(4);
    const spans = firstSpan(welcomeOf(bench.hello(1, { pilotId: "run-1-ab" })));
    bench.ask("pilotsEnded", { prefix: "run-1-ab" });
    const done = singleSpan(
      spans.task,
      0,
      1,
      1,
      spans.grant[0] as number,
      spans.lease[0] as LeaseId,
    );
    bench.say(1, BUNDLE, exchange(1, [report(done)]));
    bench.core.closed(1);
    bench.core.endOfBatch();
    bench.pass(100);
    const view = bench.ask("show", { task }).answer;
    expect(view?.ranges).toMatchObject({ ready: 3, leased: 0, done: 1 });
  });
});

describe("an exchange", () => {
  it("has its grant at once and its verdicts only after the flush", () => {
    const bench = new CoreBench();
    bench.task(10);
    const span = firstSpan(welcomeOf(bench.hello(1)));
    const atOnce = bench.say(1, BUNDLE, exchange(1, [report(span)], 4));
    expect(atOnce.map((message) => message.type)).toEqual(["grant"]);
    const before = bench.disk.groups;
    bench.pass(300);
    expect(bench.disk.groups).toBeGreaterThan(before);
    expect(verdictsOf(bench.heard(1))).toEqual([
      { type: "verdicts", sequence: 1, runs: [4, VERDICT.accepted] },
    ]);
  });

  it("whose verdicts a crash swallowed is answered as duplicate or accepted, never lost", () => {
    const bench = new CoreBench();
    bench.task(4);
    const span = firstSpan(welcomeOf(bench.hello(1, { pilotId: "p" })));
    bench.say(1, BUNDLE, exchange(1, [report(span)]));
    bench.crash();
    const from = bench.sent.length;
    const welcome = welcomeOf(bench.hello(7, { pilotId: "p", held: [span], want: 0 }));
    if (welcome.refused.length > 0) return;
    bench.say(7, BUNDLE, exchange(1, [report(span)]));
    bench.pass(300);
    const [count, verdict] = verdictsOf(bench.heard(7, from))[0]?.runs ?? [];
    expect(count).toBe(4);
    expect([VERDICT.accepted, VERDICT.duplicate]).toContain(verdict);
    expect(bench.ask("show", { task: 1 }).answer?.ranges.done).toBe(4);
  });

  it("answers a second report of the same ranges as duplicate", () => {
    const bench = new CoreBench();
    bench.task(4);
    const span = firstSpan(welcomeOf(bench.hello(1)));
    bench.say(1, BUNDLE, exchange(1, [report(span)]), exchange(2, [report(span)]));
    bench.pass(300);
    expect(verdictsOf(bench.heard(1)).map((message) => message.runs)).toEqual([
      [4, VERDICT.accepted],
      [4, VERDICT.duplicate],
    ]);
  });

  it("that names a bundle which was not announced ends the connection", () => {
    const bench = new CoreBench();
    bench.task(4);
    const span = firstSpan(welcomeOf(bench.hello(1)));
    const messages = bench.say(1, exchange(1, [report(span)]));
    expect(messages[0]).toMatchObject({ type: "fault", code: "protocol" });
    expect(bench.ask("show", { task: 1 }).answer?.ranges.done).toBe(0);
  });

  it("that reports done without an output is a bad end unless empty outputs are allowed", () => {
    const bench = new CoreBench();
    bench.task(4, { attempts: 1 });
    const span = firstSpan(welcomeOf(bench.hello(1)));
    bench.say(1, exchange(1, [report(span, { bundle: 0 })]));
    bench.pass(300);
    const view = bench.ask("show", { task: 1 }).answer;
    expect(view?.ranges.failed).toBe(4);
    expect(view?.failures[0]?.reason).toContain("without an output");
  });

  it("about a lease that was never issued is answered unknown", () => {
    const bench = new CoreBench();
    bench.task(4);
    bench.hello(1, { want: 0 });
    const foreign = singleSpan(1 as TaskId, 0, 1, 1, 1, (2 ** 32 + 999) as LeaseId);
    bench.say(1, BUNDLE, exchange(1, [report(foreign)]));
    bench.pass(300);
    expect(verdictsOf(bench.heard(1))[0]?.runs).toEqual([1, VERDICT.unknown]);
  });

  it("parks a want that can't be met and feeds it when ranges appear", () => {
    const bench = new CoreBench();
    bench.hello(1, { want: 3 });
    const from = bench.sent.length;
    bench.task(10);
    const pushed = bench
      .heard(1, from)
      .filter((message): message is Grant => message.type === "grant");
    expect(pushed.map((grant) => [grant.sequence, rangesOf(grant.spans)])).toEqual([[0, 3]]);
  });
});

describe("the store", () => {
  it("that is full makes grants wait and answers nothing until there is space", () => {
    const bench = new CoreBench();
    bench.task(10);
    const span = firstSpan(welcomeOf(bench.hello(1)));
    bench.store.full = true;
    bench.say(1, BUNDLE, exchange(1, [report(span)]));
    bench.pass(400);
    const from = bench.sent.length;
    bench.say(1, exchange(2, [], 4));
    expect(bench.heard(1, from).flatMap((m) => (m.type === "grant" ? m.spans : []))).toEqual([]);
    expect(verdictsOf(bench.heard(1))).toEqual([]);
    bench.store.full = false;
    bench.pass(1_500);
    expect(verdictsOf(bench.heard(1))[0]?.runs).toEqual([4, VERDICT.accepted]);
  });

  it("that fails stops the engine, and nothing is acknowledged", () => {
    const bench = new CoreBench();
    const task = bench.task(10);
    bench.store.commit = (_group, done) =>
      done({ ok: false, error: new Error("EIO"), space: false });
    const cancelled = bench.ask("cancel", { task });
    bench.pass(1_000);
    expect(bench.failure).toContain("EIO");
    expect(cancelled.answer).toBeUndefined();
  });
});

describe("commands", () => {
  it("continue the same task and refuse the same name with other content", () => {
    const bench = new CoreBench();
    expect(bench.task(10, { name: "a" })).toBe(1);
    expect(bench.task(10, { name: "a" })).toBe(1);
    expect(() => bench.task(11, { name: "a" })).toThrow(/conflict/);
  });

  it("cancel recalls what runs and closes what is reported later", () => {
    const bench = new CoreBench();
    const task = bench.task(10);
    const span = firstSpan(welcomeOf(bench.hello(1)));
    const from = bench.sent.length;
    const cancelled = bench.ask("cancel", { task });
    expect(bench.heard(1, from)[0]).toMatchObject({ type: "recall", stop: true });
    bench.pass(300);
    expect(cancelled.answer?.state).toBe("cancelled");
    bench.say(1, BUNDLE, exchange(1, [report(span)]));
    bench.pass(300);
    expect(verdictsOf(bench.heard(1))[0]?.runs).toEqual([4, VERDICT.closed]);
    expect(bench.ask("show", { task }).answer?.ranges).toMatchObject({ cancelled: 10, done: 0 });
  });

  it("wait answers when the merge has finished, or in time that it has not", () => {
    const bench = new CoreBench();
    const task = bench.task(4);
    const early = bench.ask("wait", { task, timeoutMs: 500 });
    bench.pass(800);
    expect(early.error).toContain("timed_out");
    const late = bench.ask("wait", { task, timeoutMs: 0 });
    const span = firstSpan(welcomeOf(bench.hello(1)));
    bench.say(1, BUNDLE, exchange(1, [report(span)]));
    bench.pass(300);
    expect(bench.events.some((event) => event.type === "mergeable")).toBe(true);
    bench.ask("finish", { task, manifest: "m", problem: "" });
    bench.pass(300);
    expect(late.answer?.state).toBe("done");
  });

  it("tell a task mergeable only after its last report is on disk", () => {
    const bench = new CoreBench();
    bench.task(4);
    const span = firstSpan(welcomeOf(bench.hello(1)));
    bench.say(1, BUNDLE, exchange(1, [report(span)]));
    expect(bench.events.filter((event) => event.type === "mergeable")).toEqual([]);
    bench.pass(300);
    expect(bench.events.filter((event) => event.type === "mergeable")).toHaveLength(1);
  });

  it("explain says that no pilot is there, and why a range is tried again", () => {
    const bench = new CoreBench();
    const task = bench.task(4);
    expect(bench.ask("explain", { task, range: null }).answer?.lines.join("\n")).toContain(
      "no pilot is connected",
    );
    const span = firstSpan(welcomeOf(bench.hello(1)));
    bench.say(
      1,
      exchange(1, [report(span, { outcome: OUTCOME.failed, bundle: 0, reason: "exit 3" })]),
    );
    bench.pass(300);
    expect(bench.ask("explain", { task, range: 0 }).answer?.lines.join("\n")).toContain("exit 3");
  });
});

describe("recovery", () => {
  it("brings back tasks, done ranges and open leases with a full new term", () => {
    const bench = new CoreBench();
    const task = bench.task(10);
    const span = firstSpan(welcomeOf(bench.hello(1, { pilotId: "p" })));
    bench.pass(300);
    bench.crash();
    expect(bench.ask("show", { task }).answer?.ranges).toMatchObject({ ready: 6, leased: 4 });
    const welcome = welcomeOf(bench.hello(5, { pilotId: "p", held: [span], want: 0 }));
    expect(welcome.refused).toEqual([]);
    expect(welcome.epoch).toBe(2);
  });

  it("never issues a swallowed grant's identity again: its report is unknown", () => {
    const bench = new CoreBench();
    const task = bench.task(4);
    bench.pass(1_000);
    // Granted, but the group with the decision never reaches the disk.
    const commit = bench.store.commit;
    bench.store.commit = () => {};
    const lost = firstSpan(welcomeOf(bench.hello(1, { pilotId: "p" })));
    bench.store.commit = commit;
    bench.crash();
    const welcome = welcomeOf(bench.hello(2, { pilotId: "q" }));
    const fresh = firstSpan(welcome);
    expect(fresh.lease[0]).not.toBe(lost.lease[0]);
    bench.hello(3, { pilotId: "p", held: [lost], want: 0 });
    bench.say(3, BUNDLE, exchange(1, [report(lost)]));
    bench.pass(300);
    expect(verdictsOf(bench.heard(3))[0]?.runs).toEqual([4, VERDICT.unknown]);
    expect(bench.ask("show", { task }).answer?.ranges).toMatchObject({ leased: 4, done: 0 });
  });
});

describe("a grant", () => {
  it("over very many small files stays within a frame and goes on with the next exchange", () => {
    const bench = new CoreBench();
    const files = 40_000;
    const nodes = [{ name: "n", cores: files, gpus: 0, memoryMiB: 1, slots: files }];
    const task = bench.fileTask(files, "/".padEnd(200, "x"));
    const welcome = welcomeOf(bench.hello(1, { nodes, want: files, freeSlots: files }));
    expect(rangesOf(welcome.grant.spans)).toBeLessThan(files);
    for (let sequence = 1; sequence < 100; sequence++) {
      bench.say(1, { ...exchange(sequence, [], files), freeSlots: files } as PilotMessage);
    }
    // Frames over the limit would not have been encoded at all: every file came in one of them.
    const bodies = bench
      .heard(1)
      .flatMap((message) =>
        message.type === "grant" ? [message] : message.type === "welcome" ? [message.grant] : [],
      );
    expect(bodies.flatMap((body) => body.files.map(({ file }) => file))).toEqual(
      Array.from({ length: files }, (_, i) => i),
    );
    expect(bench.ask("show", { task }).answer?.ranges.leased).toBe(files);
  });
});

describe("the tail of a task", () => {
  const slow = { wallSum: 40, wallSquares: 400, wallMax: 10, cpuSum: 40 };
  const oneSlot = [{ name: "n", cores: 1, gpus: 0, memoryMiB: 1, slots: 1 }];

  it.each([
    ["nothing is ready", 0],
    ["what is ready needs larger nodes", 64],
  ])(
    "takes unstarted ranges back when slots starve elsewhere, and feeds them what comes back: %s",
    (_, cores) => {
      const bench = new CoreBench();
      bench.task(12);
      if (cores > 0) bench.task(100, { cores, name: "large" });
      const first = welcomeOf(bench.hello(1, { nodes: oneSlot, freeSlots: 1, want: 12 }));
      const all = firstSpan(first);
      expect(rangesOf(first.grant.spans)).toBe(12);
      const lease = all.lease[0] as LeaseId;
      const done = singleSpan(all.task, 0, 4, 1, 1, lease);
      const running = singleSpan(all.task, 4, 1, 1, 1, lease);
      bench.say(1, BUNDLE, { type: "started", spans: [running] });
      bench.say(1, {
        ...exchange(1, [report(done, { cost: slow })]),
        freeSlots: 0,
      } as PilotMessage);
      bench.hello(2, { nodes: oneSlot, freeSlots: 1, want: 1 });
      const keepAlive: PilotMessage = { type: "heartbeat", freeSlots: 0, secondsLeft: -1 };
      bench.pass(900);
      bench.say(1, keepAlive);
      bench.pass(900);
      const recall = bench.heard(1).find((message) => message.type === "recall");
      expect(recall).toMatchObject({ stop: false });
      const back = recall?.type === "recall" ? (recall.spans[0] as SpanBlock) : done;
      expect([back.first[0], back.count[0]]).toEqual([11, 1]);
      bench.say(1, exchange(2, [report(back, { outcome: OUTCOME.returned, bundle: 0 })]));
      const fed = bench.heard(2).filter((message): message is Grant => message.type === "grant");
      expect(fed.map((grant) => grant.spans[0]?.first[0])).toEqual([11]);
    },
  );

  it("lets a pilot go whose walltime nothing fits any more", () => {
    const bench = new CoreBench();
    bench.task(100);
    const welcome = welcomeOf(bench.hello(1, { nodes: oneSlot, freeSlots: 1, want: 4 }));
    const span = singleSpan(1 as TaskId, 0, 4, 1, 1, firstSpan(welcome).lease[0] as LeaseId);
    bench.say(1, BUNDLE, exchange(1, [report(span, { cost: slow })]));
    bench.hello(2, { nodes: oneSlot, freeSlots: 1, want: 1, secondsLeft: 1 });
    bench.pass(1_200);
    expect(bench.heard(2).find((message) => message.type === "drain")).toMatchObject({
      reason: expect.stringContaining("fits"),
    });
  });
});
