import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tableFromArrays, tableToIPC } from "apache-arrow";
import { afterAll, describe, expect, it } from "vitest";
import { scanTask, weighTask } from "../../src/scan/index.ts";
import { validateTask } from "../../src/task/index.ts";

const folder = mkdtempSync(join(tmpdir(), "jumbo-weigh-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function specOf(input: Record<string, unknown>, weights: string | null, eventsPerRange = 1) {
  const value = {
    name: "weighed",
    input,
    eventsPerRange,
    payload: { command: [":null"] },
    output: { name: "out.jsonl" },
    cost: { weights },
  };
  return validateTask(value, { taskDir: folder, results: folder, ownerDefault: "" });
}

async function weigh(input: Record<string, unknown>, weights: string | null, per = 1) {
  const spec = specOf(input, weights, per);
  const files = await scanTask(spec, { scratch: join(folder, "scratch") });
  return weighTask(spec, files);
}

function file(name: string, text: string | Uint8Array): string {
  writeFileSync(join(folder, name), text);
  return name;
}

describe("cost.weights", () => {
  it("is nothing where it is not set", async () => {
    expect(await weigh({ count: 5 }, null)).toBeNull();
  });

  it("sums the numbers of a file over the events of each range", async () => {
    file("costs.txt", "1\n2.5\n\n4\n8\n16\n");
    expect(await weigh({ count: 5 }, "costs.txt", 2)).toEqual(Float32Array.of(3.5, 12, 16));
  });

  it("is read from columns of CSV, JSONL and Arrow, over several files whose ranges never join", async () => {
    const a = file("a.csv", 'id,"how, long"\n1,5\n2,"6"\n\n3,7\n');
    const b = file("b.csv", "id;how\n1;x\n".replaceAll("how", "how, long").replace("x", "9"));
    expect(await weigh({ files: [a, b] }, "how, long", 2)).toEqual(Float32Array.of(11, 7, 9));
    const lines = file("c.jsonl", '{"n":1,"sec":3}\n{"n":2,"sec":0}\n');
    expect(await weigh({ files: [lines] }, "sec")).toEqual(Float32Array.of(3, 0));
    const table = tableFromArrays({ n: Float64Array.of(1, 2, 3), sec: Float64Array.of(7, 8, 9) });
    const arrow = file("d.arrow", tableToIPC(table, "file"));
    expect(await weigh({ files: [arrow] }, "sec", 3)).toEqual(Float32Array.of(24));
  });

  it("names key, problem, why and what is right where it can't be used", async () => {
    const csv = file("e.csv", "id,cost\n1,2\n2,fast\n");
    file("short.txt", "1\n2\n");
    file("wrong.txt", "1\n-2\n3\n");
    const fails = async (input: Record<string, unknown>, weights: string) =>
      weigh(input, weights).then(
        () => "no error",
        (error: Error) => error.message,
      );
    expect(await fails({ count: 3 }, "short.txt")).toBe(
      `"cost.weights" names ${folder}/short.txt, which has 2 numbers (the task has 3 events) ` +
        "write one number a line for each event, in the order of input.files",
    );
    expect(await fails({ count: 3 }, "wrong.txt")).toMatch(
      /^"cost\.weights" names .*wrong\.txt, whose number 2 is "-2" \(a cost is a number from 0 up\)/,
    );
    expect(await fails({ count: 3 }, "none.txt")).toMatch(
      /^"cost\.weights" is "none\.txt" \(there is no such file\) write one number an event into/,
    );
    expect(await fails({ files: [csv] }, "costs")).toMatch(
      /^"cost\.weights" is "costs" \(.*e\.csv has no such column, and .*costs is no file\) name a/,
    );
    expect(await fails({ files: [csv] }, "cost")).toMatch(
      /^input .*e\.csv has "fast" as cost of event 1 \(0-based\) \(a cost is a number from 0 up\)/,
    );
  });

  it("of a task that is extended are the last ones of its file", async () => {
    file("both.txt", "1\n2\n3\n4\n5\n");
    const spec = specOf({ count: 5 }, "both.txt");
    const [all] = await scanTask(spec, { scratch: folder });
    const before = { ...all!, events: 3 };
    const added = { ...all!, events: 2 };
    expect(await weighTask(spec, [added], [before])).toEqual(Float32Array.of(4, 5));
  });
});
