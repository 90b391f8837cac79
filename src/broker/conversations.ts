/**
 * Conversations with pilots: hello to bye, one session a connection, one connection a pilot. Bad
 * frames end their own connection with a `fault` and nobody else's. Every word of a pilot renews
 * its leases; silence for two heartbeats closes the connection, silence for a lease term expires
 * what it holds.
 */
import {
  FRAME_BYTES_MAX,
  HELLO_TIMEOUT_MS,
  JumboError,
  type LeaseId,
  messageOf,
  NO_REASON,
  type PilotNumber,
  type RangeIndex,
  type ReasonId,
  type TaskId,
} from "../base/index.ts";
import type { Lease, RefusedSpan } from "../ledger/index.ts";
import {
  decodeBriefly,
  type EngineMessage,
  type Exchange,
  encodeFrame,
  type GrantBody,
  type Hello,
  messagesOf,
  type PilotMessage,
  PROTOCOL_VERSION,
  type Report,
  type SpanBlock,
  SpanBlockBuilder,
  VERDICT,
} from "../wire/index.ts";
import { checkSlots, keyEnded, keyRevoked, rightsOf } from "./credentials.ts";
import type { CoreParts } from "./parts.ts";
import { applyReport, type ReportEffects, VerdictRuns } from "./reports.ts";
import { openSession, type Session, setResources, setSecondsLeft } from "./session.ts";

/** One exchange of so many tells how long a flush takes. */
const FLUSH_EVERY = 64;
/** What a process that has ended said last is read within this. */
const ENDED_SILENCE_MS = 2_000;
const VANISHED = "the pilot vanished while it ran";

interface Connection {
  readonly id: number;
  readonly peer: string;
  readonly openedMs: number;
  session: Session | null;
}

export class Conversations {
  readonly sessions = new Map<PilotNumber, Session>();
  readonly effects: ReportEffects = { readyArrived: false, tasks: new Set(), changed: [] };
  readonly counters = { exchanges: 0, rangesReported: 0, faults: 0, rangesGranted: 0, expired: 0 };
  /** Called when a session begins or ends. */
  onSession: (session: Session, joined: boolean) => void = () => {};
  /** Called after each report was applied, and when leases have ended without a word. */
  onReport: (session: Session, report: Report, nowMs: number) => void = () => {};
  onFreed: (leases: readonly Lease[]) => void = () => {};
  readonly #parts: CoreParts;
  readonly #connections = new Map<number, Connection>();
  #nextSession = 1;

  constructor(parts: CoreParts) {
    this.#parts = parts;
  }

  get connections(): number {
    return this.#connections.size;
  }

  opened(connection: number, peer: string): void {
    const openedMs = this.#nowMs();
    this.#connections.set(connection, { id: connection, peer, openedMs, session: null });
  }

