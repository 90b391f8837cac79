import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type LeaseId, leaseIdOf, type TaskId } from "../../src/base/index.ts";
import { countRecords } from "../../src/pilot/count-records.ts";
import { Holdings, returnedItem } from "../../src/pilot/holdings.ts";
import { buildReports } from "../../src/pilot/reports.ts";
import { LineSplitter, parsePayloadLine } from "../../src/pilot/stream-lines.ts";
import {
  blockRanges,
  blocksRanges,
  COUNT_RULE,
  forEachSpan,
  OUTCOME,
  singleSpan,
} from "../../src/wire/index.ts";

test("records are counted by rule, wherever chunks end", async () => {
  const folder = mkdtempSync(join(tmpdir(), "jumbo-count-"));
  const path = join(folder, "f");
  const count = async (text: string, kind: 0 | 1 | 2, prefix = "", skip = 0) => {
    writeFileSync(path, text);
    return countRecords(path, { kind, prefix, skip });
  };
  const { lines, linePrefix, none } = COUNT_RULE;
  expect(await count("a\n\n \t\r\nb", lines)).toBe(2);
  expect(await count("h\na\nb\n", lines, "", 1)).toBe(2);
  expect(await count("", lines, "", 1)).toBe(0);
  expect(await count("E 1\nV\nEE\n E 2\nE 3\nE", linePrefix, "E ")).toBe(2);
  expect(await count("anything", none)).toBeNull();
  // Lines of 7 bytes straddle every chunk of 256 KiB.
  expect(await count("E x\nyy\n".repeat(100_000), linePrefix, "E x")).toBe(100_000);
  expect(await count(`${"x".repeat(300_000)}\n`.repeat(4), lines)).toBe(4);
  rmSync(folder, { recursive: true });
});

test("lines of a stream come whole, however they were cut, and long ones are bounded", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 30 }).filter((text) => !/[\n\r]/.test(text))),
      fc.array(fc.integer({ min: 1, max: 9 })),
      (texts, cuts) => {
        const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(""));
        const seen: string[] = [];
        const splitter = new LineSplitter((line) => seen.push(line.toString()));
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const step = cuts.length === 0 ? bytes.length : cuts[i % cuts.length]!;
          splitter.push(bytes.subarray(at, at + step));
          at += step;
        }
        expect(seen).toEqual(texts.filter((text) => text !== ""));
      },
    ),
  );
  const kinds: string[] = [];
  const splitter = new LineSplitter((line, cut) => kinds.push(parsePayloadLine(line, cut).kind));
  for (const start of ["{", "x"]) {
    splitter.push(Buffer.from(start));
    for (let i = 0; i < 5; i++) splitter.push(Buffer.alloc(400_000, "y"));
    splitter.push(Buffer.from("\n"));
  }
  expect(kinds).toEqual(["breach", "log"]);
});

test("only objects with the protocol's keys are the protocol's; wrong values are breaches", () => {
  const kind = (text: string) => parsePayloadLine(Buffer.from(text), false).kind;
  for (const text of ["Ready for events", "[1]", "{x", '{"level":"info"}', "null", "12", "{}"]) {
    expect(kind(text)).toBe("log");
  }
  for (const text of [
    '{"hello":{"protocol":2}}',
    '{"hello":null}',
    '{"ready":0}',
    '{"ready":"1"}',
    '{"done":{"id":1,"events":1}}',
    '{"done":{"id":"a","events":1.5}}',
    '{"done":{"id":"a","events":1,"outputs":[{"path":"a"},{"path":"b"}]}}',
    '{"done":{"id":"a","events":1,"outputs":"a"}}',
    '{"failed":{}}',
    '{"progress":3}',
  ]) {
    expect([text, kind(text)]).toEqual([text, "breach"]);
  }
  expect(kind('  {"ready":2}\r')).toBe("ready");
});

