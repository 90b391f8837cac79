/**
 * From what the store gives back to a running core: cold rows fill the books, pages and journal the
 * ledger. Decisions are applied again, never decided again. Running it twice over the same store
 * gives the same state (I9); leases still open get a full new term, since nobody knows how long the
 * engine was away.
 */
import { type BundleId, JumboError, type TaskId } from "../base/index.ts";
import type { Ledger } from "../ledger/index.ts";
import {
  decodeBundleRow,
  decodeFileRow,
  decodePilotRow,
  decodeReasonRow,
  decodeTaskRow,
  type FileRow,
  ledgerStanding,
  ledgerTerms,
  type ReasonRow,
  type Recovered,
  type TaskRow,
} from "../store/index.ts";
import type { Book } from "./book.ts";
import type { Committer } from "./committer.ts";

export interface RecoverySummary {
  readonly tasks: number;
  readonly journalRecords: number;
  readonly openLeases: number;
}

/** Fills `book` and `ledger`; tells `committer` which journal records are still kept. */
export function recover(
  recovered: Recovered,
  book: Book,
  ledger: Ledger,
  inherit: Committer["inherit"],
): RecoverySummary {
  const tasks: TaskRow[] = [];
  const files = new Map<number, FileRow[]>();
  const reasons: ReasonRow[] = [];
  for (const row of recovered.rows) {
    switch (row.table) {
      case "task":
        tasks.push(decodeTaskRow(row.value));
        break;
      case "file": {
        const file = decodeFileRow(row.value);
        const list = files.get(file.task) ?? [];
        files.set(file.task, list);
        list.push(file);
        break;
      }
      case "bundle": {
        const bundle = decodeBundleRow(row.value);
        book.loadBundle(bundle);
        if (bundle.state === "lost") ledger.loseBundle(bundle.id as BundleId);
        break;
      }
      case "pilot":
        book.loadPilot(decodePilotRow(row.value));
        break;
      case "reason":
        reasons.push(decodeReasonRow(row.value));
        break;
      case "meta":
        book.loadMeta(String(row.key[0]), row.value);
        break;
    }
  }
  for (const row of tasks) loadTask(book, ledger, row, files.get(row.id) ?? []);
  for (const reason of reasons) {
    const entry = book.tasks.get(reason.task);
    if (entry) book.loadReason(entry, reason.id, reason.text);
  }
  for (const page of recovered.pages) ledger.loadPage(page.task as TaskId, page.page, page.value);
  let journalRecords = 0;
  for (const record of recovered.journal) {
    ledger.replay(record.sequence, record.bytes);
    inherit(record.sequence, record.bytes.length);
    journalRecords++;
  }
  ledger.endRecovery();
  return { tasks: tasks.length, journalRecords, openLeases: ledger.openLeases };
}

function loadTask(book: Book, ledger: Ledger, row: TaskRow, files: FileRow[]): void {
  files.sort((a, b) => a.file - b.file);
  if (files.length !== row.files) {
    throw new JumboError(
      "store_damaged",
      `task ${row.id} has ${files.length} of its ${row.files} file rows (the store lost rows) restore it from a backup; \`jumbo verify --store DIR\` says more`,
    );
  }
  book.loadTask(row, files);
  ledger.addTask(ledgerTerms(row), ledgerStanding(row));
}