  /**
   * A connection is gone. Its pilot may come back: leases stay for a grace, then expire. If one of
   * several nodes held the connection, the others work on and must first notice, agree and take
   * over: that has the whole term.
   */
  closed(connection: number): void {
    const known = this.#connections.get(connection);
    this.#connections.delete(connection);
    const session = known?.session;
    if (!session || this.sessions.get(session.pilot) !== session) return;
    this.sessions.delete(session.pilot);
    const { ledger, options } = this.#parts;
    this.#bury(session);
    const alone = session.nodes.filter((node) => node.slots > 0).length <= 1;
    const grace = alone ? options.disconnectGraceMs : options.leaseTermMs;
    ledger.renew(session.pilot, this.#nowMs() + Math.min(grace, options.leaseTermMs));
    this.onSession(session, false);
  }

  /** The processes of those pilots have ended: no grace is due, nobody comes back. */
  ended(isOne: (pilot: { pilotId: string; generation: number }) => boolean): void {
    for (const row of this.#parts.book.pilots.values()) {
      if (!isOne(row)) continue;
      const pilot = row.number as PilotNumber;
      const session = this.sessions.get(pilot);
      // What it said last may lie in the connection still.
      if (session) {
        session.ended = true;
        session.heardMs = this.#nowMs();
      } else {
        this.#expire(pilot);
      }
    }
  }

  receive(connection: number, bytes: Uint8Array, begin: number, end: number): void {
    const known = this.#connections.get(connection);
    if (!known) return;
    try {
      this.#handle(known, decodeBriefly(bytes, "pilot", begin, end) as PilotMessage);
    } catch (error) {
      if (!(error instanceof JumboError)) throw error;
      this.#fault(known, error);
    }
  }

  /** Pushes grants to pilots whose want is parked. Called when ranges became ready. */
  feedParked(): void {
    this.effects.readyArrived = false;
    const nowMs = this.#nowMs();
    for (const session of this.sessions.values()) {
      if (session.want <= 0 || session.draining) continue;
      const body = this.#grant(session, nowMs);
      if (body.spans.length > 0) {
        this.send(session.connection, { type: "grant", sequence: 0, ...body });
      }
    }
  }

  /** Closes silent and speechless connections, expires leases that are due. */
  tick(): void {
    const nowMs = this.#nowMs();
    const wallMs = this.#parts.world.clock.wallMs();
    const { options, ledger } = this.#parts;
    for (const connection of this.#connections.values()) {
      const { session } = connection;
      const silenceMs = session?.ended ? ENDED_SILENCE_MS : 2 * options.heartbeatMs + 1_000;
      if (session && nowMs - session.heardMs > silenceMs) {
        this.#fault(
          connection,
          new JumboError(
            "timed_out",
            "nothing was heard for two heartbeats (the connection is taken as dead) connect again",
          ),
        );
      } else if (!session && nowMs - connection.openedMs > HELLO_TIMEOUT_MS) {
        this.#fault(
          connection,
          new JumboError("timed_out", "no hello came (a pilot speaks first)"),
        );
      } else if (session && wallMs > session.rights.notAfterWallMs) {
        this.#fault(connection, keyEnded(session.rights.notAfterWallMs));
      }
    }
    for (const { leases } of ledger.expireDue(nowMs, this.#vanished)) this.#freed(leases);
  }

  /** Tells a pilot to give ranges back; started ones are stopped only if `stop`. */
  recall(pilot: PilotNumber, spans: readonly SpanBlock[], stop: boolean): void {
    const session = this.sessions.get(pilot);
    if (session === undefined) return;
    for (const some of messagesOf(spans)) {
      this.send(session.connection, { type: "recall", spans: some, stop });
    }
  }

  /** Ends the sessions that began with the key of that identity, and their leases; how many. */
  revoke(identity: string): number {
    let ended = 0;
    for (const connection of [...this.#connections.values()]) {
      const { session } = connection;
      if (session?.rights.identity !== identity) continue;
      this.#fault(connection, keyRevoked());
      this.#parts.ledger.renew(session.pilot, this.#nowMs());
      ended++;
    }
    return ended;
  }

  drain(session: Session, reason: string): void {
    this.#drains(session);
    this.send(session.connection, { type: "drain", reason, secondsLeft: -1 });
  }

  /** Its slots are nobody's any more: what is ready may be queued elsewhere. */
  #drains(session: Session): void {
    session.draining = true;
    session.want = 0;
    const nowMs = this.#nowMs();
    this.#parts.shaper.see(this.#parts.granter.sightOf(session, nowMs), nowMs);
  }

  send(connection: number, message: EngineMessage): void {
    this.#parts.world.send(connection, encodeFrame(message));
  }

  /** Reason of ranges whose pilot vanished while they ran. */
  readonly #vanished = (task: TaskId): ReasonId => {
    const entry = this.#parts.book.tasks.get(task);
    return entry ? this.#parts.book.reasonId(entry, VANISHED) : NO_REASON;
  };

