/**
 * The task file as JSON Schema: the one place that knows its keys, types, limits and defaults.
 * Validation, the OpenAPI document and a test of docs/reference/task-file.md read it.
 *
 * Besides the standard keywords, a schema carries two of ours, from which error messages are made
 * after the grammar *problem (why it is one) what would be right*:
 *
 *   x-why     why a value outside the limits is wrong
 *   x-right   what would be right, as an order to the reader
 *
 * Rules that span several keys are in check.ts, since their errors need words of their own.
 */
import { ATTEMPTS_MAX, FILES_PER_TASK_MAX, LOSSES_MAX } from "../base/index.ts";

export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema;
  readonly [keyword: string]: unknown;
}

const SAFE_MAX = Number.MAX_SAFE_INTEGER;
/** Timers of Node hold 2^31 ms. */
export const TIMEOUT_SECONDS_MAX = 2_000_000;
export const CORES_MAX = 65_536;
export const PRIORITY_MAX = 1_000_000;
/** argv of one payload; far above any real one, far below what exec takes. */
export const ARGUMENTS_MAX = 4_096;

function whole(minimum: number, maximum: number, description: string, rest: object): JsonSchema {
  const right = `write a whole number from ${minimum} to ${maximum}`;
  return { type: "integer", minimum, maximum, description, "x-right": right, ...rest };
}

function oneOf(names: readonly string[], description: string, initial: string): JsonSchema {
  const right = `choose one of ${names.join(", ")}`;
  return { type: "string", enum: names, description, default: initial, "x-right": right };
}

function flag(description: string): JsonSchema {
  return { type: "boolean", description, default: false, "x-right": "write true or false" };
}

function text(description: string, rest: object = {}): JsonSchema {
  return { type: "string", description, "x-right": "write a text", ...rest };
}

function closed(
  properties: Record<string, JsonSchema>,
  required: readonly string[],
  description: string,
  rest: object = {},
): JsonSchema {
  const right = `write keys below it: ${Object.keys(properties).join(", ")}`;
  const head = { type: "object", description, additionalProperties: false, "x-right": right };
  return { ...head, properties, ...(required.length > 0 ? { required } : {}), ...rest };
}

const VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$";
const VARIABLE_RULE = {
  "x-why": "names of environment variables have letters, digits and _ and begin with no digit",
  "x-right": "write a name like OMP_NUM_THREADS",
};

function argv(description: string, rest: object): JsonSchema {
  const item = text("One argument; {placeholders} fill all or parts of it.");
  return {
    type: "array",
    items: { ...item, "x-right": "write a text; put numbers in quotes" },
    maxItems: ARGUMENTS_MAX,
    description,
    "x-right": `write a list of texts, like ["node", "analyse.ts", "{output}"]`,
    ...rest,
  };
}

const INPUT = closed(
  {
    files: {
      type: "array",
      items: text("A path or a glob, relative to the task file.", { minLength: 1 }),
      minItems: 1,
      maxItems: FILES_PER_TASK_MAX,
      description: "Paths or globs, relative to the task file; either this or count.",
      "x-why": "a task needs at least one file and may have a million",
      "x-right": `write a list of paths or globs, like ["data/*.root"]`,
    },
    format: oneOf(
      ["auto", "root", "hepmc", "lhe", "csv", "jsonl", "parquet", "arrow"],
      "Format of all the files; auto recognises each by name and content.",
      "auto",
    ),
    tree: text("ROOT: the tree to read; needed where a file holds several.", {
      default: "",
      maxLength: 1024,
    }),
    count: whole(1, SAFE_MAX, "N events without files, numbered 0 .. N-1; instead of files.", {
      "x-why": "events are counted exactly, at least one and below 2^53",
    }),
  },
  [],
  "What is processed: files of events, or a plain count of events.",
);