test("holdings lose and double nothing, whatever the order of what happens", () => {
  const lease = (n: number) => leaseIdOf(2, n);
  type Step = { kind: number; a: number; b: number };
  const steps = fc.array(
    fc.record({ kind: fc.nat(7), a: fc.nat(40), b: fc.integer({ min: 1, max: 12 }) }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(steps, (list: Step[]) => {
      const holdings = new Holdings();
      const held = new Set<string>();
      const key = (range: number, id: LeaseId) => `${id}/${range}`;
      let next = 0;
      let leases = 0;
      let sequence = 0;
      for (const { kind, a, b } of list) {
        if (kind === 0) {
          const id = lease(++leases);
          holdings.add([singleSpan((1 + (a % 2)) as TaskId, next, b, 1, 1, id)]);
          for (let i = 0; i < b; i++) held.add(key(next + i, id));
          next += b;
        } else if (kind <= 2 && holdings.unstartedRanges > 0) {
          holdings.take(holdings.tasks()[0]!);
        } else if (kind === 3) {
          const [span] = holdings.running();
          if (span) {
            holdings.finish({ ...returnedItem(span), outcome: OUTCOME.done, bundle: a });
            expect(holdings.finish(returnedItem(span))).toBe(false);
          }
        } else if (kind === 4) {
          for (const task of [1, 2] as TaskId[]) {
            for (const span of holdings.release(task, a, b, lease(1 + (a % 5)))) {
              holdings.report(returnedItem(span));
            }
          }
        } else if (kind === 5) {
          const items = holdings.toSend(++sequence, b, 1 + 3 * a);
          const reports = buildReports(items);
          const ranges = items.reduce((sum, item) => sum + item.span.count, 0);
          expect(reports.reduce((sum, each) => sum + blockRanges(each.spans), 0)).toBe(ranges);
          expect(ranges).toBeLessThanOrEqual(1 + 3 * a);
          if (a % 3 === 0 && items.length > 0) {
            for (const { span } of holdings.answered(sequence)!) {
              for (let i = 0; i < span.count; i++) held.delete(key(span.first + i, span.lease));
            }
          }
        } else if (kind === 6) {
          holdings.unsend();
          const id = lease(1 + (a % 5));
          const blocks = [1, 2].map((task) => singleSpan(task as TaskId, a, b, 1, 1, id));
          holdings.refuse(blocks);
          for (let i = 0; i < b; i++) held.delete(key(a + i, id));
        }
        const listed = new Set<string>();
        forEachSpan(holdings.held(), (_task, first, count, _attempt, _grant, id) => {
          for (let i = 0; i < count; i++) listed.add(key(first + i, id));
        });
        expect(listed).toEqual(held);
        expect(blocksRanges(holdings.held())).toBe(held.size);
        expect(holdings.items === 0).toBe(held.size === 0);
        expect(holdings.items).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: 300 },
  );
});

test("reports join neighbours of a lease and sum what they cost", () => {
  const span = { task: 1 as TaskId, count: 1, attempt: 1, grant: 1, lease: leaseIdOf(1, 1) };
  const done = (first: number, wall: number, bundle = 1) => ({
    ...returnedItem({ ...span, first }),
    outcome: OUTCOME.done,
    bundle,
    wallSum: wall,
    wallSquares: wall * wall,
    wallMax: wall,
    cpuSum: wall / 2,
  });
  const failed = { ...returnedItem({ ...span, first: 9 }), outcome: OUTCOME.failed, reason: "r" };
  const reports = buildReports([done(4, 1), done(3, 3), done(5, 2), failed, done(6, 1, 2)]);
  expect(reports).toHaveLength(3);
  expect(reports[0]).toMatchObject({
    outcome: OUTCOME.done,
    bundle: 1,
    spans: { size: 1, first: [3], count: [3] },
    cost: { wallSum: 6, wallSquares: 14, wallMax: 3, cpuSum: 3 },
  });
  expect(reports[1]).toMatchObject({ outcome: OUTCOME.failed, reason: "r", bundle: 0 });
  expect(reports[2]).toMatchObject({ bundle: 2, spans: { first: [6] } });
});
