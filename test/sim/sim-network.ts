/**
 * Connections as TCP gives them (in order, whole frames, nothing after a break), and, where a
 * history asks for it, worse than TCP: single frames lost, doubled or overtaken. Every frame goes
 * through the production codec on both ends.
 */
import type { SeededRandom } from "../../src/base/index.ts";
import type { Core } from "../../src/broker/core.ts";
import {
  decodePayload,
  type EngineMessage,
  encodeFrame,
  type PilotMessage,
} from "../../src/wire/index.ts";
import type { Outside } from "./outside.ts";
import type { VirtualTime } from "./virtual-time.ts";

const PREFIX_BYTES = 4;

export interface PilotEnd {
  receive(message: EngineMessage, connection: number): void;
  /** The connection is gone. */
  broken(connection: number): void;
}

interface Line {
  readonly id: number;
  readonly pilot: PilotEnd;
  open: boolean;
  /** Earliest time at which the next frame of each direction may arrive: order is kept. */
  toEngineMs: number;
  toPilotMs: number;
}

export interface Chaos {
  readonly lose: number;
  readonly double: number;
  readonly overtake: number;
}

export const CALM: Chaos = { lose: 0, double: 0, overtake: 0 };
/** Frames that a worse-than-TCP network may touch: hello and welcome make a connection, or none. */
const TOUCHABLE = new Set(["exchange", "started", "grant", "verdicts", "heartbeat", "pulse"]);

export class SimNetwork {
  chaos: Chaos = CALM;
  latencyMs = 2;
  core: Core | null = null;
  /** Sees each frame that leaves the engine, for the history's hash. */
  onEngineFrame: (frame: Uint8Array) => void = () => {};
  outside: Outside | null = null;
  /** Calls of the core: what the books do between two equal counts, they do by a commit. */
  calls = 0;
  readonly #time: VirtualTime;
  readonly #random: SeededRandom;
  readonly #lines = new Map<number, Line>();
  #nextId = 1;
  #settlePlanned = false;

  constructor(time: VirtualTime, random: SeededRandom) {
    this.#time = time;
    this.#random = random;
  }

  /** A new connection, or 0 if nobody listens. */
  dial(pilot: PilotEnd): number {
    if (!this.core) return 0;
    const id = this.#nextId++;
    this.#lines.set(id, { id, pilot, open: true, toEngineMs: 0, toPilotMs: 0 });
    this.calls++;
    this.core.opened(id, "simulated");
    return id;
  }

  toEngine(id: number, message: PilotMessage): void {
    const line = this.#lines.get(id);
    if (!line?.open) return;
    const payload = encodeFrame(message).subarray(PREFIX_BYTES);
    this.#deliver(line, "toEngineMs", message.type, () => {
      const { core } = this;
      if (!line.open || !core) return;
      this.outside?.hears(id, message);
      this.calls++;
      core.receive(id, payload);
      this.#settleSoon();
    });
  }

  toPilot(id: number, frame: Uint8Array): void {
    const line = this.#lines.get(id);
    if (!line?.open) return;
    this.onEngineFrame(frame);
    const message = decodePayload(frame.subarray(PREFIX_BYTES), "engine") as EngineMessage;
    this.outside?.says(id, message);
    this.#deliver(line, "toPilotMs", message.type, () => {
      if (line.open) line.pilot.receive(message, id);
    });
  }

  /** The engine closes after its last frame. */
  closeByEngine(id: number): void {
    this.outside?.closedByEngine(id);
    const line = this.#lines.get(id);
    if (!line?.open) return;
    this.#deliver(line, "toPilotMs", "close", () => this.#end(line, false));
  }

  /** The cable is cut or the pilot is gone: what is under way is lost. */
  cut(id: number): void {
    const line = this.#lines.get(id);
    if (line) this.#end(line, true);
  }

  cutAll(): void {
    for (const line of [...this.#lines.values()]) this.#end(line, true);
  }

  get connections(): number[] {
    return [...this.#lines.keys()];
  }

  #end(line: Line, tellEngine: boolean): void {
    if (!line.open) return;
    line.open = false;
    this.#lines.delete(line.id);
    line.pilot.broken(line.id);
    const { core } = this;
    if (!tellEngine || !core) return;
    this.#time.after(this.#delay(), () => {
      if (this.core !== core) return;
      this.outside?.closed(line.id);
      this.calls++;
      core.closed(line.id);
      this.#settleSoon();
    });
  }

  #deliver(line: Line, side: "toEngineMs" | "toPilotMs", type: string, arrive: () => void): void {
    const random = this.#random;
    const touchable = TOUCHABLE.has(type);
    if (touchable && random.chance(this.chaos.lose)) return;
    const atMs = this.#time.nowMs + this.#delay();
    if (touchable && random.chance(this.chaos.overtake)) {
      this.#time.after(5 * this.#delay(), arrive);
      return;
    }
    line[side] = Math.max(line[side], atMs);
    this.#time.after(line[side] - this.#time.nowMs, arrive);
    if (touchable && random.chance(this.chaos.double)) this.#time.after(3 * this.#delay(), arrive);
  }

  #delay(): number {
    return this.latencyMs * (0.5 + this.#random.nextUnit());
  }

  /** Several frames of one moment make one batch, as in a real turn of the event loop. */
  #settleSoon(): void {
    if (this.#settlePlanned) return;
    this.#settlePlanned = true;
    this.#time.after(0.05, () => {
      this.#settlePlanned = false;
      this.core?.endOfBatch();
    });
  }
}
