/** What the pieces of the core share: one object, made once by core.ts, passed to each piece. */
import type { Clock, Random } from "../base/index.ts";
import type { Ledger, LedgerOptions } from "../ledger/index.ts";
import type { Shaper } from "../shape/index.ts";
import type { Store } from "../store/index.ts";
import type { Accounts } from "./accounts.ts";
import type { Book } from "./book.ts";
import type { EngineEvent } from "./commands.ts";
import type { Committer, TrickleStep } from "./committer.ts";
import type { InputSource } from "./describe.ts";
import type { Granter } from "./granter.ts";
import type { RevokedKeys } from "./revoked-keys.ts";

/** The outside, as the core sees it; the simulator brings its own. */
export interface CoreWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly inputs: InputSource;
  /**
   * Frames to a connection that is gone are dropped. `mayWait`: another frame to it follows soon,
   * and both may leave together.
   */
  send(connection: number, frame: Uint8Array, mayWait?: boolean): void;
  /** Closes a connection after what was sent to it. */
  close(connection: number): void;
  emit(event: EngineEvent): void;
  /** The store can't be trusted any more: the process ends with exit code 74. */
  failStop(message: string): void;
}

export interface CoreOptions {
  readonly leaseTermMs: number;
  readonly heartbeatMs: number;
  /** How long leases outlive a closed connection, at most the lease term. */
  readonly disconnectGraceMs: number;
  /** Most that second copies may cost, as a share of the work done. */
  readonly copyShareMax: number;
  /** Free space under which nothing new is leased. */
  readonly freeBytesMin: number;
  /** How soon journal is turned into pages; other than the default only in tests. */
  readonly trickle: readonly TrickleStep[];
  /** Settings of the ledger beside its epoch; other than the defaults only in tests. */
  readonly ledger: Omit<LedgerOptions, "epoch">;
}

export interface CoreParts {
  readonly world: CoreWorld;
  readonly options: CoreOptions;
  readonly engineId: string;
  readonly book: Book;
  readonly ledger: Ledger;
  readonly shaper: Shaper;
  readonly granter: Granter;
  readonly accounts: Accounts;
  readonly committer: Committer;
  /** Hex credentials that hello may carry. */
  readonly pilotKeys: Set<string>;
  readonly revokedKeys: RevokedKeys;
}
