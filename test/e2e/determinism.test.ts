/** Who did what, in what order and how often leaves no trace in the result. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { useBench, writeTask } from "./support/bench.ts";
import { countedTask, countedText } from "./support/counted.ts";
import { documentOf, expectFinal, manifestRows } from "./support/documents.ts";

const bench = useBench();
const EVENTS = 1200;
const TIMEOUT_MS = 120_000;

for (const mode of ["once", "stream"] as const) {
  const eventsPerRange = mode === "once" ? 100 : 7;
  test.each([1, 2, 7])(
    `${mode}: the same bytes from %d pilots`,
    { timeout: TIMEOUT_MS },
    async (pilots) => {
      const folder = bench.place();
      const task = countedTask({ mode, events: EVENTS, eventsPerRange, millisecondsPerRange: 40 });
      const flags = ["--inline", "--pilots", `${pilots}`, "--slots", `${Math.max(2, pilots)}`];
      const finished = await bench.jumbo(
        ["run", writeTask(folder, task), ...flags, "--results", folder, "--output", "json"],
        { timeoutMs: TIMEOUT_MS },
      );
      const document = documentOf(finished);
      expectFinal(document, Math.ceil(EVENTS / eventsPerRange));
      expect(readFileSync(join(folder, "counted.jsonl"), "utf8")).toBe(countedText(EVENTS));
      const rows = manifestRows(document.manifest);
      expect(rows.map((row) => Number(row["range"]))).toEqual(rows.map((_, i) => i));
      expect(new Set(rows.map((row) => row["attempt"]))).toEqual(new Set([1]));
      // The last of several pilots may come when all is done.
      const took = new Set(rows.map((row) => row["pilot"])).size;
      expect(took).toBeGreaterThanOrEqual(mode === "stream" ? Math.min(pilots, 2) : 1);
      expect(took).toBeLessThanOrEqual(pilots);
    },
  );
}
