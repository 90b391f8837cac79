/** One output file out of many bundles: order, slabs, windows, all findings in one pass. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { leaseIdOf } from "../../src/base/index.ts";
import { createBundle, pathOfUri } from "../../src/bundle/index.ts";
import type { BundleEntry, FileJob } from "../../src/merge/jobs.ts";
import { runFileJob } from "../../src/merge/merge-job.ts";
import { RunFileWriter, readRows } from "../../src/merge/record-file.ts";
import { temporaryFolder } from "./harness.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

/** Range r goes into bundle r % bundles, with an orphan of an older lease before each. */
async function made(ranges: number, bundles: number, text: (range: number) => string) {
  const writers = [];
  const entries: BundleEntry[] = [];
  const runs = new RunFileWriter(join(folder.path, "runs"));
  const source = join(folder.path, "source");
  for (let i = 0; i < bundles; i++) {
    const writer = await createBundle(join(folder.path, `b${i}.zip`), { node: `n${i % 3}` });
    writers.push(writer);
    entries.push({ id: i + 1, uri: writer.uri, pilotId: `p${i}`, usable: true });
  }
  const note = { attempt: 2, wallSeconds: 1, cpuSeconds: 0.5, node: "" };
  for (let range = 0; range < ranges; range++) {
    const writer = writers[range % bundles]!;
    const lease = leaseIdOf(3, range + 1);
    writeFileSync(source, "orphan\n");
    await writer.append({ task: 7, range, lease: leaseIdOf(2, range + 1) }, note, "o", source);
    writeFileSync(source, text(range));
    await writer.append({ task: 7, range, lease }, note, "o", source);
    const bundle = (range % bundles) + 1;
    runs.add({ first: range, count: 1, state: 3, attempts: 2, lease, bundle, reason: 0 });
  }
  for (const writer of writers) await writer.close();
  runs.close();
  const job: FileJob = {
    type: "file",
    task: 7,
    merge: "concat",
    runs: join(folder.path, "runs"),
    rows: join(folder.path, "rows"),
    path: join(folder.path, "merged"),
    bundles: entries,
    eventsPerFile: Float64Array.of(ranges),
    eventsPerRange: 1,
    recordsPerEvent: null,
    extractTo: "",
    extension: "",
  };
  return job;
}

describe("a file job", () => {
  it("puts members of more bundles than it keeps open into order, whatever the slab", async () => {
    const job = await made(330, 150, (range) => `${range}\n`);
    const expected = Array.from({ length: 330 }, (_, range) => `${range}\n`).join("");
    for (const slab of [1, 7, 329, 330, 1000]) {
      const result = await runFileJob(job, slab);
      expect(result).toMatchObject({ ok: true, parts: 330, bytes: expected.length });
      expect(readFileSync(job.path, "utf8")).toBe(expected);
      expect([...readRows(job.rows)].length).toBe(330);
    }
    const first = readRows(job.rows).next().value!;
    expect(first).toMatchObject({ range: 0, bytes: 2, attempt: 2, node: "n0", fileName: "o" });
  });

  it("reads members of every size around its window", async () => {
    const sizes = [1, 100, 262_143, 262_144, 262_145, 3, 1_048_577, 5];
    const part = (range: number): string => String(range).repeat(sizes[range]!);
    const job = await made(sizes.length, 1, part);
    expect(await runFileJob(job)).toMatchObject({ ok: true });
    const expected = sizes.map((_, range) => part(range)).join("");
    expect(readFileSync(job.path, "utf8") === expected).toBe(true);
  });

  it("finds all that is wrong in one pass and writes nothing", async () => {
    const job = await made(12, 4, (range) => (range % 5 === 0 ? "{bad\n" : "1\n"));
    rmSync(pathOfUri(job.bundles[1]!.uri));
    const lost = { ...job.bundles[2]!, usable: false };
    const bundles = [job.bundles[0]!, job.bundles[1]!, lost, job.bundles[3]!];
    const result = await runFileJob({ ...job, merge: "jsonl", bundles }, 5);
    if (result.ok) throw new Error("expected findings");
    const found = result.findings.map((finding) =>
      finding.type === "bundle" ? `bundle ${finding.bundle}` : `range ${finding.range}`,
    );
    expect(found.sort()).toEqual(["bundle 2", "bundle 3", "range 0"]);
    expect(() => readFileSync(job.path)).toThrow("ENOENT");
    expect(() => readFileSync(`${job.path}.partial`)).toThrow("ENOENT");
  });
});
