/** Tasks of the simulator: a payload that nobody starts, over counts or files that nobody opens. */
import type { TaskFile, TaskSpec } from "../../src/task/index.ts";

export interface SimTerms {
  readonly attempts: number;
  readonly losses: number;
  readonly priority: number;
  readonly owner: string;
  /** Seconds a range takes, where a caller wants to note it; the engine is not told. */
  readonly cost?: number;
  /** Each range has a cost weight, which comes with the submit. */
  readonly weighted?: boolean;
}

const COUNT_FILE: TaskFile = {
  source: "",
  path: "",
  format: "count",
  variant: "",
  tree: "",
  events: 0,
  sizeBytes: -1,
  mtimeMs: -1,
  sha256: "",
  indexPath: "",
  header: [],
  footer: [],
  clusters: [],
  notes: [],
};

/** A task of `ranges` ranges by count; it can't be extended. */
export function countTask(name: string, ranges: number, terms: SimTerms) {
  const spec = specOf(name, terms, ranges, 1);
  return { spec, files: [{ ...COUNT_FILE, events: ranges }], ranges };
}

/** A task over files of so many events. */
export function fileTask(name: string, events: readonly number[], per: number, terms: SimTerms) {
  const ranges = events.reduce((sum, count) => sum + Math.ceil(count / per), 0);
  const files = events.map((count, index) => fileOf(name, count, index));
  return { spec: specOf(name, terms, null, per), files, ranges };
}

export function fileOf(task: string, events: number, index: number): TaskFile {
  const path = `/simulated/${task}.${index}.jsonl`;
  const is = { format: "jsonl", sizeBytes: 100 * events, mtimeMs: 1, sha256: `${index}` };
  return { ...COUNT_FILE, ...is, source: path, path, events };
}

function specOf(
  name: string,
  terms: SimTerms,
  count: number | null,
  eventsPerRange: number,
): TaskSpec {
  return {
    name,
    owner: terms.owner,
    taskDir: "/simulated",
    input: { files: [], format: "auto", tree: "", count },
    eventsPerRange,
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
    cost: { meanSeconds: null, cv: null, weights: terms.weighted ? "weights.txt" : null },
  };
}
