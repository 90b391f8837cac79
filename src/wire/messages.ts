/**
 * Every message of the pilot protocol, version 1, as typed values; codec.ts maps them to positional
 * msgpack arrays and back. docs/reference/protocol.md is the standard, test/vectors/ its proof.
 *
 *   pilot                                    engine
 *   hello   ---------------------------->            first frame: version, role, what it holds
 *           <----------------------------  welcome   already with the first grant
 *   bundle, started, exchange ----------->
 *           <----------------------------  grant     at once (same sequence)
 *           <----------------------------  verdicts  when the group commit is on disk
 *   heartbeat, resources, drain, bye ---->
 *           <----------------------------  grant (sequence 0), recall, drain, pulse, fault
 *
 * Spans are the unit of messages. A block of spans shares one task and one lease epoch and travels
 * as a *run* (one span, <= 20 bytes), *tuples* (2..4) or *columns* (one bin a column, 13 B/span).
 */
import type { LeaseId, TaskId } from "../base/index.ts";

export const PROTOCOL_VERSION = 1;

/** First element of each message's array. Numbers are never reused. */
export const MESSAGE = {
  hello: 1,
  welcome: 2,
  exchange: 3,
  grant: 4,
  verdicts: 5,
  started: 6,
  heartbeat: 7,
  pulse: 8,
  bundle: 9,
  drain: 10,
  recall: 11,
  bye: 12,
  fault: 13,
  resources: 14,
} as const;

/**
 * `size` spans of one task; columns of equal length. A span is `count` consecutive ranges from
 * `first` on, leased under `lease`; `attempt` is the number that the next start of its ranges will
 * carry (1 for the first), `grant` how often they have been leased out (saturates at 65 535).
 * All leases of a block have the same epoch.
 */
export interface SpanBlock {
  readonly task: TaskId;
  readonly size: number;
  readonly first: ArrayLike<number>;
  readonly count: ArrayLike<number>;
  readonly attempt: ArrayLike<number>;
  readonly grant: ArrayLike<number>;
  readonly lease: ArrayLike<LeaseId>;
}

/** Pilot's word on ranges. `lost`: it had started and its process, rank or node is gone. */
export const OUTCOME = { done: 0, failed: 1, fatal: 2, returned: 3, lost: 4 } as const;
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME];

/** Engine's answer to each range of a report, in the order of the report. */
export const VERDICT = { accepted: 0, duplicate: 1, stale: 2, closed: 3, unknown: 4 } as const;
export type Verdict = (typeof VERDICT)[keyof typeof VERDICT];

export interface Report {
  readonly outcome: Outcome;
  readonly spans: SpanBlock;
  /** done: the pilot's number of an announced bundle, 0 for none. Else 0. */
  readonly bundle: number;
  /** failed, fatal, lost: why, for people; at most REASON_CHARACTERS_MAX characters. Else "". */
  readonly reason: string;
  /** Sums over the block's ranges, seconds: wall, wall squared, largest wall, cpu. */
  readonly cost: RangeCost;
  /** Index of the node (row of hello.nodes) that ran them. */
  readonly node: number;
}

/** Travels as one bin of four little-endian f32; all 0 where nothing ran. */
export interface RangeCost {
  readonly wallSum: number;
  readonly wallSquares: number;
  readonly wallMax: number;
  readonly cpuSum: number;
}

/** One node of an allocation: name, cores, GPUs, memory in MiB, slots; a dead node has 0 slots. */
export interface NodeResources {
  readonly name: string;
  readonly cores: number;
  readonly gpus: number;
  readonly memoryMiB: number;
  readonly slots: number;
}

export interface Hello {
  readonly type: "hello";
  readonly version: number;
  readonly role: "pilot";
  /** Stable over reconnects of one pilot; a takeover raises `generation`. */
  readonly pilotId: string;
  readonly generation: number;
  readonly credential: string;
  readonly software: string;
  readonly queue: string;
  readonly allocation: string;
  readonly nodes: readonly NodeResources[];
  /** Until the walltime ends; -1: unknown or none. */
  readonly secondsLeft: number;
  /** Everything granted and not yet answered with a verdict, finished or not. */
  readonly held: readonly SpanBlock[];
  /** Ranges it would take at once at most. */
  readonly want: number;
  readonly freeSlots: number;
}

export interface Welcome {
  readonly type: "welcome";
  readonly version: number;
  readonly engineId: string;
  readonly epoch: number;
  readonly session: number;
  readonly heartbeatMs: number;
  readonly leaseTermMs: number;
  readonly frameBytesMax: number;
  /** Spans of hello.held that the engine does not honour: drop them, stop what runs of them. */
  readonly refused: readonly SpanBlock[];
  readonly grant: GrantBody;
}

export interface Exchange {
  readonly type: "exchange";
  /** Rises by one with each exchange of a connection, from 1. */
  readonly sequence: number;
  readonly reports: readonly Report[];
  /** Ranges it would take beyond what it holds, at most; replaces any parked want. */
  readonly want: number;
  readonly freeSlots: number;
  readonly secondsLeft: number;
}

