/**
 * The package that `npm run build` makes, where nothing of the clone is: only the libraries that its
 * manifest names lie beside it. Threads, formats and local pilots are run once from there.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { references, sharedData } from "../helpers/shared-data.ts";
import { expectCode, node, payload, repository, useBench, writeTask } from "./support/bench.ts";
import { documentOf, expectFinal } from "./support/documents.ts";

interface Manifest {
  readonly bin: { readonly jumbo: string };
  readonly dependencies: Readonly<Record<string, string>>;
}

const bench = useBench();
let home = "";

beforeAll(() => {
  home = join(bench.place(), "jumbo-engine");
  const rolldown = join(repository, "node_modules/rolldown/bin/cli.mjs");
  const args = [rolldown, "-c", "rolldown.config.ts", "--dir", join(home, "lib/cli")];
  execFileSync(node, args, { cwd: repository, stdio: ["ignore", "ignore", "inherit"] });
  const manifest = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as Manifest;
  mkdirSync(join(home, "node_modules"));
  for (const library of Object.keys(manifest.dependencies)) {
    symlinkSync(join(repository, "node_modules", library), join(home, "node_modules", library));
  }
  bench.program = join(home, manifest.bin.jumbo);
}, 60_000);

describe("the built package", () => {
  it("says its version, and that the bench is elsewhere", async () => {
    const version = await bench.jumbo(["--version"]);
    const { version: due } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
      version: string;
    };
    expect(version.stdout.trim()).toBe(due);
    const heart = await bench.jumbo(["bench", "--quick"]);
    expect(heart.stderr).toContain("comes with the source");
    expect(heart.code).not.toBe(0);
  });

  it("has all that its files ask for: each one that is loaded on demand can be loaded", () => {
    const programs = join(home, "lib/cli");
    const entries = new Set(["main.js", "core-worker.js", "merge-worker.js", "scan-worker.js"]);
    const chunks = readdirSync(programs).filter((name) => /\.js$/.test(name) && !entries.has(name));
    expect(chunks.length).toBeGreaterThan(10);
    const urls = chunks.map((name) => pathToFileURL(join(programs, name)).href);
    const script = `for (const url of ${JSON.stringify(urls)}) await import(url); console.log("all")`;
    const args = ["--input-type=module", "-e", script];
    expect(execFileSync(node, args, { encoding: "utf8" })).toBe("all\n");
  }, 60_000);

  it("runs a task in pilots of their own, again after a kill", async () => {
    const folder = bench.place();
    const task = writeTask(folder, {
      name: "count",
      input: { count: 400 },
      payload: { command: ["sh", "-c", "sleep 0.01; echo 1 > {output}"] },
      output: { name: "ones.txt", merge: "concat" },
    });
    const args = ["run", task, "--store", join(folder, "books"), "--results", folder];
    const child = bench.start([...args, "--slots", "2", "--output", "json"]);
    await new Promise((wake) => setTimeout(wake, 1_500));
    await child.kill9();
    const finished = await bench.jumbo([...args, "--slots", "2", "--output", "json"]);
    expectCode(finished, 0);
    expectFinal(documentOf(finished), 400);
    expect(readFileSync(join(folder, "ones.txt"), "utf8")).toBe("1\n".repeat(400));
  }, 60_000);

  it.skipIf(sharedData === undefined)(
    "reads and merges files of every format",
    async () => {
      const smallest = new Map<string, { name: string; events: number }>();
      for (const [name, { events }] of Object.entries(references())) {
        const ending = name.replace(/.*?\.([a-z0-9]+(\.(gz|bz2|xz|zst))?)$/, "$1");
        const before = smallest.get(ending);
        if (!before || events < before.events) smallest.set(ending, { name, events });
      }
      const files = [...smallest.values()];
      expect(files.length).toBeGreaterThan(3);
      const folder = bench.place();
      const task = writeTask(folder, {
        name: "every-format",
        input: { files: files.map(({ name }) => join(sharedData ?? "", name)) },
        eventsPerRange: 500,
        payload: { mode: "stream", command: [node, payload("event-lines.ts"), "stream"] },
        output: { name: "events.jsonl", merge: "jsonl", recordsPerEvent: 1 },
      });
      const args = ["run", task, "--slots", "2", "--results", folder, "--output", "json"];
      const finished = await bench.jumbo(args, { timeoutMs: 120_000 });
      expectCode(finished, 0);
      const lines = readFileSync(join(folder, "events.jsonl"), "utf8").trimEnd().split("\n");
      expect(lines.length).toBe(files.reduce((sum, { events }) => sum + events, 0));
    },
    150_000,
  );
});
