/**
 * Pilots' connections on one side, the core on the other, batches between. It knows frames and
 * limits, nothing of what messages mean: the core decodes, answers, and says when to close.
 *
 *   sockets --bytes--> Peer --payloads--> one ToCore batch a turn of the event loop --> core
 *   sockets <--corked- Peer <--frames---- one FromCore batch <------------------------- core
 *
 * One bad peer never hurts others: whatever it sends or does not read ends at a limit of its own
 * connection, with a `fault` frame where there is something to say.
 */
import { assert, type PilotAddress } from "../base/index.ts";
import { type CorePort, type FrameBatch, FrameGatherer, type FromCore } from "../broker/index.ts";
import { GatewayCounters } from "./counters.ts";
import type { Incoming } from "./incoming.ts";
import { GATEWAY_LIMITS, type GatewayLimits } from "./limits.ts";
import { type Listener, openListener } from "./listener.ts";
import { Peer, type PeerEvents } from "./peer.ts";

/** What a gateway needs of a core. */
export type GatewayPort = CorePort;

export interface GatewayOptions {
  readonly listen: readonly PilotAddress[];
  /** The store's pilot key in hex: external key of TLS listeners, and what others derive from. */
  readonly pilotKey: () => string;
  readonly limits?: Partial<GatewayLimits>;
  /** First connection number; gateways that share a core need ranges of their own. */
  readonly firstConnection?: number;
}

const CHECK_INTERVAL_MS = 1_000;
/**
 * A batch of so many frames leaves at once. One poll reads thousands of sockets if they have
 * something to say, for a tenth of a second, and the core would have nothing to do meanwhile.
 */
const BATCH_FRAMES_MAX = 512;
/** How often a core that is behind is asked again. */
const BACKLOG_INTERVAL_MS = 5;

export class Gateway {
  readonly counters = new GatewayCounters();
  readonly #port: GatewayPort;
  readonly #limits: GatewayLimits;
  readonly #peers = new Map<number, Peer>();
  readonly #gatherer = new FrameGatherer();
  #listeners: Listener[] = [];
  #opened: { connection: number; peer: string }[] = [];
  #closed: number[] = [];
  #nextConnection: number;
  #flushPlanned = false;
  #coreBehind = false;
  #stopped = false;
  readonly #checkTimer: NodeJS.Timeout;

  constructor(port: GatewayPort, options: GatewayOptions) {
    this.#port = port;
    this.#limits = { ...GATEWAY_LIMITS, ...options.limits };
    this.#nextConnection = options.firstConnection ?? 1;
    const shortest = Math.min(this.#limits.helloTimeoutMs, this.#limits.frameTimeoutMs);
    const everyMs = Math.min(CHECK_INTERVAL_MS, this.#limits.lingerMs, shortest) / 2;
    this.#checkTimer = setInterval(() => this.#check(), everyMs);
    this.#checkTimer.unref();
    port.onBatch((batch) => this.#fromCore(batch));
  }

  /** Where it listens, as an access file names it: `unix:/path`, `tcp://host:port`, `tls://...`. */
  get addresses(): string[] {
    return this.#listeners.map((listener) => listener.address);
  }

  async listen(options: GatewayOptions): Promise<void> {
    try {
      for (const address of options.listen) {
        const listener = await openListener(address, {
          pilotKey: options.pilotKey,
          handshakeTimeoutMs: this.#limits.helloTimeoutMs,
          onSocket: (incoming, peer) => this.#accept(incoming, peer),
          onHandshakeFailed: () => {
            this.counters.handshakesFailed++;
          },
        });
        this.#listeners.push(listener);
      }
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Takes no more connections, lets the last frames out, and ends the others. */
  async close(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
    const peers = [...this.#peers.values()];
    for (const peer of peers) peer.close();
    const endMs = performance.now() + this.#limits.lingerMs;
    while (this.#peers.size > 0 && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const peer of this.#peers.values()) peer.destroy();
    clearInterval(this.#checkTimer);
    this.#flush();
  }

  #accept(incoming: Incoming, name: string): void {
    const connection = this.#nextConnection++;
    assert(connection <= 0xffff_ffff, "connection numbers are used up");
    const { counters } = this;
    const peer = new Peer(incoming, connection, name, performance.now(), {
      limits: this.#limits,
      counters,
      events: this.#events,
    });
    counters.connections++;
    counters.opened++;
    this.#peers.set(connection, peer);
    if (this.#peers.size > this.#limits.sessionsMax) {
      counters.refusedFull++;
      peer.fault(
        "refused",
        `${this.#limits.sessionsMax} pilots are connected (no more are taken) try again later`,
      );
      return;
    }
    if (this.#coreBehind) peer.setCoreBehind(true);
  }

  readonly #frame = (peer: Peer, bytes: Uint8Array, begin: number, end: number): void => {
    if (!peer.told) {
      peer.told = true;
      this.#opened.push({ connection: peer.connection, peer: peer.name });
    }
    this.#gatherer.add(peer.connection, bytes, begin, end);
    if (this.#gatherer.size < BATCH_FRAMES_MAX) this.#plan();
    else this.#flush();
  };

  readonly #gone = (peer: Peer): void => {
    this.counters.connections--;
    this.counters.closed++;
    this.#peers.delete(peer.connection);
    if (!peer.told) return;
    this.#closed.push(peer.connection);
    this.#plan();
  };

  readonly #events: PeerEvents = { frame: this.#frame, gone: this.#gone };

  /** Behind the poll phase, so that one batch holds what all sockets had to say. */
  #plan(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    setImmediate(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    const frames = this.#gatherer.take();
    if (frames === null && this.#opened.length === 0 && this.#closed.length === 0) return;
    const batch = { opened: this.#opened, frames, closed: this.#closed };
    this.#opened = [];
    this.#closed = [];
    this.counters.batchesIn++;
    this.#port.post(batch);
    if (!this.#coreBehind) this.#watchBacklog();
  }

  /** Nobody is read while the core has too much before it: memory stays bounded. */
  #watchBacklog(): void {
    const behind = this.#port.backlogBytes > this.#limits.backlogBytesMax;
    if (behind !== this.#coreBehind) {
      this.#coreBehind = behind;
      for (const peer of this.#peers.values()) peer.setCoreBehind(behind);
    }
    if (behind && !this.#stopped) setTimeout(() => this.#watchBacklog(), BACKLOG_INTERVAL_MS);
  }

  #fromCore(batch: FromCore): void {
    if (batch.frames !== null) this.#write(batch.frames);
    for (const connection of batch.close) {
      const peer = this.#peers.get(connection);
      if (peer === undefined) continue;
      peer.told = false;
      peer.close();
    }
  }

  /** Frames of one peer that lie side by side go out in one write. */
  #write({ connections, ends, bytes }: FrameBatch): void {
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let begin = 0;
    for (let i = 0; i < ends.length; ) {
      const connection = connections[i] as number;
      const first = i++;
      while (i < ends.length && connections[i] === connection) i++;
      const end = ends[i - 1] as number;
      this.#peers.get(connection)?.write(all.subarray(begin, end), i - first);
      begin = end;
    }
  }

  #check(): void {
    const nowMs = performance.now();
    for (const peer of this.#peers.values()) peer.check(nowMs);
  }
}

/** Opens every listener, or none: throws JumboError("conflict" or "usage") naming the address. */
export async function startGateway(port: GatewayPort, options: GatewayOptions): Promise<Gateway> {
  const gateway = new Gateway(port, options);
  await gateway.listen(options);
  return gateway;
}