  /** F of its queue: from a report to its durable verdict. */
  #flushed(session: Session, sinceMs: number): void {
    const nowMs = this.#nowMs();
    const seconds = Math.max(0, nowMs - sinceMs) / 1000;
    this.#parts.shaper.costs.observeFlush(session.nodeTypes[0] ?? "", seconds, nowMs);
  }

  #freed(leases: readonly Lease[]): void {
    if (leases.length === 0) return;
    this.#parts.accounts.freed(leases);
    this.onFreed(leases);
    this.counters.expired += leases.length;
    this.effects.readyArrived = true;
    for (const lease of leases) this.effects.tasks.add(lease.task);
  }

  #nowMs(): number {
    return this.#parts.world.clock.monotonicMs();
  }

  #handle(connection: Connection, message: PilotMessage): void {
    if (message.type === "hello") {
      this.#hello(connection, message);
      return;
    }
    const { session } = connection;
    if (!session) {
      throw new JumboError(
        "protocol",
        `${message.type} before hello (the first frame must be hello)`,
      );
    }
    const nowMs = this.#nowMs();
    session.heardMs = nowMs;
    this.#parts.ledger.renew(session.pilot, nowMs + this.#parts.options.leaseTermMs);
    switch (message.type) {
      case "exchange":
        this.#exchange(session, message, nowMs);
        return;
      case "started":
        this.#started(session, message.spans, nowMs);
        return;
      case "heartbeat":
        session.freeSlots = message.freeSlots;
        setSecondsLeft(session, message.secondsLeft, nowMs);
        this.#parts.accounts.look(session, false, nowMs);
        this.send(connection.id, { type: "pulse" });
        return;
      case "bundle":
        this.#bundle(session, message.number, message.uri);
        return;
      case "resources":
        checkSlots(session.rights, message.nodes);
        setResources(session, message.nodes, message.secondsLeft, nowMs);
        session.reshaped = true;
        this.#parts.accounts.look(session, false, nowMs);
        return;
      case "drain":
        this.#drains(session);
        return;
      case "bye":
        this.#bye(connection, session);
        return;
    }
  }

  #hello(connection: Connection, hello: Hello): void {
    const { book, ledger, options } = this.#parts;
    if (connection.session) throw new JumboError("protocol", "a second hello on one connection");
    const number = book.pilotNumberOf(hello.pilotId);
    const known = number === undefined ? undefined : book.pilots.get(number);
    const rights = rightsOf(this.#parts.pilotKeys, hello, {
      wallMs: this.#parts.world.clock.wallMs(),
      isKnown: known !== undefined,
      revoked: this.#parts.revokedKeys,
    });
    if (known && rights.owner !== "" && known.owner !== rights.owner) {
      throw new JumboError(
        "unauthorized",
        `pilot ${hello.pilotId} came with the key of somebody else before (one pilot has one owner) choose another --id`,
      );
    }
    if (known && hello.generation < known.generation) {
      throw new JumboError(
        "conflict",
        `pilot ${hello.pilotId} has been taken over by generation ${known.generation} (this one is ${hello.generation}) end this process`,
      );
    }
    const pilot = book.pilot(hello.pilotId, hello.generation, rights.owner);
    const older = this.sessions.get(pilot);
    if (older) this.#replace(older);
    const nowMs = this.#nowMs();
    const session = openSession(hello, {
      connection: connection.id,
      number: this.#nextSession++,
      pilot,
      peer: connection.peer,
      nowMs,
      rights,
      account: this.#parts.accounts.open(pilot, hello),
    });
    connection.session = session;
    this.sessions.set(pilot, session);
    const refused = this.#reconcile(session, hello.held);
    ledger.renew(pilot, nowMs + options.leaseTermMs);
    this.onSession(session, true);
    this.#parts.accounts.look(session, false, nowMs);
    const grant = this.#grant(session, nowMs);
    this.send(connection.id, {
      type: "welcome",
      version: PROTOCOL_VERSION,
      engineId: this.#parts.engineId,
      epoch: ledger.epoch,
      session: session.number,
      heartbeatMs: options.heartbeatMs,
      leaseTermMs: options.leaseTermMs,
      frameBytesMax: FRAME_BYTES_MAX,
      refused,
      grant,
    });
  }

  /** The same pilot came back on another connection: the older one is told and closed. */
  #replace(older: Session): void {
    const connection = this.#connections.get(older.connection);
    this.sessions.delete(older.pilot);
    if (connection) {
      connection.session = null;
      this.#fault(
        connection,
        new JumboError(
          "conflict",
          "the pilot came back on another connection (one pilot has one) this one ends",
        ),
      );
    }
  }

  #reconcile(session: Session, held: readonly SpanBlock[]): SpanBlock[] {
    const { ledger } = this.#parts;
    const list: { lease: LeaseId; task: TaskId; first: RangeIndex; count: number }[] = [];
    for (const block of held) {
      for (let i = 0; i < block.size; i++) {
        list.push({
          lease: block.lease[i] as LeaseId,
          task: block.task,
          first: block.first[i] as RangeIndex,
          count: block.count[i] as number,
        });
      }
    }
    this.effects.readyArrived = true;
    // Also leases that the list does not name end here, perhaps a task's last ones.
    for (const lease of ledger.leasesOf(session.pilot)) this.effects.tasks.add(lease.task);
    for (const block of held) this.effects.tasks.add(block.task);
    const answer = ledger.reconcile(session.pilot, list, this.#vanished);
    return refusedBlocks(answer.refused, list);
  }

  #exchange(session: Session, message: Exchange, nowMs: number): void {
    const { committer } = this.#parts;
    this.counters.exchanges++;
    session.freeSlots = message.freeSlots;
    setSecondsLeft(session, message.secondsLeft, nowMs);
    const verdicts = new VerdictRuns();
    for (const report of message.reports) {
      applyReport(this.#parts, session, report, verdicts, this.effects, nowMs);
      this.onReport(session, report, nowMs);
    }
    session.want = message.want;
    if (message.want > 0) {
      const body = this.#grant(session, nowMs);
      this.#parts.accounts.look(session, body.spans.length === 0, nowMs);
      const { spans, tasks, files, offsets } = body;
      const { sequence } = message;
      const grant = encodeFrame({ type: "grant", sequence, spans, tasks, files, offsets });
      this.#parts.world.send(session.connection, grant, message.reports.length > 0);
    }
    if (message.reports.length === 0) return;
    this.counters.rangesReported += verdicts.accepted + verdicts.refused;
    const frame = encodeFrame({
      type: "verdicts",
      sequence: message.sequence,
      runs: verdicts.runs,
    });
    const { connection } = session;
    const flush = this.counters.exchanges % FLUSH_EVERY === 1;
    committer.afterCommit(() => {
      this.#parts.world.send(connection, frame);
      if (flush) this.#flushed(session, nowMs);
    });
  }

  #grant(session: Session, nowMs: number): GrantBody {
    if (this.#parts.committer.blocked) return { spans: [], tasks: [], files: [], offsets: [] };
    const wanted = session.want;
    const body = this.#parts.granter.grant(session, nowMs);
    this.counters.rangesGranted += wanted - session.want;
    if (wanted > session.want) this.#parts.accounts.granted(session, nowMs);
    for (const block of body.spans) this.effects.tasks.add(block.task);
    return body;
  }

  #started(session: Session, blocks: readonly SpanBlock[], nowMs: number): void {
    const { ledger, accounts } = this.#parts;
    const sink = new VerdictRuns();
    for (const block of blocks) {
      for (let i = 0; i < block.size; i++) {
        const lease = block.lease[i] as LeaseId;
        const first = block.first[i] as RangeIndex;
        const count = block.count[i] as number;
        ledger.started(session.pilot, lease, block.task, first, count, sink);
        const verdict = sink.runs.at(-1);
        if (verdict === VERDICT.accepted || verdict === VERDICT.duplicate) {
          const isNew = verdict === VERDICT.accepted;
          accounts.started(session, isNew, block.task, lease, first, count, nowMs);
        }
      }
    }
  }

  #bundle(session: Session, number: number, uri: string): void {
    const { book } = this.#parts;
    const row = book.bundle(uri, session.pilot);
    const { owner } = session.rights;
    if (owner !== "" && book.pilots.get(row.pilot)?.owner !== owner) {
      throw new JumboError(
        "unauthorized",
        "the bundle was announced by somebody else before (a pilot announces its own) name bundles by pilot and generation",
      );
    }
    session.bundles.set(number, row.id);
  }

  #bye(connection: Connection, session: Session): void {
    connection.session = null;
    this.sessions.delete(session.pilot);
    this.#expire(session.pilot);
    this.onSession(session, false);
    this.#drop(connection, { type: "bye", reason: "" });
  }

  #fault(connection: Connection, error: JumboError): void {
    this.counters.faults++;
    const { session } = connection;
    this.#drop(connection, { type: "fault", code: error.code, message: messageOf(error) });
    if (session && this.sessions.get(session.pilot) === session) {
      this.sessions.delete(session.pilot);
      this.#bury(session);
      this.onSession(session, false);
    }
  }

  /** Of a pilot that is known to have ended nothing is kept once its connection is gone. */
  #bury(session: Session): void {
    if (session.ended) this.#expire(session.pilot);
  }

  #expire(pilot: PilotNumber): void {
    this.#freed(this.#parts.ledger.expirePilot(pilot, this.#vanished));
  }

  #drop(connection: Connection, last: EngineMessage): void {
    this.send(connection.id, last);
    this.#connections.delete(connection.id);
    this.#parts.world.close(connection.id);
  }
}

/** What a pilot has to drop, as blocks again; attempt and grant are of no use in a refusal. */
function refusedBlocks(
  refused: readonly RefusedSpan[],
  held: readonly { readonly task: TaskId }[],
): SpanBlock[] {
  const builders = new Map<TaskId, SpanBlockBuilder>();
  for (const span of refused) {
    const { task } = held[span.index] as { task: TaskId };
    const builder = builders.get(task) ?? new SpanBlockBuilder(task);
    builders.set(task, builder);
    builder.add(span.first, span.count, 1, 1, span.lease);
  }
  return [...builders.values()].flatMap((builder) => builder.build());
}
