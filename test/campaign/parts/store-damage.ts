/**
 * A store file that is truncated, zeroed in the middle (8 KiB), overwritten or bit-flipped: opening
 * it gives a diagnosis (`store_damaged`) or exactly what was stored; never a crash without words,
 * never another answer.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SeededRandom } from "../../../src/base/index.ts";
import { openStore } from "../../../src/store/index.ts";
import { commit, digestOf, groupOf } from "../../store/support-groups.ts";
import {
  Child,
  inLanes,
  LANES,
  type Part,
  type PartResult,
  REPOSITORY,
  workFolder,
} from "../part.ts";

const GROUPS = 250;
const CHUNK = 100;

export const part: Part = {
  what: "truncated, zeroed, overwritten and bit-flipped store files",
  count: 4_000,
  async run({ seed, count }): Promise<PartResult> {
    const root = workFolder("memory");
    const source = join(root, "good");
    const first = await openStore(source);
    for (let n = 1; n <= GROUPS; n++) await commit(first.store, groupOf(n));
    await first.store.close();
    const good = readFileSync(join(source, "store.mdb"));
    const second = await openStore(source);
    const digest = digestOf(second.recovered);
    await second.store.close();
    const counts = { files: 0, whole: 0, diagnosed: 0 };
    const violations: string[] = [];
    const random = new SeededRandom(seed);
    const chunks = Array.from({ length: Math.ceil(count / CHUNK) }, (_, i) => i);
    await inLanes(chunks, LANES, async (chunk) => {
      const folder = join(root, `c${chunk}`);
      const hurts: string[] = [];
      const dirs = Array.from({ length: Math.min(CHUNK, count - chunk * CHUNK) }, (_, i) => {
        const dir = join(folder, String(i));
        mkdirSync(dir, { recursive: true });
        const { bytes, what } = hurt(good, random);
        hurts.push(what);
        writeFileSync(join(dir, "store.mdb"), bytes);
        return dir;
      });
      const child = [join(REPOSITORY, "test/store/child.ts"), "open", ...dirs];
      const end = await new Child(child, {}, 300_000).end;
      const lines = end.stdout.trim().split("\n");
      for (const [i, line] of lines.entries()) {
        const [, verdict, rest] = line.split(" ");
        counts.files++;
        if (verdict === "store_damaged") counts.diagnosed++;
        else if (verdict === "whole" && rest === digest) counts.whole++;
        else violations.push(`${hurts[i]}: ${line.slice(0, 300)}`);
      }
      if (lines.length !== dirs.length) {
        const how = `${end.code ?? end.signal} ${end.stderr.slice(-300)}`;
        violations.push(`${hurts[lines.length]}: the process ended with ${how}`);
      }
      rmSync(folder, { recursive: true });
    });
    return { counts, violations };
  },
};

function hurt(good: Buffer, random: SeededRandom): { bytes: Buffer; what: string } {
  const bytes = Buffer.from(good);
  const kind = random.below(5);
  const at = random.below(good.length);
  if (kind === 0) return { bytes: bytes.subarray(0, at), what: `cut to ${at} bytes` };
  if (kind === 1) {
    const from = Math.min(at, good.length - 8_192);
    bytes.fill(0, from, from + 8_192);
    return { bytes, what: `8 KiB of zeros at ${from}` };
  }
  if (kind === 2) {
    const flips = 1 + random.below(8);
    for (let i = 0; i < flips; i++) {
      const place = random.below(good.length);
      bytes[place] = (bytes[place] as number) ^ (1 << random.below(8));
    }
    return { bytes, what: `${flips} bits` };
  }
  if (kind === 3) {
    const length = Math.min(1 + random.below(4_096), good.length - at);
    for (let i = 0; i < length; i++) bytes[at + i] = random.below(256);
    return { bytes, what: `${length} bytes of noise at ${at}` };
  }
  // Two pages exchanged: each is whole by itself.
  const pages = good.length / 4_096;
  const a = 4_096 * random.below(pages);
  const b = 4_096 * random.below(pages);
  good.copy(bytes, a, b, b + 4_096);
  good.copy(bytes, b, a, a + 4_096);
  return { bytes, what: `pages at ${a} and ${b} exchanged` };
}
