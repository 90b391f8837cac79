/** Messages in order, and everything else of the event loop between them. */
import { rmSync, writeFile } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Turns } from "../../src/broker/turns.ts";

function busy(milliseconds: number): void {
  const endsMs = performance.now() + milliseconds;
  while (performance.now() < endsMs);
}

const all = (list: readonly unknown[], size: number) =>
  new Promise<void>((resolve) => {
    const look = () => (list.length >= size ? resolve() : void setTimeout(look, 1));
    look();
  });

it("looks at a message at once where there is time", () => {
  const seen: number[] = [];
  const turns = new Turns<number>((message) => seen.push(message));
  for (let i = 0; i < 3; i++) turns.offer(i);
  expect(seen).toEqual([0, 1, 2]);
});

it("lets a write that has ended be told of before two hundred messages are through", async () => {
  const seen: number[] = [];
  const turns = new Turns<number>((message) => {
    busy(1);
    seen.push(message);
  });
  let seenAtWrite = -1;
  const path = join(tmpdir(), `jumbo-turns-${process.pid}`);
  writeFile(path, "x", () => {
    seenAtWrite = seen.length;
  });
  for (let i = 0; i < 200; i++) turns.offer(i);
  expect(seen.length).toBeLessThan(100);
  await all(seen, 200);
  expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => i));
  rmSync(path, { force: true });
  expect(seenAtWrite).toBeGreaterThan(0);
  expect(seenAtWrite).toBeLessThan(150);
});

it("keeps the order of what comes while others wait, and of what a message brings about", async () => {
  const seen: number[] = [];
  const turns = new Turns<number>((message) => {
    busy(1);
    seen.push(message);
    if (message === 5) turns.offer(100);
  });
  for (let i = 0; i < 20; i++) turns.offer(i);
  setImmediate(() => turns.offer(200));
  await all(seen, 22);
  expect(seen.filter((message) => message < 100)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(seen.at(-1)).toBe(200);
  expect(seen.filter((message) => message === 100)).toHaveLength(1);
});
