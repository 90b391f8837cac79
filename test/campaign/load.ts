/**
 * A load of pilots in one process, over the wire codec and real sockets: each keeps one exchange
 * outstanding, reports what it was granted as done and wants as much again. It remembers what was
 * acknowledged, over all lives of the engine, and says what it should never see:
 * a range acknowledged twice under different leases, a grant of an acknowledged range, a lease
 * number that comes twice.
 */
import type { Socket } from "node:net";
import {
  decodePayload,
  type EngineMessage,
  encodeFrame,
  FrameSplitter,
  type GrantBody,
  OUTCOME,
  type PilotMessage,
  type SpanBlock,
  VERDICT,
} from "../../src/wire/index.ts";

const FRAME_BYTES_MAX = 4 * 1024 ** 2;

export interface LoadOptions {
  readonly pilots: number;
  readonly want: number;
  /** Keeps what it is granted and reports nothing. */
  readonly holds?: boolean;
  /** Remembers nothing of single ranges: for runs over more of them than fit into memory. */
  readonly forgets?: boolean;
  /** Milliseconds from one exchange of a pilot to its next, at least; default 0. */
  readonly paceMs?: number;
  /** Exchanges into one bundle; without it outputs are in none. */
  readonly bundleExchanges?: number;
  readonly credential?: string;
  /** Of its pilots' identities; two loads on one engine need two. */
  readonly name?: string;
  connect(): Socket;
}

export class Load {
  /** `task/range` -> lease of the acknowledged done. */
  readonly acknowledged = new Map<string, number>();
  /** The same as [task, range, lease], in order of time. */
  readonly triples: [number, number, number][] = [];
  readonly violations: string[] = [];
  readonly roundTripsMs: number[] = [];
  exchanges = 0;
  accepts = 0;
  readonly #forgets: boolean;
  /** `task/range` of all grants, and of what a holding load keeps. */
  readonly granted = new Set<string>();
  readonly held = new Set<string>();
  readonly #issued = new Set<string>();
  readonly #pilots: LoadPilot[];

