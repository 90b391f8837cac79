/** Tasks of the simulator: counts with a null-like payload, so that no file is needed. */
import type { TaskFile, TaskSpec } from "../../src/task/index.ts";

export function countTask(
  name: string,
  ranges: number,
  terms: { attempts: number; losses: number; priority: number; owner: string; cost: number },
): { spec: TaskSpec; files: TaskFile[] } {
  const spec: TaskSpec = {
    name,
    owner: terms.owner,
    taskDir: "/simulated",
    input: { files: [], format: "auto", tree: "", count: ranges },
    eventsPerRange: 1,
    payload: {
      command: ["simulated"],
      mode: "once",
      channel: "stdio",
      cores: 1,
      environment: {},
      passEnvironment: [],
      timeoutSeconds: 0,
    },
    output: {
      name: `${name}.jsonl`,
      merge: "jsonl",
      command: [],
      eventsPerFile: 0,
      recordsPerEvent: null,
      allowEmpty: false,
      results: "/simulated",
    },
    attempts: terms.attempts,
    losses: terms.losses,
    allowPartial: false,
    priority: terms.priority,
    seed: 0,
    cost: { meanSeconds: null, cv: null, weights: null },
  };
  const file: TaskFile = {
    source: "",
    path: "",
    format: "count",
    variant: "",
    tree: "",
    events: ranges,
    sizeBytes: -1,
    mtimeMs: -1,
    sha256: "",
    indexPath: "",
    header: [],
    footer: [],
    clusters: [],
    notes: [],
  };
  return { spec, files: [file] };
}
