/** Rows as the broker writes them, with every field set to something. */
import type { FileRow, TaskRow } from "../../src/store/index.ts";

export function exampleTaskRow(values: Partial<TaskRow> = {}): TaskRow {
  const ranges = values.ranges ?? 100;
  return {
    id: 1,
    spec: {
      name: "dimuon",
      owner: "ada",
      taskDir: "/data/task",
      input: { files: ["/data/a.csv", "/data/b.csv"], format: "csv", tree: "", count: null },
      eventsPerRange: 10,
      payload: {
        command: ["node", "{file}"],
        mode: "once",
        channel: "stdio",
        cores: 1,
        environment: { A: "ü" },
        passEnvironment: ["B"],
        timeoutSeconds: 1.5,
      },
      output: {
        name: "out.jsonl",
        merge: "jsonl",
        command: [],
        eventsPerFile: 0,
        recordsPerEvent: null,
        allowEmpty: false,
        results: "/data/out",
      },
      attempts: 3,
      losses: 5,
      allowPartial: false,
      priority: -2,
      seed: Number.MAX_SAFE_INTEGER,
      cost: { meanSeconds: 0.25, cv: null, weights: null },
    },
    contentHash: "ab".repeat(32),
    ranges,
    events: ranges * 10,
    files: 2,
    phase: "open",
    mergedBelow: 0,
    outputs: [
      { path: "/data/out/out.jsonl", bytes: 2 ** 40, sha256: "cd", firstRange: 0, ranges: 7 },
    ],
    manifest: "",
    createdWallMs: 1_760_000_000_123,
    finishedWallMs: 0,
    problem: "",
    ...values,
  };
}

/** File `file` of a task whose ranges are divided evenly among its files. */
export function exampleFileRow(task: TaskRow, file: number): FileRow {
  const ranges = task.ranges / task.files;
  return {
    task: task.id,
    file,
    firstRange: file * ranges,
    ranges,
    source: `/data/${file}.csv.gz`,
    path: `/scratch/${file}.csv`,
    format: "csv",
    variant: "",
    tree: "",
    events: ranges * 10,
    sizeBytes: 2 ** 41,
    mtimeMs: 1_760_000_000_123.456,
    sha256: "ef".repeat(32),
    indexPath: `/scratch/${file}.index`,
    header: [Uint8Array.of(1, 2, 3), [0, 77]],
    footer: [[900, 950]],
    clusters: [0, 500, 1000],
    notes: ["a note"],
  };
}
