/**
 * One pilot's conversation with the engine. A session is volatile: what must survive (the pilot's
 * number, its leases, its bundles) is in the ledger and the books. It begins with hello on a fresh
 * connection and ends when that connection closes; the pilot's leases live on until their deadline,
 * so that a pilot can come back on another connection with the list of what it holds.
 */
import type { LeaseId, PilotNumber } from "../base/index.ts";
import type { Hello, NodeResources } from "../wire/index.ts";
import type { Account } from "./accounts.ts";
import type { PilotRights } from "./credentials.ts";

export interface Session {
  readonly connection: number;
  readonly number: number;
  readonly pilot: PilotNumber;
  readonly pilotId: string;
  readonly generation: number;
  readonly queue: string;
  readonly allocation: string;
  readonly software: string;
  readonly peer: string;
  readonly openedMs: number;
  nodes: readonly NodeResources[];
  /** Node type by row of `nodes`: what the cost model learns by. */
  nodeTypes: readonly string[];
  slots: number;
  freeSlots: number;
  /** Ranges it would still take; an unmet want stays parked here. */
  want: number;
  /** Monotonic time at which its walltime ends; Infinity if it has none. */
  wallEndsMs: number;
  heardMs: number;
  draining: boolean;
  /** Its process is known to have ended: nobody comes back once the connection is read out. */
  ended: boolean;
  /** Tasks and files whose description it already has. */
  readonly knownTasks: Set<number>;
  readonly knownFiles: Map<number, Set<number>>;
  /** Its numbers of announced bundles -> the engine's. */
  readonly bundles: Map<number, number>;
  /** Lease of the one range at its last chance that the pilot may have at a time. */
  lastChance: LeaseId | null;
  /** Bad ends in a row without a good one, over all its ranges. */
  failureStreak: number;
  /** Ranges accepted as done from it in this session. */
  done: number;
  /** What its credential lets it do. */
  readonly rights: PilotRights;
  /** Where its core-seconds go. */
  readonly account: Account;
  /** Cores or walltime have changed: what it queues is looked at again (tail.ts). */
  reshaped: boolean;
}

export function openSession(
  hello: Hello,
  at: {
    connection: number;
    number: number;
    pilot: PilotNumber;
    peer: string;
    nowMs: number;
    rights: PilotRights;
    account: Account;
  },
): Session {
  const session: Session = {
    connection: at.connection,
    number: at.number,
    pilot: at.pilot,
    pilotId: hello.pilotId,
    generation: hello.generation,
    queue: hello.queue || at.rights.queue,
    allocation: hello.allocation,
    software: hello.software,
    peer: at.peer,
    openedMs: at.nowMs,
    nodes: [],
    nodeTypes: [],
    slots: 0,
    freeSlots: hello.freeSlots,
    want: hello.want,
    wallEndsMs: Number.POSITIVE_INFINITY,
    heardMs: at.nowMs,
    draining: false,
    ended: false,
    knownTasks: new Set(),
    knownFiles: new Map(),
    bundles: new Map(),
    lastChance: null,
    failureStreak: 0,
    done: 0,
    rights: at.rights,
    account: at.account,
    reshaped: false,
  };
  setResources(session, hello.nodes, hello.secondsLeft, at.nowMs);
  return session;
}

/** Takes over node rows and walltime: at hello, and whenever they change while it lives. */
export function setResources(
  session: Session,
  nodes: readonly NodeResources[],
  secondsLeft: number,
  nowMs: number,
): void {
  session.nodes = nodes;
  session.nodeTypes = nodes.map((node) => `${session.queue || "local"}/${node.cores}c`);
  session.slots = nodes.reduce((sum, node) => sum + node.slots, 0);
  setSecondsLeft(session, secondsLeft, nowMs);
}

export function setSecondsLeft(session: Session, secondsLeft: number, nowMs: number): void {
  session.wallEndsMs = secondsLeft < 0 ? Number.POSITIVE_INFINITY : nowMs + secondsLeft * 1000;
}

/** Whether it may know of an owner's tasks. */
export function maySee(session: Session, owner: string): boolean {
  return session.rights.owner === "" || session.rights.owner === owner;
}

export function secondsLeftOf(session: Session, nowMs: number): number {
  return (session.wallEndsMs - nowMs) / 1000;
}

/** Most cores one slot of the pilot could give a payload. */
export function coresMax(session: Session): number {
  let most = 0;
  for (const node of session.nodes) most = Math.max(most, node.cores);
  return most;
}
