import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/base/index.ts";
import { ATTEMPT, FIELDS, Page } from "../../src/ledger/page.ts";
import { decodePage, decodePageHeader, encodePage } from "../../src/ledger/page-codec.ts";

type Columns = readonly [word: number, grants: number, mark: number, low: number, high: number];
const FRESH: Columns = [0, 0, 0, 0, 0];

function columnsAt(page: Page, offset: number): Columns {
  const at = page.find(offset) * FIELDS;
  const c = page.cells;
  return [c[at + 1]!, c[at]! & 0xffff, c[at + 2]!, c[at + 3]!, c[at + 4]!];
}

function isAlike(a: Columns, b: Columns): boolean {
  return a.every((value, k) => value === b[k]);
}

function expectColumns(page: Page, offset: number, wanted: Columns): void {
  const found = columnsAt(page, offset);
  if (!isAlike(found, wanted)) expect({ offset, found }).toEqual({ offset, found: wanted });
}

function write(page: Page, naive: Columns[], from: number, to: number, columns: Columns): void {
  for (let offset = from; offset < to; ) {
    const record = page.find(offset);
    const end = page.endOf(record, to);
    page.write(record, offset, end, ...columns);
    offset = end;
  }
  naive.fill(columns, from, to);
}

/** Random writes of few or many kinds: pages of some runs, and ones in pieces. */
function randomPage(seed: number, size: number): [Page, Columns[]] {
  const random = new SeededRandom(seed);
  const page = new Page(1, 0, size);
  const naive: Columns[] = new Array<Columns>(size).fill(FRESH);
  const inPieces = random.chance(0.4);
  for (let i = random.below(inPieces ? 900 : 60); i > 0; i--) {
    const from = random.below(size);
    const to = Math.min(size, from + 1 + random.below(inPieces ? 4 : 300));
    const wide = random.chance(0.1);
    const word = random.below(5) + ATTEMPT * random.below(wide ? 255 : 3);
    const lease = random.below(wide ? 2 ** 32 : 3);
    const columns: Columns = [
      word,
      random.below(wide ? 65_536 : 3),
      random.below(wide ? 2 ** 32 : 3),
      lease,
      lease === 0 ? 0 : 1 + random.below(wide ? 0x1f_ffff : 2),
    ];
    write(page, naive, from, to, random.chance(0.2) ? FRESH : columns);
  }
  for (let state = 0; state < 5; state++) {
    page.counts[state] = naive.filter(([word]) => (word & 7) === state).length;
  }
  return [page, naive];
}

describe("a page", () => {
  test("holds what was written, in runs or raw, and never two alike runs side by side", () => {
    let raw = 0;
    for (let seed = 1; seed <= 120; seed++) {
      const size = seed % 3 === 0 ? 4096 : 1 + ((seed * 97) % 4096);
      const [page, naive] = randomPage(seed, size);
      if (page.isRaw) raw++;
      for (let i = 0; i < size; i += 1 + (seed % 7)) expectColumns(page, i, naive[i]!);
      for (let r = 1; !page.isRaw && r < page.records; r++) {
        const start = page.cells[r * FIELDS]! >>> 16;
        expect(isAlike(columnsAt(page, start), columnsAt(page, start - 1))).toBe(false);
      }
    }
    expect(raw).toBeGreaterThan(10);
  });

  test("comes back from its bytes, and its header says so without decoding", () => {
    for (let seed = 1; seed <= 120; seed++) {
      const size = seed % 2 === 0 ? 4096 : 1 + ((seed * 61) % 4096);
      const [page, naive] = randomPage(seed, size);
      const bytes = encodePage(page, 2 ** 40 + seed);
      expect(decodePageHeader(bytes)).toEqual({
        trueAt: 2 ** 40 + seed,
        size,
        counts: page.counts,
        starts: page.starts,
      });
      const back = new Page(1, 0, size);
      decodePage(back, bytes);
      for (const [state, count] of page.counts.entries()) back.counts[state] = count;
      for (let i = 0; i < size; i++) expectColumns(back, i, naive[i]!);
      expect(encodePage(back, 2 ** 40 + seed)).toEqual(bytes);
    }
  });

  test("that has grown since it was stored is filled up as untouched", () => {
    const [page, naive] = randomPage(5, 1000);
    const back = new Page(1, 0, 1700);
    decodePage(back, encodePage(page, 1));
    expect([columnsAt(back, 999), columnsAt(back, 1000)]).toEqual([naive[999], FRESH]);
    expect(columnsAt(back, 1699)).toEqual(FRESH);
  });

  test("that is damaged is an error with a reason or another page, never a hang", () => {
    const random = new SeededRandom(3);
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      const bytes = encodePage(randomPage(1 + (i % 20), 200)[0], 1);
      bytes[random.below(bytes.length)] = random.below(256);
      const cut = random.chance(0.3) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
      try {
        decodePage(new Page(1, 0, 200), cut);
      } catch (error) {
        expect((error as Error).name).toBe("JumboError");
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
  });

  test("of consecutive single-range leases takes a few bytes", () => {
    const page = new Page(1, 0, 4096);
    const naive = new Array<Columns>(4096).fill(FRESH);
    for (let i = 0; i < 4096; i++) write(page, naive, i, i + 1, [3 + ATTEMPT, 1, 7, 5000 + i, 1]);
    expect(page.isRaw).toBe(true);
    expect(encodePage(page, 1).length).toBeLessThan(60);
  });
});
