/**
 * A disk that fills up: `jumbo run` with its store, or its results, on a tmpfs that a ballast fills at
 * a random moment and frees again. The run waits it out or ends with 74 and is run again; the
 * result is right. The store's has room above the free space under which nothing is leased.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { EXIT, SeededRandom } from "../../../src/base/index.ts";
import {
  jumbo,
  mountMemory,
  type Part,
  type PartResult,
  sleep,
  unmount,
  workFolder,
} from "../part.ts";
import { isRight, smallTask } from "../small-task.ts";

const SIZE_MIB = 8;
const STORE_SIZE_MIB = 1_100;
const FULL_MS = 3_000;
const LEFT_BYTES_MAX = 60_000;

export const part: Part = {
  what: "a full disk during commit, bundle and merge",
  count: 10,
  async run({ seed, count }): Promise<PartResult> {
    const random = new SeededRandom(seed);
    const violations: string[] = [];
    const ends: Record<string, number> = {};
    let raced = 0;
    for (let round = 0; round < count; round++) {
      const dir = workFolder();
      const small = join(dir, "small");
      const onlyStore = round % 2 === 0;
      if (!mountMemory(small, onlyStore ? STORE_SIZE_MIB : SIZE_MIB)) {
        return { counts: {}, violations: [], skipped: "a small tmpfs can't be mounted" };
      }
      try {
        const results = onlyStore ? dir : small;
        const store = onlyStore ? join(small, "store") : join(dir, "store");
        mkdirSync(store, { recursive: true });
        const task = smallTask(dir, { slow: true });
        const args = ["run", task, "--store", store, "--results", results, "--slots", "2"];
        const run = jumbo(args);
        await sleep(500 + 3_500 * random.nextUnit());
        const ballast = join(small, "ballast");
        const { bavail, bsize } = statfsSync(small);
        const left = random.below(LEFT_BYTES_MAX);
        const fill = Math.max(0, bavail * bsize - left);
        const made = spawnSync("fallocate", ["-l", String(fill), ballast], { encoding: "utf8" });
        // The run wrote in between: what is there now is as full.
        if (made.status !== 0) raced++;
        await sleep(FULL_MS);
        rmSync(ballast);
        let end = await run.end;
        const name = `ended with ${end.code ?? end.signal}`;
        ends[name] = (ends[name] ?? 0) + 1;
        const where = `round ${round} (${onlyStore ? "store" : "results"})`;
        if (end.code !== EXIT.ok && end.code !== EXIT.storeIo) {
          violations.push(`${where}: ${name}: ${end.stderr.slice(-400)}`);
        }
        if (end.code !== EXIT.ok) end = await jumbo(args).end;
        if (end.code !== EXIT.ok)
          violations.push(`${where}: again ${end.code}: ${end.stderr.slice(-400)}`);
        else if (!isRight(results)) violations.push(`${where}: a wrong result`);
      } finally {
        unmount(small);
      }
    }
    return { counts: { rounds: count, "not quite full": raced, ...ends }, violations };
  },
};
