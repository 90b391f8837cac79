/** What an allocation's key lets a session do, and what it does not: the core and real messages. */
import { describe, expect, it } from "vitest";
import { type PilotCaveats, splitCredential } from "../../src/base/index.ts";
import {
  type EngineMessage,
  type Hello,
  OUTCOME,
  type PilotMessage,
  type Report,
  type SpanBlock,
  VERDICT,
  type Welcome,
} from "../../src/wire/index.ts";
import { CoreBench } from "./core-bench.ts";

const NO_COST = { wallSum: 0, wallSquares: 0, wallMax: 0, cpuSum: 0 };
const BUNDLE: PilotMessage = { type: "bundle", number: 1, node: 0, uri: "file:///b/1.zip" };

/** Hello with a key for ann's tasks that lasts an hour, and lets pilots begin for a minute. */
function helloOf(bench: CoreBench, change: Partial<PilotCaveats> = {}): Partial<Hello> {
  return { credential: bench.credential(change) };
}

const grantedTasks = (messages: EngineMessage[]) =>
  messages
    .filter((message) => message.type === "welcome" || message.type === "grant")
    .flatMap((message) => (message.type === "welcome" ? message.grant.spans : message.spans))
    .map((block) => block.task);

const faultOf = (messages: EngineMessage[]) => messages.find(({ type }) => type === "fault");

function report(spans: SpanBlock, change: Partial<Report> = {}, sequence = 1): PilotMessage {
  const base = { outcome: OUTCOME.done, spans, bundle: 1, reason: "", cost: NO_COST, node: 0 };
  const reports = [{ ...base, ...change } as Report];
  return { type: "exchange", sequence, reports, want: 0, freeSlots: 4, secondsLeft: -1 };
}

describe("a session with an allocation's key", () => {
  it("is granted its owner's tasks only, also what is submitted later", () => {
    const bench = new CoreBench();
    bench.task(2, { owner: "bob", name: "b" });
    const ann = bench.task(2, { owner: "ann", name: "a" });
    expect(new Set(grantedTasks(bench.hello(1, helloOf(bench))))).toEqual(new Set([ann]));
    const from = bench.sent.length;
    bench.task(2, { owner: "bob", name: "b2" });
    const later = bench.task(1, { owner: "ann", name: "a2" });
    expect(grantedTasks(bench.heard(1, from))).toEqual([later]);
    expect(bench.ask("show", { task: 1 }).answer?.ranges).toMatchObject({ ready: 2 });
  });

  it("gets everybody's tasks where the key names no owner", () => {
    const bench = new CoreBench();
    bench.task(2, { owner: "bob", name: "b" });
    bench.task(2, { owner: "ann", name: "a" });
    const tasks = grantedTasks(bench.hello(1, helloOf(bench, { owner: "" })));
    expect(new Set(tasks)).toEqual(new Set([1, 2]));
  });

  it("changes nothing of another owner's task, whatever it reports", () => {
    const bench = new CoreBench();
    const task = bench.task(4, { owner: "bob" });
    const welcome = bench.hello(1, { pilotId: "bobs" }).find(({ type }) => type === "welcome");
    const held = (welcome as Welcome).grant.spans[0] as SpanBlock;
    bench.hello(2, helloOf(bench));
    const reason = "a text that bob's task must not learn";
    bench.say(2, BUNDLE, report(held), { type: "started", spans: [held] });
    bench.say(2, report(held, { outcome: OUTCOME.failed, bundle: 0, reason }, 2));
    bench.pass(300);
    const verdicts = bench.heard(2).filter((message) => message.type === "verdicts");
    expect(verdicts.map(({ runs }) => runs)).toEqual([
      [4, VERDICT.unknown],
      [4, VERDICT.unknown],
    ]);
    const view = bench.ask("show", { task }).answer;
    expect(view?.ranges).toMatchObject({ leased: 4, done: 0, failed: 0 });
    expect(JSON.stringify(bench.ask("explain", { task, range: 0 }))).not.toContain(reason);
  });

  it("can't come as a pilot of somebody else, nor announce its bundle", () => {
    const bench = new CoreBench();
    bench.task(4, { owner: "bob" });
    bench.hello(1, { ...helloOf(bench, { owner: "bob" }), pilotId: "p" });
    bench.say(1, BUNDLE);
    const stolen = bench.hello(2, { ...helloOf(bench), pilotId: "p", generation: 9 });
    expect(faultOf(stolen)).toMatchObject({ code: "unauthorized" });
    expect(bench.closed).toEqual([2]);
    expect(bench.ask("show", { task: 1 }).answer?.ranges.leased).toBe(4);
    bench.hello(3, helloOf(bench));
    expect(faultOf(bench.say(3, BUNDLE))).toMatchObject({ code: "unauthorized" });
  });

  it("is bound to its owner over restarts, and another allocation's key may go on for it", () => {
    const bench = new CoreBench();
    bench.task(4, { owner: "ann" });
    bench.hello(1, { ...helloOf(bench), pilotId: "p" });
    bench.pass(300);
    bench.crash();
    const bob = bench.hello(2, {
      ...helloOf(bench, { owner: "bob" }),
      pilotId: "p",
      generation: 2,
    });
    expect(faultOf(bob)).toMatchObject({ code: "unauthorized" });
    const next = helloOf(bench, { allocation: "a2" });
    const ann = bench.hello(3, { ...next, pilotId: "p", generation: 2 });
    expect(faultOf(ann)).toBeUndefined();
  });

  it.each([
    ["has ended", { notAfterSeconds: 1 }],
    ["comes too late", { enrolBeforeSeconds: 1 }],
    ['of queue "q" (its key is for "other")', { queue: "other" }],
    ["offers 4 slots (its key is for 3 cores)", { cores: 3 }],
  ] as const)("is refused in words: %s", (text, change) => {
    const bench = new CoreBench();
    bench.pass(5_000);
    const [fault] = bench.hello(1, helloOf(bench, change));
    expect(fault).toMatchObject({ type: "fault", code: "unauthorized" });
    expect((fault as { message: string }).message).toContain(text);
    expect(bench.ask("pilots", {}).answer).toEqual([]);
  });

  it("is of the key's queue if it names none", () => {
    const bench = new CoreBench();
    bench.hello(1, { ...helloOf(bench, { queue: "night" }), queue: "" });
    expect(bench.ask("pilots", {}).answer?.[0]?.queue).toBe("night");
  });

  it("is refused with terms that are not those of its key", () => {
    const bench = new CoreBench();
    const { credential = "" } = helloOf(bench);
    const wider = credential.replace("/ann/4/", "//400/");
    expect(wider).not.toBe(credential);
    expect(bench.hello(1, { credential: wider })[0]).toMatchObject({ code: "unauthorized" });
    expect(bench.hello(2, { credential })[0]).toMatchObject({ type: "welcome" });
  });

  it("may come back after the time for new pilots, and ends with its key", () => {
    const bench = new CoreBench();
    const nowSeconds = Math.floor(bench.time.wallMs() / 1000);
    const ends = { enrolBeforeSeconds: nowSeconds + 1, notAfterSeconds: nowSeconds + 4 };
    const hello = { ...helloOf(bench, ends), pilotId: "p" };
    bench.hello(1, hello);
    bench.pass(2_000);
    expect(bench.hello(2, hello)[0]).toMatchObject({ type: "welcome" });
    for (let i = 0; i < 4; i++) {
      bench.say(2, { type: "heartbeat", freeSlots: 4, secondsLeft: -1 });
      bench.pass(1_000);
    }
    const fault = faultOf(bench.heard(2));
    expect(fault).toMatchObject({ code: "unauthorized" });
    expect((fault as { message: string }).message).toContain("has ended");
  });

  it("can't grow beyond its cores later", () => {
    const bench = new CoreBench();
    bench.hello(1, helloOf(bench));
    const node = { name: "n", cores: 8, gpus: 0, memoryMiB: 1, slots: 8 };
    const heard = bench.say(1, { type: "resources", nodes: [node], secondsLeft: -1 });
    expect(faultOf(heard)).toMatchObject({ code: "unauthorized" });
  });

  it("starves no other owner's: what is recalled for it is of its own tasks", () => {
    const bench = new CoreBench();
    bench.task(4, { owner: "bob", name: "b" });
    const want = { want: 4, freeSlots: 0 };
    bench.hello(1, { ...helloOf(bench, { owner: "bob" }), ...want });
    bench.hello(2, helloOf(bench));
    bench.pass(2_000);
    expect(bench.heard(1).some(({ type }) => type === "recall")).toBe(false);
    expect(bench.ask("show", { task: 1 }).answer?.ranges.leased).toBe(4);
  });
});

