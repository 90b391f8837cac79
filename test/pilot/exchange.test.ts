import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { leaseIdOf, type TaskId } from "../../src/base/index.ts";
import { ExchangeLine } from "../../src/pilot/exchange.ts";
import { Holdings } from "../../src/pilot/holdings.ts";
import {
  type Exchange,
  OUTCOME,
  type PilotMessage,
  singleSpan,
  VERDICT,
} from "../../src/wire/index.ts";

const TASK = 1 as TaskId;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A line whose pilot holds `ranges` running ones, each under a lease of its own. */
function talk(ranges: number, { want = 0, reserve = 4 } = {}) {
  const holdings = new Holdings();
  const sent: Exchange[] = [];
  const state = { want, reserve };
  const line = new ExchangeLine({
    holdings,
    send: (message: PilotMessage) => {
      if (message.type === "exchange") sent.push(message);
      return true;
    },
    uri: () => undefined,
    want: () => state.want,
    reserve: () => state.reserve,
    freeSlots: () => 0,
    secondsLeft: () => -1,
  });
  line.open(want);
  for (let i = 0; i < ranges; i++) {
    // Every second range, so that no two of them are one piece.
    holdings.add([singleSpan(TASK, 2 * i, 1, 1, 1, leaseIdOf(1, i + 1))]);
  }
  const end = (count: number) => {
    for (let i = 0; i < count; i++) {
      const span = holdings.take(TASK);
      const cost = { wallSum: 1, wallSquares: 1, wallMax: 1, cpuSum: 1 };
      holdings.finish({ span, outcome: OUTCOME.failed, bundle: 0, reason: `${i % 2}`, ...cost });
    }
    line.flush();
  };
  const answer = (exchange: Exchange, afterMs: number) => {
    vi.advanceTimersByTime(afterMs);
    const count = exchange.reports.reduce((sum, { spans }) => sum + spans.size, 0);
    const runs = [count, VERDICT.accepted];
    expect(line.onVerdicts({ type: "verdicts", sequence: exchange.sequence, runs })).toBe(true);
    line.flush();
  };
  return { line, sent, state, end, answer };
}

test("two exchanges with reports are under way where answers come soon", () => {
  const { sent, end, answer } = talk(4);
  for (let i = 0; i < 4; i++) end(1);
  expect(sent).toHaveLength(2);
  answer(sent[0]!, 5);
  expect(sent).toHaveLength(3);
  // What ended meanwhile went together.
  expect(sent[2]!.reports.reduce((sum, { spans }) => sum + spans.size, 0)).toBe(2);
});

test("where an answer takes long one is under way, unless a second one is full", () => {
  const { line, sent, end, answer } = talk(2_000);
  end(1);
  answer(sent[0]!, 2_000);
  const before = sent.length;
  for (let i = 0; i < 3; i++) end(1);
  expect(sent.length - before).toBe(1);
  expect(line.refillSeconds).toBeGreaterThan(0.2);
  end(1_022);
  expect(sent.length - before).toBe(2);
  expect(sent.at(-1)!.reports.reduce((sum, { spans }) => sum + spans.size, 0)).toBe(1_024);
  end(1);
  expect(sent.length - before).toBe(2);
  // Quick answers make it two again.
  for (let next = before; next < sent.length; next++) answer(sent[next]!, 1);
  for (let i = 0; i < 20; i++) {
    end(1);
    answer(sent.at(-1)!, 1);
  }
  const quick = sent.length;
  end(1);
  end(1);
  expect(sent.length - quick).toBe(2);
});

test("a larger want waits for the next report, until it grew by half of the reserve", () => {
  const { line, sent, state, end, answer } = talk(4, { want: 2, reserve: 8 });
  end(1);
  expect(sent).toHaveLength(1);
  state.want = 5;
  line.flush();
  expect(sent).toHaveLength(1);
  state.want = 6;
  line.flush();
  expect(sent.map(({ want }) => want)).toEqual([2, 6]);
  expect(sent[1]!.reports).toEqual([]);
  state.want = 7;
  line.flush();
  expect(sent).toHaveLength(2);
  // Nothing is under way any more that could ask along.
  answer(sent[0]!, 1);
  expect(sent.map(({ want }) => want)).toEqual([2, 6, 7]);
});

test("a want that has become nothing is taken back at once", () => {
  const { line, sent, state, end } = talk(2, { want: 3 });
  end(1);
  state.want = 0;
  line.flush();
  expect(sent.map(({ want }) => want)).toEqual([3, 0]);
});