const PAYLOAD = closed(
  {
    command: argv("The program and its arguments (argv, never a shell line).", {
      minItems: 1,
      "x-why": "a payload needs a program",
    }),
    mode: oneOf(
      ["once", "stream"],
      "once: one process per range; stream: one long-lived process per slot.",
      "once",
    ),
    channel: oneOf(
      ["stdio", "fd3"],
      "stream: stdio, or fd3 (reads fd 3, writes fd 4) for programs that print.",
      "stdio",
    ),
    cores: whole(1, CORES_MAX, "Cores of one slot.", { default: 1 }),
    environment: {
      type: "object",
      additionalProperties: text("Value; numbers in quotes.", {
        "x-right": "write a text; put numbers in quotes",
      }),
      propertyNames: { type: "string", pattern: VARIABLE, ...VARIABLE_RULE },
      maxProperties: ARGUMENTS_MAX,
      default: {},
      description: "Environment variables to set, besides PATH, HOME, LANG and TMPDIR.",
      "x-right": "write names with values, like {OMP_NUM_THREADS: '1'}",
    },
    passEnvironment: {
      type: "array",
      items: { type: "string", pattern: VARIABLE, ...VARIABLE_RULE },
      maxItems: ARGUMENTS_MAX,
      default: [],
      description: "Names of variables handed on from the pilot's own environment.",
      "x-right": "write a list of names, like [X509_USER_PROXY]",
    },
    timeoutSeconds: {
      type: "number",
      minimum: 0,
      maximum: TIMEOUT_SECONDS_MAX,
      default: 0,
      description: "Longest time one range may take; 0: no limit.",
      "x-right": `write seconds from 0 (no limit) to ${TIMEOUT_SECONDS_MAX}`,
    },
  },
  ["command"],
  "What processes a range.",
);

const OUTPUT = closed(
  {
    name: text("File name of the merged output, in the results folder.", {
      pattern: "^[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}$",
      "x-why": "it is a plain file name: letters, digits and . _ + -, at most 200, no slash",
      "x-right": "write a name like dimuon.jsonl; choose the folder with --results",
    }),
    merge: oneOf(
      ["jsonl", "csv", "concat", "hepmc", "lhe", "arrow", "parquet", "zip", "command"],
      "How the ranges' outputs become one file.",
      "jsonl",
    ),
    command: argv(
      "merge: command — argv with {inputs}, a file listing them in order, and {output}.",
      {
        default: [],
      },
    ),
    eventsPerFile: whole(
      0,
      SAFE_MAX,
      "0: one file; else cut at the first range boundary after it.",
      {
        default: 0,
      },
    ),
    recordsPerEvent: {
      type: ["integer", "null"],
      minimum: 0,
      maximum: 0xffff_ffff,
      default: null,
      description: "Records each event must give, checked on what came back; null: not checked.",
      "x-right": "write a whole number from 0 to 4294967295, or null",
    },
    allowEmpty: flag("Whether an empty output of a range is a success."),
  },
  ["name"],
  "What comes out.",
);

const COST = closed(
  {
    meanSeconds: {
      type: ["number", "null"],
      exclusiveMinimum: 0,
      default: null,
      description: "Mean seconds one event takes; null: measured.",
      "x-why": "an event takes some time",
      "x-right": "write seconds above 0, or null",
    },
    cv: {
      type: ["number", "null"],
      minimum: 0,
      default: null,
      description: "Standard deviation over mean of those seconds; null: measured.",
      "x-right": "write a number from 0 up, or null",
    },
    weights: {
      type: ["string", "null"],
      minLength: 1,
      default: null,
      description: "A column of the input, or a file with one number an event; null: none.",
      "x-right": "write a column's name, a path, or null",
    },
  },
  [],
  "Hints on what events cost; they change the order and size of grants, never results.",
  { default: {} },
);

/** The schema of a task object; nothing outside of it is accepted. */
export const TASK_SCHEMA: JsonSchema = closed(
  {
    name: text("Name of the task, unique in a store.", {
      pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
      "x-why":
        "names become parts of paths: 1 to 128 letters, digits, dots, _ and -, a letter or " +
        "digit first",
      "x-right": "write a name like dimuon-2026.1",
    }),
    owner: text("Who the task belongs to; empty: the owner of the token.", {
      default: "",
      pattern: "^([A-Za-z0-9][A-Za-z0-9._@-]{0,127})?$",
      "x-why": "owners are 1 to 128 letters, digits, dots, _, @ and -",
      "x-right": "leave it out to be the token's owner",
    }),
    input: INPUT,
    eventsPerRange: whole(1, SAFE_MAX, "Events of one file that are run and kept together.", {
      default: 1,
      "x-why": "a range holds at least one event and is counted exactly",
    }),
    payload: PAYLOAD,
    output: OUTPUT,
    attempts: whole(1, ATTEMPTS_MAX, "Starts of a range that end badly until it has failed.", {
      default: 3,
    }),
    losses: whole(1, LOSSES_MAX, "Starts whose pilot vanished until the range has failed.", {
      default: 5,
    }),
    allowPartial: flag("Whether the task is a success although some ranges failed."),
    priority: whole(-PRIORITY_MAX, PRIORITY_MAX, "Higher goes first.", { default: 0 }),
    seed: whole(0, SAFE_MAX, "Seed of the whole task, from which every file's seed is derived.", {
      default: 0,
    }),
    cost: COST,
  },
  ["name", "input", "payload", "output"],
  "A task: events, a program, and what becomes of its outputs.",
);