/** Byte ranges for the ranges first .. first+n-1: n pairs (begin, end) of f64 LE offsets. */
export interface OffsetColumn {
  readonly task: TaskId;
  readonly first: number;
  readonly offsets: Float64Array;
}

export interface GrantBody {
  readonly spans: readonly SpanBlock[];
  /** Once a session and task, before its first span. */
  readonly tasks: readonly TaskInfo[];
  /** Once a session and file. */
  readonly files: readonly FileInfo[];
  readonly offsets: readonly OffsetColumn[];
}

export interface Grant extends GrantBody {
  readonly type: "grant";
  /** The exchange it answers; 0: pushed unasked. */
  readonly sequence: number;
}

/** How a pilot counts records of an output without knowing its format. */
export const COUNT_RULE = { none: 0, lines: 1, linePrefix: 2 } as const;
export interface CountRule {
  readonly kind: (typeof COUNT_RULE)[keyof typeof COUNT_RULE];
  /** lines: non-blank lines to subtract (a CSV header). */
  readonly skip: number;
  /** linePrefix: a record begins at each line that begins with this. */
  readonly prefix: string;
}

export interface TaskInfo {
  readonly task: TaskId;
  readonly name: string;
  readonly taskDir: string;
  readonly eventsPerRange: number;
  readonly command: readonly string[];
  readonly mode: "once" | "stream";
  readonly channel: "stdio" | "fd3";
  readonly cores: number;
  readonly gpus: number;
  /** Nodes one slot spans; 1 today. */
  readonly nodes: number;
  /** Flat: name, value, name, value ... */
  readonly environment: readonly string[];
  readonly passEnvironment: readonly string[];
  readonly timeoutSeconds: number;
  readonly outputName: string;
  readonly allowEmpty: boolean;
  /** -1: not checked. */
  readonly recordsPerEvent: number;
  readonly countRule: CountRule;
}

/** A piece of a slice: literal bytes, or [offset, length] of the file. */
export type SlicePiece = Uint8Array | readonly [offset: number, length: number];

export interface FileInfo {
  readonly task: TaskId;
  readonly file: number;
  /** First range of the file and how many it has. */
  readonly firstRange: number;
  readonly ranges: number;
  readonly events: number;
  /** Absolute; "" for a count task. */
  readonly path: string;
  readonly tree: string;
  readonly format: string;
  /** Checked before and after each use; -1: not checked. */
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** Decimal u64: S of the per-event seeds. */
  readonly seed: string;
  /** Slice = header pieces + the range's bytes + footer pieces. */
  readonly header: readonly SlicePiece[];
  readonly footer: readonly SlicePiece[];
}

export interface Verdicts {
  readonly type: "verdicts";
  readonly sequence: number;
  /** Flat run-length list over the exchange's ranges in order: count, verdict, count, verdict ... */
  readonly runs: readonly number[];
}

/** Told before exec, so that a range that kills its pilot is charged. */
export interface Started {
  readonly type: "started";
  readonly spans: readonly SpanBlock[];
}

export interface Heartbeat {
  readonly type: "heartbeat";
  readonly freeSlots: number;
  readonly secondsLeft: number;
}

export interface Pulse {
  readonly type: "pulse";
}

/** Announces a bundle before any report names it; repeated after each hello while it is in use. */
export interface BundleNotice {
  readonly type: "bundle";
  /** Chosen by the pilot, unique for its pilotId and generation, from 1. */
  readonly number: number;
  readonly node: number;
  readonly uri: string;
}

/** Engine: finish what runs, return the rest, say bye. Pilot: it is about to end. */
export interface Drain {
  readonly type: "drain";
  readonly reason: string;
  /** Time it has; -1: as long as what runs needs. */
  readonly secondsLeft: number;
}

/** The engine wants these back: unstarted ones are returned; started ones only if `stop`. */
export interface Recall {
  readonly type: "recall";
  readonly spans: readonly SpanBlock[];
  readonly stop: boolean;
}

export interface Bye {
  readonly type: "bye";
  readonly reason: string;
}

/** The engine's last word on a connection: `code` of the error table. */
export interface Fault {
  readonly type: "fault";
  readonly code: string;
  readonly message: string;
}

/** Replaces the node rows and the walltime of hello: cores hot-added, nodes lost, limits changed. */
export interface Resources {
  readonly type: "resources";
  readonly nodes: readonly NodeResources[];
  readonly secondsLeft: number;
}

export type PilotMessage =
  | Hello
  | Exchange
  | Started
  | Heartbeat
  | BundleNotice
  | Drain
  | Bye
  | Resources;
export type EngineMessage = Welcome | Grant | Verdicts | Pulse | Recall | Drain | Bye | Fault;
export type Message = PilotMessage | EngineMessage;
