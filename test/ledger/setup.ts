/** A small ledger and words for what one does with it, so that tests read as rules. */
import type { BundleId, LeaseId, PilotNumber, ReasonId, TaskId } from "../../src/base/index.ts";
import { type Lease, Ledger, type LedgerOptions, type RangeRun } from "../../src/ledger/index.ts";
import { STATE_NAMES, VERDICT_NAMES, type VerdictName } from "./model.ts";

export const TASK = 1 as TaskId;
export const ANNA = 1 as PilotNumber;
export const BELA = 2 as PilotNumber;
export const NEW = { cancelled: false, finished: false, mergedBelow: 0 };
export type Word = "started" | "done" | "failed" | "fatal" | "lost" | "returned";

export function ledgerOf(
  ranges: number,
  limits: { attemptsMax?: number; lossesMax?: number } & Partial<LedgerOptions> = {},
): Ledger {
  const { attemptsMax = 3, lossesMax = 5, ...options } = limits;
  const ledger = new Ledger({ epoch: 1, settleGroups: 0, ...options });
  ledger.addTask({ id: TASK, ranges, attemptsMax, lossesMax }, NEW);
  ledger.renew(ANNA, 100);
  ledger.renew(BELA, 200);
  return ledger;
}

/** A sink that keeps a verdict a range. */
export function verdictsTold() {
  const told: VerdictName[] = [];
  const push = (runs: number, verdict: number) => {
    for (let i = 0; i < runs; i++) told.push(VERDICT_NAMES[verdict]!);
  };
  return { told, push };
}

/** Says a word about first .. first+count-1 and gives the verdicts as "2 accepted, 1 closed". */
export function say(
  ledger: Ledger,
  word: Word,
  lease: Lease | { id: LeaseId; pilot: PilotNumber },
  first: number,
  count = 1,
  extra = 7,
  task = TASK,
): string {
  const runs: string[] = [];
  const sink = {
    push(ranges: number, verdict: number): void {
      runs.push(`${ranges} ${VERDICT_NAMES[verdict]}`);
    },
  };
  const who = [lease.pilot, lease.id, task, first, count] as const;
  if (word === "started") ledger.started(...who, sink);
  else if (word === "returned") ledger.returned(...who, sink);
  else if (word === "done") ledger.done(...who, extra as BundleId, sink);
  else if (word === "lost") ledger.lost(...who, extra as ReasonId, sink);
  else ledger.failed(...who, extra as ReasonId, word === "fatal", sink);
  ledger.check();
  return runs.join(", ");
}

export function stateAt(ledger: Ledger, range: number): string {
  return STATE_NAMES[ledger.rangeAt(TASK, range).state]!;
}

/** "attempts/failures/losses" of a range. */
export function chargesAt(ledger: Ledger, range: number): string {
  const { attempts, failures, losses }: RangeRun = ledger.rangeAt(TASK, range);
  return `${attempts}/${failures}/${losses}`;
}

/** The disk between two lives: what commits have put there. */
export class Disk {
  readonly pages = new Map<number, Uint8Array>();
  records: { sequence: number; bytes: Uint8Array }[] = [];
  sequence = 0;

  commit(ledger: Ledger, pagesMax = 16, leasesMax = 16): void {
    const { pages, cutBelow } = ledger.checkpoint(this.sequence + 1, pagesMax, leasesMax);
    const bytes = ledger.takeJournal();
    if (bytes.length > 0) this.records.push({ sequence: ++this.sequence, bytes });
    for (const { page, value } of pages) this.pages.set(page, value);
    this.records = this.records.filter(({ sequence }) => sequence >= cutBelow);
  }

  /** Opens it in a new life; `fresh` has the task and nothing else. */
  recover(fresh: Ledger): Ledger {
    for (const [page, value] of this.pages) fresh.loadPage(TASK, page, value);
    for (const { sequence, bytes } of this.records) fresh.replay(sequence, bytes);
    fresh.endRecovery();
    fresh.grantFullTerm(1000);
    fresh.check();
    return fresh;
  }
}
