/** Scans files the way a task does, in this thread, with a scratch folder of the test's own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scanTask } from "../../src/scan/index.ts";
import type { InputFormatName, TaskFile, TaskSpec } from "../../src/task/index.ts";

export class Workbench {
  readonly folder: string = mkdtempSync(join(tmpdir(), "jumbo-formats-"));
  readonly scratch: string = join(this.folder, "scratch");

  /** Writes a file and returns its path. */
  file(name: string, content: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  scanAll(
    files: readonly string[],
    format: InputFormatName = "auto",
    tree = "",
  ): Promise<TaskFile[]> {
    return scanTask(specOf({ files, format, tree, count: null }), { scratch: this.scratch });
  }

  async scan(path: string, format: InputFormatName = "auto", tree = ""): Promise<TaskFile> {
    const [file] = await this.scanAll([path], format, tree);
    return file as TaskFile;
  }

  /** Scans text under a name. */
  scanText(name: string, content: string | Uint8Array, format: InputFormatName = "auto") {
    return this.scan(this.file(name, content), format);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A task around an input; scanning reads nothing else of it. */
export function specOf(input: TaskSpec["input"]): TaskSpec {
  return {
    name: "scan",
    owner: "",
    taskDir: "/",
    input,
    eventsPerRange: 1,
    payload: {
      command: [":null"],
      mode: "once",
      channel: "stdio",
      cores: 1,
      environment: {},
      passEnvironment: [],
      timeoutSeconds: 0,
    },
    output: {
      name: "out.jsonl",
      merge: "jsonl",
      command: [],
      eventsPerFile: 0,
      recordsPerEvent: null,
      allowEmpty: false,
      results: "/",
    },
    attempts: 3,
    losses: 5,
    allowPartial: false,
    priority: 0,
    seed: 0,
    cost: { meanSeconds: null, cv: null, weights: null },
  };
}
