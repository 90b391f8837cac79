import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/base/index.ts";
import {
  expectAcknowledged,
  inLanes,
  removeFoldersAfterwards,
  runChild,
  startChild,
  temporaryFolder,
} from "./support.ts";

removeFoldersAfterwards();

function lastNumber(output: string, pattern: RegExp): number {
  let last = 0;
  for (const match of output.matchAll(pattern)) last = Number(match[1]);
  return last;
}

describe("a killed engine", () => {
  test("loses nothing it acknowledged, over and over on one store", async () => {
    const dir = temporaryFolder();
    const random = new SeededRandom(20_261);
    let last = 0;
    for (let life = 0; life < 5; life++) {
      const { child, end, output } = startChild(["commit", dir]);
      while (!output().includes("ack ")) await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, random.below(150)));
      child.kill("SIGKILL");
      const { signal } = await end;
      expect(signal).toBe("SIGKILL");
      const acknowledged = lastNumber(output(), /^ack (\d+)$/gm);
      expect(acknowledged).toBeGreaterThan(last);
      last = await expectAcknowledged(dir, acknowledged);
    }
  });

  const points = [
    "before-commit",
    "after-put",
    "before-flush",
    "after-flush",
    "create-before-rename",
    "create-after-rename",
    "epoch-raised",
  ];
  test("recovers from every named kill point at its first three hits", async () => {
    const cases = points.flatMap((point) => [1, 2, 3].map((hit) => `${point}:${hit}`));
    await inLanes(cases, 3, async (point) => {
      const dir = temporaryFolder("fast");
      const end = await runChild(["lives", dir], { JUMBO_KILL_POINT: point });
      expect(`${point} ${end.signal} ${end.errors}`).toBe(`${point} SIGKILL `);
      const started = readdirSync(dir).length;
      expect(started).toBeGreaterThanOrEqual(1);
      for (let k = 0; k < started; k++) {
        const acknowledged = lastNumber(end.output, new RegExp(`^ack ${k} (\\d+)$`, "gm"));
        await expectAcknowledged(join(dir, String(k)), acknowledged);
      }
    });
  }, 30_000);
});
