/**
 * The program that the store's tests run in a process of its own, to be killed or to crash there:
 *
 *   commit DIR [groups]   commits groups, one line `ack N` for each that was acknowledged
 *   hang DIR              opens, says `ready`, waits for DIR/go, then commits one group
 *   failing DIR           commits ten groups, makes DIR/fail, and tries two more
 *   tail DIR              the same with twelve groups first: the next one goes to the journal's tail
 *   refused DIR           commits ten groups, makes DIR/fail, and tries the next one while it is told
 *                         that the disk is full
 *   lives DIR             three stores DIR/0..2 in turn, three groups each, lines `ack STORE N`
 *   open DIR...           opens each store and prints `DIR whole DIGEST` or `DIR CODE MESSAGE`;
 *                         a whole one also takes four more groups
 *   hold FILE             takes LMDB's own write lock on FILE, says `held`, and keeps it
 *
 * Exit code: that of the error for `commit`, and for `open` with one folder; a failed commit is 74.
 */
import { existsSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { EXIT, exitNow, JumboError } from "../../src/base/index.ts";
import { openEnvironment, STORE_FILE } from "../../src/store/environment.ts";
import { checkStoreFile } from "../../src/store/file-check.ts";
import { openStore } from "../../src/store/index.ts";
import { commit, digestOf, groupOf } from "./support-groups.ts";

function say(text: string): void {
  writeSync(1, `${text}\n`);
}

async function commitGroups(dir: string, groups: number, label: string): Promise<void> {
  const { store, recovered } = await openStore(dir);
  say(`epoch ${recovered.epoch} last ${recovered.lastSequence}`);
  for (let n = 1; n <= groups; n++) {
    const sequence = recovered.lastSequence + n;
    const outcome = await commit(store, groupOf(sequence));
    if (!outcome.ok) {
      say(`failed ${sequence} space=${outcome.space} ${outcome.error.message}`);
      process.exit(EXIT.storeIo);
    }
    say(`ack ${label}${sequence}`);
  }
  await store.close();
}

async function commitWhenTold(dir: string): Promise<void> {
  const { store } = await openStore(dir, { watchdogMs: 300 });
  say("ready");
  while (!existsSync(join(dir, "go"))) await new Promise((wake) => setTimeout(wake, 5));
  const outcome = await commit(store, groupOf(1));
  say(outcome.ok ? "committed" : `failed space=${outcome.space} ${outcome.error.message}`);
  const next = await commit(store, groupOf(1));
  say(next.ok ? "committed" : "failed again");
  await store.close();
  exitNow(outcome.ok ? EXIT.ok : EXIT.storeIo);
}

async function commitWhileFailing(dir: string, first: number): Promise<void> {
  const { store } = await openStore(dir, { watchdogMs: 1_000 });
  for (let n = 1; n <= first + 1; n++) {
    if (n === first) writeFileSync(join(dir, "fail"), "");
    const outcome = await commit(store, groupOf(n));
    if (outcome.ok) say(`ack ${n}`);
    else say(`failed ${n} space=${outcome.space} ${outcome.error.message}`);
  }
  await store.close();
  exitNow(EXIT.storeIo);
}

async function commitWhileRefused(dir: string): Promise<void> {
  const { store } = await openStore(dir);
  for (let n = 1; n <= 10; n++) await commit(store, groupOf(n));
  writeFileSync(join(dir, "fail"), "");
  for (;;) {
    const outcome = await commit(store, groupOf(11));
    if (outcome.ok) break;
    say(`refused space=${outcome.space} ${outcome.error.message}`);
    if (!outcome.space) break;
  }
  await store.close();
  exitNow(EXIT.storeIo);
}

async function openEach(dirs: readonly string[]): Promise<void> {
  for (const dir of dirs) {
    try {
      const { store, recovered } = await openStore(dir);
      try {
        const digest = digestOf(recovered);
        // Writing must be as safe as reading: page reuse, deletes, and a look at the result.
        for (let n = 1; n <= 4; n++) {
          const outcome = await commit(store, groupOf(recovered.lastSequence + n));
          if (!outcome.ok) throw outcome.error;
        }
        checkStoreFile(join(dir, STORE_FILE));
        say(`${dir} whole ${digest}`);
      } finally {
        await store.close();
      }
    } catch (error) {
      if (!(error instanceof JumboError)) throw error;
      say(`${dir} ${error.code} ${error.message}`);
      // As the command does: a write of LMDB that never ends must not hold the process.
      if (dirs.length === 1) exitNow(error.exitCode);
    }
  }
}

const [mode, dir = "", ...rest] = process.argv.slice(2);
if (mode === "commit") await commitGroups(dir, Number(rest[0] ?? Number.POSITIVE_INFINITY), "");
else if (mode === "lives") {
  for (let k = 0; k < 3; k++) await commitGroups(join(dir, String(k)), 3, `${k} `);
} else if (mode === "failing") await commitWhileFailing(dir, 11);
else if (mode === "tail") await commitWhileFailing(dir, 13);
else if (mode === "refused") await commitWhileRefused(dir);
else if (mode === "hang") await commitWhenTold(dir);
else if (mode === "open") await openEach([dir, ...rest]);
else if (mode === "hold") {
  openEnvironment(dir).root.transactionSync(() => {
    say("held");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
} else throw new Error(`no mode ${mode}`);
