/**
 * A spool with more ranges than an exchange may have: delivered in several, each range once. Its
 * writer here is a pilot of the test's own that takes leases and is gone without a word.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  credentialOf,
  FRAME_BYTES_MAX,
  type LeaseId,
  RANGES_PER_EXCHANGE_MAX,
} from "../../src/base/index.ts";
import {
  blockRanges,
  decodePayload,
  type Exchange,
  encodeFrame,
  FrameSplitter,
  type Hello,
  type Message,
  OUTCOME,
  PROTOCOL_VERSION,
  type Report,
  type SpanBlock,
} from "../../src/wire/index.ts";
import { isBuilt, NativeBed, skipLoudly } from "./bed.ts";

skipLoudly("a large spool of reports");
const RANGES = RANGES_PER_EXCHANGE_MAX + 250_000;
const NO_COST = { wallSum: 0, wallSquares: 0, wallMax: 0, cpuSum: 0 };

const spansOf = (block: SpanBlock): SpanBlock[] =>
  Array.from({ length: block.size }, (_, i) => ({
    task: block.task,
    size: 1,
    first: [block.first[i] as number],
    count: [block.count[i] as number],
    attempt: [block.attempt[i] as number],
    grant: [block.grant[i] as number],
    lease: [block.lease[i] as LeaseId],
  }));

describe.skipIf(!isBuilt)("a spool of more ranges than an exchange may have", () => {
  let bed: NativeBed;
  beforeAll(async () => {
    bed = new NativeBed();
    mkdirSync(join(bed.folder, "bundles"));
    await bed.startEngine("--lease-term", "60s", "--listen", "127.0.0.1:0");
  });
  afterAll(async () => {
    await bed.close();
  });

  const hello = (held: readonly SpanBlock[], want: number): Hello => ({
    type: "hello",
    version: PROTOCOL_VERSION,
    role: "pilot",
    pilotId: "gone",
    generation: 1,
    credential: held.length === 0 ? credentialOf(bed.access()) : "",
    software: "test",
    queue: "",
    allocation: "",
    nodes: [{ name: "n1", cores: RANGES, gpus: 0, memoryMiB: 1, slots: RANGES }],
    secondsLeft: -1,
    held,
    want,
    freeSlots: want,
  });
  const exchange = (sequence: number, reports: readonly Report[], want: number): Exchange => ({
    ...{ type: "exchange", sequence, reports, want, freeSlots: want, secondsLeft: -1 },
  });

  /** Leases of all ranges, from an engine that hears nothing of them any more. */
  async function leased(): Promise<SpanBlock[]> {
    const blocks: SpanBlock[] = [];
    const [address = ""] = bed.addresses("tcp://");
    const { hostname, port } = new URL(address);
    const socket = connect(Number(port), hostname);
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    const held = () => blocks.reduce((sum, block) => sum + blockRanges(block), 0);
    let sequence = 0;
    await new Promise<void>((done, fail) => {
      const on = (message: Message) => {
        if (message.type === "fault") fail(new Error(message.message));
        if (message.type === "welcome") blocks.push(...message.grant.spans);
        if (message.type === "grant") blocks.push(...message.spans);
        if (message.type !== "welcome" && message.type !== "grant") return;
        if (held() === RANGES) done();
        else socket.write(encodeFrame(exchange(++sequence, [], RANGES - held())));
      };
      socket.on("error", fail);
      socket.on("close", () => fail(new Error(`closed with ${held()} ranges`)));
      socket.on("data", (chunk: Buffer) => {
        for (const payload of splitter.push(chunk)) on(decodePayload(payload, "engine"));
      });
      socket.write(encodeFrame(hello([], RANGES)));
    });
    socket.removeAllListeners("close");
    socket.destroy();
    return blocks;
  }

  it("is delivered in several, each range once", { timeout: 120_000 }, async () => {
    const id = await bed.submit({
      name: "nulls",
      input: { count: RANGES },
      payload: { command: [":null"] },
      output: { name: "nulls.jsonl", merge: "jsonl", allowEmpty: true },
    });
    const held = await leased();
    // A report for each span, of 65 535 ranges at most.
    const frames = held.flatMap(spansOf).map((spans) => {
      const rest = { bundle: 0, reason: "", cost: NO_COST, node: 0 };
      return encodeFrame(exchange(1, [{ outcome: OUTCOME.done, spans, ...rest }], 0));
    });
    const spool = Buffer.concat([encodeFrame(hello(held, 0)), ...frames]);
    writeFileSync(join(bed.folder, "bundles", "gone.left.spool"), spool);
    const pilot = bed.pilot(bed.accessPath);
    expect((await bed.wait(id)).state).toBe("done");
    await bed.until("the spool to go", () => readdirSync(join(bed.folder, "bundles")).length === 0);
    expect(pilot.text).toContain(`is delivered: ${RANGES} done, 0 of no use any more`);
    expect(await bed.show(id)).toMatchObject({ attempts: RANGES, ranges: { done: RANGES } });
  });
});
