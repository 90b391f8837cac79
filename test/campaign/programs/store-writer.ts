/**
 * Writes a store for the power-cut part: `node store-writer.ts DIR LIVES GROUPS [killed]`. Each life
 * opens the store, commits groups, their acknowledgements into DIR/writer.acks, and closes it; with
 * `killed` the last one is killed instead.
 */
import { openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "../../../src/store/index.ts";
import { commit, groupOf } from "../../store/support-groups.ts";

const [dir = "", lives = "3", groups = "100", end = ""] = process.argv.slice(2);
const acks = openSync(join(dir, "writer.acks"), "a");

for (let life = 0; life < Number(lives); life++) {
  const { store, recovered } = await openStore(dir);
  for (let n = 1; n <= Number(groups); n++) {
    const sequence = recovered.lastSequence + n;
    const outcome = await commit(store, groupOf(sequence));
    if (!outcome.ok) throw outcome.error;
    writeSync(acks, `${sequence}\n`);
  }
  if (end === "killed" && life === Number(lives) - 1) process.kill(process.pid, "SIGKILL");
  await store.close();
}
