/**
 * What a start of the engine reads back: cold rows, pages, and the journal in order. Every value's
 * CRC and the journal's chain are checked on the way; the first thing that does not fit ends the
 * reading with a diagnosis that names table and key. Nothing is skipped silently.
 *
 * The iterables are lazy and read LMDB's memory map: drain each in one go, without an `await` in
 * between, before the first commit.
 */
import { randomUUID } from "node:crypto";
import { assert, EPOCH_MAX, JumboError } from "../base/index.ts";
import { damaged } from "./damage.ts";
import { type OpenedRecord, unseal, unsealJournal } from "./envelope.ts";
import type { Database, Environment } from "./environment.ts";
import { CUT_KEY, IDENTITY_KEY } from "./group.ts";
import {
  type ColdTable,
  decodeColdKey,
  decodeJournalKey,
  decodePageKey,
  describeKey,
} from "./keys.ts";
import type { JournalState } from "./lmdb-store.ts";
import type { Recovered, Table } from "./types.ts";

export const FORMAT = "jumbo-store/1";
/** The next start and raises within it must still fit. */
const EPOCH_LAST = EPOCH_MAX - 64;
/** Below every key of every table; LMDB takes no empty one. */
const LOWEST_KEY = Uint8Array.of(0);

/** The store's own row: which store this is, and how often it was started. */
export interface Identity {
  readonly format: string;
  readonly engineId: string;
  readonly epoch: number;
  readonly createdWallMs: number;
}

export function newIdentity(): Identity {
  return { format: FORMAT, engineId: randomUUID(), epoch: 0, createdWallMs: Date.now() };
}

export function encodeIdentity(identity: Identity): Uint8Array {
  return Buffer.from(JSON.stringify(identity), "utf8");
}

/**
 * Parses the identity row's payload. Throws `store_damaged` if this is no store of this version.
 */
export function decodeIdentity(path: string, payload: Uint8Array | null | undefined): Identity {
  if (payload === undefined) {
    throw damaged(path, "it is an LMDB file, but not one that Jumbo made: no identity row");
  }
  if (payload === null) throw damaged(path, "the CRC of the identity row does not fit");
  const identity = JSON.parse(Buffer.from(payload).toString("utf8")) as Identity;
  if (identity.format !== FORMAT) {
    throw new JumboError(
      "store_damaged",
      `the store ${path} is of the form ${JSON.stringify(identity.format)} (this version reads ` +
        `${FORMAT}) use the version that made it`,
      { subject: path },
    );
  }
  if (!Number.isInteger(identity.epoch) || identity.epoch < 0 || identity.epoch > EPOCH_LAST) {
    throw damaged(path, `epoch ${identity.epoch} can't be raised any further`);
  }
  return identity;
}

export function readIdentity(environment: Environment): Identity {
  const value = environment.cold.get(IDENTITY_KEY);
  const payload = value === undefined ? undefined : unseal("cold", IDENTITY_KEY, value);
  return decodeIdentity(environment.path, payload);
}

function entries(database: Database): Iterable<{ key: Uint8Array; value: Uint8Array }> {
  return database.getRange({ start: LOWEST_KEY });
}

function checkedRecord(environment: Environment, key: Uint8Array, value: Uint8Array): OpenedRecord {
  const record = unsealJournal(key, value);
  if (record === null) {
    throw damaged(environment.path, `the CRC of ${describeKey("journal", key)} does not fit`);
  }
  if (record.sequence !== decodeJournalKey(key)) {
    throw damaged(
      environment.path,
      `${describeKey("journal", key)} holds record ${record.sequence}`,
    );
  }
  return record;
}

/** Looks at both ends of the journal. */
export function readJournalState(environment: Environment): JournalState {
  const { journal, cold } = environment;
  const end = (reverse: boolean): OpenedRecord | null => {
    const range = reverse ? { reverse, limit: 1 } : { start: LOWEST_KEY, limit: 1 };
    for (const { key, value } of journal.getRange(range)) {
      return checkedRecord(environment, key, value);
    }
    return null;
  };
  const first = end(false);
  const last = end(true);
  assert((first === null) === (last === null), "the journal has one end only");
  const own = cold.get(CUT_KEY);
  let ownCut = 0;
  if (own !== undefined) {
    const payload = unseal("cold", CUT_KEY, own);
    if (payload?.length !== 8) throw damaged(environment.path, "the row of the journal's cut");
    ownCut = Buffer.from(payload).readDoubleLE();
  }
  return {
    firstSequence: first?.sequence ?? 0,
    lastSequence: last?.sequence ?? 0,
    cutBelow: Math.max(ownCut, last?.cutBelow ?? 0),
    chain: last?.crc ?? 0,
  };
}

function* coldRows(
  environment: Environment,
): Generator<{ table: Table; key: readonly (number | string)[]; value: Uint8Array }> {
  for (const { key, value } of entries(environment.cold)) {
    const decoded = decodeColdKey(key);
    if (decoded === null) {
      throw damaged(environment.path, `${describeKey("cold", key)} belongs to no table`);
    }
    const payload = unseal("cold", key, value);
    if (payload === null) {
      throw damaged(environment.path, `the CRC of ${describeKey("cold", key)} does not fit`);
    }
    const table: ColdTable = decoded.table;
    if (table !== "own") yield { table, key: decoded.key, value: payload };
  }
}

function* pageRows(
  environment: Environment,
): Generator<{ task: number; page: number; value: Uint8Array }> {
  for (const { key, value } of entries(environment.pages)) {
    const decoded = decodePageKey(key);
    const payload = unseal("pages", key, value);
    if (decoded === null || payload === null) {
      throw damaged(environment.path, `the CRC of ${describeKey("pages", key)} does not fit`);
    }
    yield { task: decoded.task, page: decoded.page, value: payload };
  }
}

function* journalRecords(
  environment: Environment,
  state: JournalState,
): Generator<{ sequence: number; bytes: Uint8Array }> {
  let expected = 0;
  let chain = 0;
  for (const { key, value } of entries(environment.journal)) {
    const record = checkedRecord(environment, key, value);
    if (expected !== 0 && record.sequence !== expected) {
      throw damaged(environment.path, `journal ${expected} is missing`);
    }
    if (expected !== 0 && record.chain !== chain) {
      throw damaged(environment.path, `journal ${record.sequence} does not follow the one before`);
    }
    expected = record.sequence + 1;
    chain = record.crc;
    if (record.sequence >= state.cutBelow) {
      yield { sequence: record.sequence, bytes: record.payload };
    }
  }
  if (expected !== 0 && expected !== state.lastSequence + 1) {
    throw damaged(environment.path, `the journal ends at ${expected - 1}`);
  }
}

export function recoveredFrom(
  environment: Environment,
  identity: Identity,
  state: JournalState,
): Recovered {
  const fixed = { ...state };
  return {
    engineId: identity.engineId,
    epoch: identity.epoch,
    rows: { [Symbol.iterator]: () => coldRows(environment) },
    pages: { [Symbol.iterator]: () => pageRows(environment) },
    journal: { [Symbol.iterator]: () => journalRecords(environment, fixed) },
    lastSequence: state.lastSequence,
  };
}
