import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { COUNT_RULE, OUTCOME } from "../../src/wire/index.ts";
import { useHarness } from "./harness.ts";

const h = useHarness();
const page = readFileSync(new URL("../../docs/concepts/payloads.md", import.meta.url), "utf8");

/** The program that follows `<!-- name -->` on the page. */
function example(name: string): string {
  const found = new RegExp(`<!-- ${name} -->\\n\`\`\`js\\n([\\s\\S]*?)\`\`\``).exec(page);
  return h.script(name, found?.[1] ?? "missing");
}

test("both examples of the payload page do the same work", async () => {
  const input = join(h.folder, "events.jsonl");
  const lines = Array.from({ length: 25 }, (_, i) => `{"px":${i},"py":0,"pz":0,"m":0}\n`);
  writeFileSync(input, lines.join(""));
  const info = {
    eventsPerRange: 10,
    recordsPerEvent: 1,
    countRule: { kind: COUNT_RULE.lines, skip: 0, prefix: "" },
  };
  const once = [process.execPath, example("once.mjs"), "{slice}", "{output}"];
  const stream = [process.execPath, example("stream.mjs")];
  h.engine.addTask(1, 25, { ...info, command: once }, { path: input });
  h.engine.addTask(2, 25, { ...info, command: stream, mode: "stream" }, { path: input });
  const ends = lines.map((_, i) => lines.slice(0, i + 1).join("").length);
  const bounds = [0, ends[9]!, ends[9]!, ends[19]!, ends[19]!, ends[24]!];
  for (const task of [1, 2] as never[]) {
    h.engine.offsets.push({ task, first: 0, offsets: Float64Array.from(bounds) });
    h.engine.offer(task, 0, 3);
  }
  h.pilot();
  const reports = await h.engine.reported(6);
  expect(reports.map((each) => each.reason)).toEqual(Array(6).fill(""));
  expect(reports.every((each) => each.outcome === OUTCOME.done)).toBe(true);
  const expected = lines.map((_, i) => `{"e":${i}}\n`).join("");
  for (const task of [1, 2]) {
    const own = reports.filter((each) => each.task === task).toSorted((a, b) => a.range - b.range);
    const texts = await Promise.all(own.map((each) => h.engine.output(each)));
    expect(texts.join("")).toBe(expected);
  }
});