describe("a key that is revoked", () => {
  const identityIn = ({ credential = "" }: Partial<Hello>) => splitCredential(credential).identity;

  it("ends its sessions, is refused from then on, and others stay", () => {
    const bench = new CoreBench();
    bench.task(8, { owner: "ann" });
    const [bad, good] = [helloOf(bench), helloOf(bench, { allocation: "a2" })];
    bench.hello(1, { ...bad, pilotId: "one" });
    bench.hello(2, { ...good, pilotId: "two" });
    const from = bench.sent.length;
    const revoked = bench.ask("revokePilotKey", { identity: identityIn(bad) });
    expect(revoked.answer).toBeUndefined();
    const words = { code: "unauthorized", message: expect.stringContaining("was revoked") };
    expect(faultOf(bench.heard(1, from))).toMatchObject(words);
    expect(faultOf(bench.heard(2, from))).toBeUndefined();
    expect(faultOf(bench.hello(3, { ...bad, pilotId: "one" }))).toMatchObject(words);
    expect(faultOf(bench.hello(4, { ...good, pilotId: "three" }))).toBeUndefined();
    bench.pass(300);
    expect(revoked.answer).toEqual({ sessions: 1 });
    // What the first one held is ready again, and went to the last one.
    expect(bench.ask("show", { task: 1 }).answer?.ranges).toMatchObject({ ready: 0, leased: 8 });
  });

  it("stays revoked over a restart of the engine", () => {
    const bench = new CoreBench();
    const hello = helloOf(bench);
    bench.ask("revokePilotKey", { identity: identityIn(hello) });
    bench.pass(300);
    bench.crash();
    expect(faultOf(bench.hello(1, hello))).toMatchObject({ code: "unauthorized" });
  });

  it("is an allocation's: the store's own, and what is no identity, are refused", () => {
    const bench = new CoreBench();
    for (const identity of ["jumbo", "", "jumbo1/a/b"]) {
      const { error } = bench.ask("revokePilotKey", { identity });
      expect(error).toMatch(/^usage: "identity"/);
    }
    expect(faultOf(bench.hello(1, {}))).toBeUndefined();
  });
});
