/**
 * A store file that is truncated, zeroed in the middle (8 KiB), overwritten or bit-flipped: opening
 * it gives a diagnosis (`store_damaged`) or exactly what was stored; never a crash without words,
 * never another answer. One store was closed in order; of another, whose engine was killed, the
 * file or the journal's tail is hurt.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SeededRandom } from "../../../src/base/index.ts";
import { openStore } from "../../../src/store/index.ts";
import { LOCK_FILE } from "../../../src/store/lock.ts";
import { TAIL_FILE } from "../../../src/store/tail.ts";
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
    const sources = [await closedStore(join(root, "closed")), await killedStore(root)];
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
        const source = sources[i % sources.length] as Source;
        const names = [...source.files.keys()];
        const name = names[random.below(names.length)] as string;
        for (const [other, bytes] of source.files) writeFileSync(join(dir, other), bytes);
        const { bytes, what } = hurt(source.files.get(name) as Buffer, reachOf(name), random);
        hurts.push(`${name} ${what}`);
        writeFileSync(join(dir, name), bytes);
        return dir;
      });
      const child = [join(REPOSITORY, "test/store/child.ts"), "open", ...dirs];
      const end = await new Child(child, {}, 300_000).end;
      const lines = end.stdout.trim().split("\n");
      for (const [i, line] of lines.entries()) {
        const [, verdict, rest] = line.split(" ");
        counts.files++;
        if (verdict === "store_damaged") counts.diagnosed++;
        else if (verdict === "whole" && rest === sources[i % sources.length]?.digest)
          counts.whole++;
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

interface Source {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly digest: string;
}

async function closedStore(dir: string): Promise<Source> {
  const { store } = await openStore(dir);
  for (let n = 1; n <= GROUPS; n++) await commit(store, groupOf(n));
  await store.close();
  return sourceOf(dir, ["store.mdb"]);
}

async function killedStore(root: string): Promise<Source> {
  const dir = join(root, "living");
  const { store } = await openStore(dir);
  for (let n = 1; n <= GROUPS + 4; n++) await commit(store, groupOf(n));
  const left = join(root, "killed");
  cpSync(dir, left, { recursive: true });
  rmSync(join(left, LOCK_FILE));
  await store.close();
  return sourceOf(left, ["store.mdb", TAIL_FILE]);
}

async function sourceOf(dir: string, names: readonly string[]): Promise<Source> {
  const files = new Map(names.map((name) => [name, readFileSync(join(dir, name))]));
  const { store, recovered } = await openStore(dir);
  const digest = digestOf(recovered);
  await store.close();
  return { files, digest };
}

/** Bytes from the front that are hurt: most of a tail is empty. */
function reachOf(name: string): number {
  return name === TAIL_FILE ? 8 * 4_096 : Number.MAX_SAFE_INTEGER;
}

function hurt(good: Buffer, reach: number, random: SeededRandom): { bytes: Buffer; what: string } {
  const bytes = Buffer.from(good);
  const size = Math.min(good.length, reach);
  const kind = random.below(5);
  const at = random.below(size);
  if (kind === 0) return { bytes: bytes.subarray(0, at), what: `cut to ${at} bytes` };
  if (kind === 1) {
    const from = Math.min(at, size - 8_192);
    bytes.fill(0, from, from + 8_192);
    return { bytes, what: `8 KiB of zeros at ${from}` };
  }
  if (kind === 2) {
    const flips = 1 + random.below(8);
    for (let i = 0; i < flips; i++) {
      const place = random.below(size);
      bytes[place] = (bytes[place] as number) ^ (1 << random.below(8));
    }
    return { bytes, what: `${flips} bits` };
  }
  if (kind === 3) {
    const length = Math.min(1 + random.below(4_096), size - at);
    for (let i = 0; i < length; i++) bytes[at + i] = random.below(256);
    return { bytes, what: `${length} bytes of noise at ${at}` };
  }
  // Two pages exchanged: each is whole by itself.
  const pages = size / 4_096;
  const a = 4_096 * random.below(pages);
  const b = 4_096 * random.below(pages);
  good.copy(bytes, a, b, b + 4_096);
  good.copy(bytes, b, a, a + 4_096);
  return { bytes, what: `pages at ${a} and ${b} exchanged` };
}
