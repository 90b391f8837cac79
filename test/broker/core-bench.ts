/** A core over virtual time and a memory store, with a hand that plays pilots frame by frame. */
import { type PilotCaveats, SeededRandom } from "../../src/base/index.ts";
import { Core } from "../../src/broker/core.ts";
import type { CommandMap, CommandName, EngineEvent } from "../../src/broker/index.ts";
import type { TaskFile } from "../../src/task/index.ts";
import {
  decodePayload,
  type EngineMessage,
  encodeFrame,
  type Hello,
  type PilotMessage,
} from "../../src/wire/index.ts";
import { Disk, MemoryStore } from "../sim/memory-store.ts";
import { credentialFor } from "../sim/sim-key.ts";
import { countTask } from "../sim/sim-tasks.ts";
import { VirtualTime } from "../sim/virtual-time.ts";

const PREFIX_BYTES = 4;

export class CoreBench {
  readonly time = new VirtualTime();
  readonly disk = new Disk();
  readonly sent: { connection: number; message: EngineMessage }[] = [];
  readonly closed: number[] = [];
  readonly events: EngineEvent[] = [];
  failure = "";
  store!: MemoryStore;
  core!: Core;

  constructor() {
    this.start();
  }

  /** A new life over the same disk. */
  start(): void {
    this.store = new MemoryStore(this.disk, this.time, new SeededRandom(1));
    const core: Core = new Core(
      {
        clock: this.time,
        random: new SeededRandom(1),
        store: this.store,
        inputs: { bounds: () => new Float64Array(0), changed: () => "" },
        send: (connection, frame) => {
          if (this.core !== core) return;
          const message = decodePayload(frame.slice(PREFIX_BYTES), "engine") as EngineMessage;
          this.sent.push({ connection, message });
        },
        close: (connection) => this.closed.push(connection),
        emit: (event) => this.events.push(event),
        failStop: (message) => {
          this.failure = message;
        },
      },
      this.disk.open(),
      { leaseTermMs: 3_000, heartbeatMs: 500, disconnectGraceMs: 1_000 },
    );
    this.core = core;
    core.ask("setPilotKeys", { keys: ["key"] }, { ok: () => {}, fail: () => {} });
  }

  crash(): void {
    this.store.crash();
    this.start();
  }

  /** Virtual time passes, with the host's ticks. */
  pass(ms: number): void {
    const end = this.time.nowMs + ms;
    const tick = () => this.core.tick();
    for (let at = 100; at <= ms; at += 100) this.time.after(at, tick);
    this.time.after(ms, () => {});
    while (this.time.nowMs < end && this.time.step());
  }

  ask<Name extends CommandName>(
    name: Name,
    ask: CommandMap[Name]["ask"],
  ): { answer?: CommandMap[Name]["answer"]; error?: string } {
    const result: { answer?: CommandMap[Name]["answer"]; error?: string } = {};
    this.core.ask(name, ask, {
      ok: (answer) => {
        result.answer = answer;
      },
      fail: (error) => {
        result.error = `${error.code}: ${error.message}`;
      },
    });
    this.core.endOfBatch();
    return result;
  }

  /** Submits a count task and lets the commit pass; the task's number. */
  task(
    ranges: number,
    terms: {
      attempts?: number;
      losses?: number;
      name?: string;
      owner?: string;
      cores?: number;
    } = {},
  ): number {
    const { spec, files } = countTask(terms.name ?? `t${this.time.nowMs}`, ranges, {
      attempts: terms.attempts ?? 3,
      losses: terms.losses ?? 5,
      priority: 0,
      owner: terms.owner ?? "",
      cost: 1,
    });
    const payload = { ...spec.payload, cores: terms.cores ?? spec.payload.cores };
    const result = this.ask("submit", { spec: { ...spec, payload }, files });
    this.pass(300);
    if (!result.answer) throw new Error(`not submitted: ${result.error}`);
    return result.answer.task;
  }

  /** A task of `files` one-event files below a long path; the task's number. */
  fileTask(files: number, path: string): number {
    const { spec, files: one } = countTask("files", 1, {
      attempts: 3,
      losses: 5,
      priority: 0,
      owner: "",
      cost: 1,
    });
    const table = Array.from({ length: files }, (_, i) => ({
      ...(one[0] as TaskFile),
      source: `${path}/${i}`,
      path: `${path}/${i}`,
      format: "jsonl",
    }));
    const input = { ...spec.input, count: null, files: table.map(({ path: name }) => name) };
    const result = this.ask("submit", { spec: { ...spec, input }, files: table });
    this.pass(300);
    return result.answer?.task ?? 0;
  }

  /** A key for ann's tasks that lasts an hour, and lets pilots begin for a minute. */
  credential(change: Partial<PilotCaveats> = {}): string {
    const nowSeconds = Math.floor(this.time.wallMs() / 1000);
    return credentialFor("key", {
      allocation: "a1",
      queue: "q",
      owner: "ann",
      cores: 4,
      enrolBeforeSeconds: nowSeconds + 60,
      notAfterSeconds: nowSeconds + 3600,
      ...change,
    });
  }

  open(connection: number): void {
    this.core.opened(connection, "bench");
  }

  say(connection: number, ...messages: PilotMessage[]): EngineMessage[] {
    const before = this.sent.length;
    for (const message of messages) {
      this.core.receive(connection, encodeFrame(message).slice(PREFIX_BYTES));
    }
    this.core.endOfBatch();
    return this.heard(connection, before);
  }

  /** What was sent to a connection since the `from`-th message of all. */
  heard(connection: number, from = 0): EngineMessage[] {
    return this.sent
      .slice(from)
      .filter((one) => one.connection === connection)
      .map((one) => one.message);
  }

  hello(connection: number, change: Partial<Hello> = {}): EngineMessage[] {
    this.open(connection);
    return this.say(connection, {
      type: "hello",
      version: 1,
      role: "pilot",
      pilotId: `pilot-${connection}`,
      generation: 1,
      credential: "key",
      software: "bench",
      queue: "q",
      allocation: "",
      nodes: [{ name: "n", cores: 4, gpus: 0, memoryMiB: 1024, slots: 4 }],
      secondsLeft: -1,
      held: [],
      want: 4,
      freeSlots: 4,
      ...change,
    });
  }
}
