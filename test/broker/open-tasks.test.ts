/** Thousands of open tasks: an exchange looks at few of them, and none is forgotten. */
import { describe, expect, it } from "vitest";
import { type OpenTask, OpenTasks } from "../../src/broker/open-tasks.ts";
import type { SpanBlock, Welcome } from "../../src/wire/index.ts";
import { OUTCOME } from "../../src/wire/index.ts";
import { countTask } from "../sim/sim-tasks.ts";
import { CoreBench } from "./core-bench.ts";

type Change = { -readonly [Key in keyof OpenTask]?: OpenTask[Key] };

function open(task: number, change: Change = {}): OpenTask & { ready: number } {
  return {
    task,
    owner: "anna",
    priority: 0,
    ready: 10,
    leased: 0,
    coresPerSlot: 1,
    hasHints: false,
    needsOffsets: false,
    entry: null as never,
    ...change,
  };
}

const all = { owner: "", cores: 0 };
const equal = () => 0;
const numbers = (tasks: readonly OpenTask[]) => tasks.map(({ task }) => task);

function filled(count: number, change: (task: number) => Change = () => ({})): OpenTasks {
  const tasks = new OpenTasks(equal);
  for (let task = 1; task <= count; task++) tasks.add(open(task, change(task)));
  tasks.begin();
  return tasks;
}

describe("a walk through open tasks", () => {
  it("shows a few of each priority and owner, in order of number, then the next ones", () => {
    const tasks = filled(1_000, (task) => ({ priority: task % 2, owner: task < 500 ? "a" : "b" }));
    const first = numbers(tasks.next(4, all));
    expect(first.length).toBeLessThan(50);
    expect(first.slice(0, 4)).toEqual([1, 2, 3, 4]);
    expect(first).toContain(500);
    expect([...first].sort((a, b) => a - b)).toEqual(first);
    const seen = new Set(first);
    for (;;) {
      const next = numbers(tasks.next(4, all));
      if (next.length === 0) break;
      for (const task of next) {
        expect(seen.has(task)).toBe(false);
        seen.add(task);
      }
    }
    expect(seen.size).toBe(1_000);
  });

  it("shows more tasks where few ranges are ready in each", () => {
    const tasks = filled(1_000, () => ({ ready: 1 }));
    expect(tasks.next(50, all)).toHaveLength(50);
  });

  it("passes by what does not fit the pilot", () => {
    const tasks = filled(100, (task) => ({
      coresPerSlot: 101 - task,
      owner: task % 2 ? "a" : "b",
    }));
    expect(numbers(tasks.next(4, { owner: "", cores: 2 }))).toEqual([99, 100]);
    tasks.begin();
    expect(numbers(tasks.next(4, { owner: "a", cores: 2 }))).toEqual([99]);
  });

  it("shows the owners served least in the highest priority, then the others", () => {
    const served = new Map(Array.from({ length: 100 }, (_, i) => [`owner-${i}`, 100 - i]));
    const tasks = new OpenTasks((owner) => served.get(owner) as number);
    for (let task = 0; task < 100; task++) {
      tasks.add(open(task, { owner: `owner-${task}`, priority: task < 20 ? 1 : 0 }));
    }
    tasks.begin();
    expect(numbers(tasks.next(4, all))).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
    expect(numbers(tasks.next(4, all))).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    expect(numbers(tasks.next(4, all))).toEqual([0, 1, 2, 3, 96, 97, 98, 99]);
    served.set("owner-0", 0);
    for (let walk = 0; walk < 40; walk++) tasks.begin();
    expect(numbers(tasks.next(4, all))).toContain(0);
  });

  it("passes by tasks without ready ranges, until it is told to look again", () => {
    const tasks = new OpenTasks(equal);
    const sights = Array.from({ length: 100 }, (_, i) => open(i + 1, { ready: 0 }));
    for (const sight of sights) tasks.add(sight);
    const last = sights.at(-1) as { ready: number };
    last.ready = 5;
    const look = () => {
      tasks.begin();
      return numbers(tasks.next(4, all));
    };
    expect(look()).toEqual([100]);
    (sights[2] as { ready: number }).ready = 5;
    expect(look()).toEqual([100]);
    tasks.lookAgain();
    expect(look()).toEqual([3, 100]);
    tasks.delete(3);
    expect(look()).toEqual([100]);
    tasks.add(open(2, { ready: 7 }));
    expect(look()).toEqual([2, 100]);
    expect(tasks.size).toBe(99);
  });
});