  constructor(options: LoadOptions) {
    this.#forgets = options.forgets ?? false;
    this.#pilots = Array.from({ length: options.pilots }, (_, i) => {
      return new LoadPilot(`${options.name ?? "load"}-${i}`, options, this);
    });
  }

  /** Dials for every pilot that has no connection. */
  start(): void {
    for (const pilot of this.#pilots) pilot.start();
  }

  stop(): void {
    for (const pilot of this.#pilots) pilot.stop();
  }

  sees(block: SpanBlock, holds: boolean): void {
    if (this.#forgets) return;
    for (let i = 0; i < block.size; i++) {
      const first = block.first[i] as number;
      const lease = block.lease[i] as number;
      const fence = `${lease}/${first}`;
      if (this.#issued.has(fence)) this.violations.push(`fence ${fence} was issued twice`);
      this.#issued.add(fence);
      for (let k = 0; k < (block.count[i] as number); k++) {
        const key = `${block.task}/${first + k}`;
        if (this.acknowledged.has(key)) {
          this.violations.push(`acknowledged range ${key} was granted again`);
        }
        if (holds) this.held.add(key);
        else this.granted.add(key);
      }
    }
  }

  answered(roundTripMs: number): void {
    this.exchanges++;
    if (!this.#forgets) this.roundTripsMs.push(roundTripMs);
  }

  accepted(task: number, range: number, lease: number): void {
    this.accepts++;
    if (this.#forgets) return;
    const key = `${task}/${range}`;
    const before = this.acknowledged.get(key);
    if (before !== undefined && before !== lease) {
      this.violations.push(`range ${key} was acknowledged under ${before} and under ${lease}`);
    }
    if (before === undefined) this.triples.push([task, range, lease]);
    this.acknowledged.set(key, lease);
  }
}

class LoadPilot {
  readonly #id: string;
  readonly #options: LoadOptions;
  readonly #load: Load;
  #socket: Socket | null = null;
  #held: SpanBlock[] = [];
  #reported: SpanBlock[] = [];
  #sequence = 0;
  #sentMs = 0;
  #generation = 0;
  #bundle = 0;
  #intoBundle = 0;
  #paced: NodeJS.Timeout | null = null;
  #beat: NodeJS.Timeout | null = null;

  constructor(id: string, options: LoadOptions, load: Load) {
    this.#id = id;
    this.#options = options;
    this.#load = load;
  }

  start(): void {
    if (this.#socket) return;
    const socket = this.#options.connect();
    this.#socket = socket;
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    // Each connection is a new process, which holds nothing.
    this.#generation++;
    this.#held = [];
    this.#reported = [];
    socket.on("connect", () => this.#hello());
    socket.on("data", (chunk: Buffer) => {
      for (const payload of splitter.push(chunk)) {
        this.#hear(decodePayload(payload, "engine") as EngineMessage);
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#socket === socket) this.#socket = null;
    });
    this.#beat ??= setInterval(() => {
      this.#send({ type: "heartbeat", freeSlots: 1, secondsLeft: -1 });
    }, 500);
  }

  stop(): void {
    if (this.#beat) clearInterval(this.#beat);
    this.#beat = null;
    if (this.#paced) clearTimeout(this.#paced);
    this.#paced = null;
    this.#socket?.destroy();
    this.#socket = null;
  }

  #send(message: PilotMessage): void {
    if (this.#socket?.readyState === "open") this.#socket.write(encodeFrame(message));
  }

  #hello(): void {
    const { want } = this.#options;
    this.#send({
      type: "hello",
      version: 1,
      role: "pilot",
      pilotId: this.#id,
      generation: this.#generation,
      credential: this.#options.credential ?? "campaign",
      software: "campaign",
      queue: "",
      allocation: "",
      nodes: [{ name: this.#id, cores: want, gpus: 0, memoryMiB: 1, slots: want }],
      secondsLeft: -1,
      held: [],
      want,
      freeSlots: want,
    });
  }

  #hear(message: EngineMessage): void {
    if (message.type === "welcome") {
      this.#newBundle();
      this.#take(message.grant);
    } else if (message.type === "grant") this.#take(message);
    else if (message.type === "verdicts") this.#verdicts(message.runs);
  }

  #take(grant: GrantBody): void {
    for (const block of grant.spans) {
      this.#load.sees(block, this.#options.holds ?? false);
      this.#held.push(block);
    }
    if (this.#options.holds) return;
    if (this.#reported.length === 0 && this.#held.length > 0) this.#exchangeInTime();
  }

  #newBundle(): void {
    if (this.#options.bundleExchanges === undefined) return;
    this.#intoBundle = 0;
    const uri = `file:///soak/${this.#id}.g${this.#generation}.${++this.#bundle}.zip`;
    this.#send({ type: "bundle", number: this.#bundle, node: 0, uri });
  }

  #exchangeInTime(): void {
    const waitMs = this.#sentMs + (this.#options.paceMs ?? 0) - performance.now();
    if (waitMs <= 0) this.#exchange();
    else if (!this.#paced) this.#paced = setTimeout(() => this.#exchange(), waitMs);
  }

  #exchange(): void {
    this.#paced = null;
    if (++this.#intoBundle > (this.#options.bundleExchanges ?? Number.POSITIVE_INFINITY)) {
      this.#newBundle();
    }
    this.#reported = this.#held;
    this.#held = [];
    this.#sentMs = performance.now();
    const cost = { wallSum: 0, wallSquares: 0, wallMax: 0, cpuSum: 0 };
    this.#send({
      type: "exchange",
      sequence: ++this.#sequence,
      reports: this.#reported.map((spans) => ({
        outcome: OUTCOME.done,
        spans,
        bundle: this.#bundle,
        reason: "",
        cost,
        node: 0,
      })),
      want: this.#options.want,
      freeSlots: this.#options.want,
      secondsLeft: -1,
    });
  }

  #verdicts(runs: readonly number[]): void {
    this.#load.answered(performance.now() - this.#sentMs);
    let run = 0;
    let left = runs[0] ?? 0;
    let refused = false;
    for (const block of this.#reported) {
      for (let i = 0; i < block.size; i++) {
        for (let k = 0; k < (block.count[i] as number); k++) {
          while (left === 0) {
            run += 2;
            left = runs[run] as number;
          }
          left--;
          const range = (block.first[i] as number) + k;
          if (runs[run + 1] === VERDICT.accepted) {
            this.#load.accepted(block.task, range, block.lease[i] as number);
          } else refused = true;
        }
      }
    }
    this.#reported = [];
    // The bundle may have been given up: what goes into it is refused from then on.
    if (refused) this.#newBundle();
    if (this.#held.length > 0) this.#exchangeInTime();
  }
}