const nodes = (slots: number) => [{ name: "n", cores: slots, gpus: 0, memoryMiB: 1, slots }];

function submit(
  bench: CoreBench,
  name: string,
  ranges: number,
  meanSeconds: number | null,
  owner = "",
) {
  const terms = { attempts: 3, losses: 5, priority: 0, owner, cost: 1 };
  const { spec, files } = countTask(name, ranges, terms);
  const told = { ...spec, cost: { ...spec.cost, meanSeconds, cv: 0.1 } };
  bench.ask("submit", { spec: told, files });
}

/** Tasks of which the pilot was granted something, in order. */
const granted = (bench: CoreBench, connection: number): number[] =>
  bench.heard(connection).flatMap((message) => {
    if (message.type === "welcome") return message.grant.spans.map(({ task }) => task as number);
    return message.type === "grant" ? message.spans.map(({ task }) => task as number) : [];
  });

describe("a core with hundreds of open tasks", () => {
  it("finds the only one whose ranges end before a pilot's wall", () => {
    const bench = new CoreBench();
    for (let task = 1; task <= 300; task++) submit(bench, `t${task}`, 50, 1_000);
    submit(bench, "short", 50, 1);
    bench.pass(300);
    bench.hello(1, { nodes: nodes(8), want: 8, freeSlots: 8, secondsLeft: 30 });
    expect(new Set(granted(bench, 1))).toEqual(new Set([301]));
    bench.core.check();
  });

  it("serves ranges that are ready again before those of later tasks", () => {
    const bench = new CoreBench();
    for (let task = 1; task <= 200; task++) submit(bench, `t${task}`, 2, null);
    bench.pass(300);
    const first = bench.hello(1, { nodes: nodes(100), want: 100, freeSlots: 100 });
    const welcome = first.find((message) => message.type === "welcome") as Welcome;
    const [spans] = welcome.grant.spans as [SpanBlock];
    expect(spans.task).toBe(1);
    const cost = { wallSum: 0, wallSquares: 0, wallMax: 0, cpuSum: 0 };
    const outcome = OUTCOME.failed;
    const reports = [{ outcome, spans, bundle: 0, reason: "no", cost, node: 0 }];
    bench.say(1, {
      type: "exchange",
      sequence: 1,
      reports,
      want: 0,
      freeSlots: 2,
      secondsLeft: -1,
    });
    bench.pass(300);
    bench.hello(2, { nodes: nodes(2), want: 2, freeSlots: 2 });
    expect(granted(bench, 2)[0]).toBe(1);
    bench.core.check();
  });

  it("serves hundreds of owners alike", () => {
    const bench = new CoreBench();
    for (let i = 0; i < 200; i++) submit(bench, `t${i}`, 1_000, 10, `owner-${i}`);
    bench.pass(300);
    for (let pilot = 1; pilot <= 300; pilot++) {
      bench.hello(pilot, { nodes: nodes(32), want: 32, freeSlots: 32 });
    }
    const counts = bench.ask("list", {}).answer?.map(({ ranges }) => ranges.leased) ?? [];
    expect(counts.reduce((sum, leased) => sum + leased, 0)).toBeGreaterThanOrEqual(9_600);
    // At most a lease or two from the mean: 48 ranges an owner.
    expect(Math.min(...counts)).toBeGreaterThan(16);
    expect(Math.max(...counts)).toBeLessThan(112);
    bench.core.check();
  });

  it("hands out every range of every task", () => {
    const bench = new CoreBench();
    for (let i = 0; i < 300; i++) submit(bench, `t${i}`, 3, null);
    bench.pass(300);
    bench.hello(1, { nodes: nodes(1_000), want: 1_000, freeSlots: 1_000 });
    for (let i = 0; i < 20; i++) {
      bench.say(1, {
        type: "exchange",
        sequence: i + 1,
        reports: [],
        want: 1_000,
        freeSlots: 1_000,
        secondsLeft: -1,
      });
    }
    const counts = bench.ask("list", {}).answer?.map(({ ranges }) => ranges.leased) ?? [];
    expect(counts.reduce((sum, leased) => sum + leased, 0)).toBe(900);
    bench.core.check();
  });
});
