/** The messages of messages.json: every type, every span form, the edges of every number form. */
import { leaseIdOf, type TaskId } from "../../src/base/index.ts";
import {
  COUNT_RULE,
  type FileInfo,
  type GrantBody,
  type Message,
  OUTCOME,
  type Report,
  type SpanBlock,
  SpanBlockBuilder,
  singleSpan,
  type TaskInfo,
  VERDICT,
} from "../../src/wire/index.ts";

export interface MessageVector {
  readonly name: string;
  readonly from: "pilot" | "engine";
  readonly message: Message;
}

const task = (id: number): TaskId => id as TaskId;
const EPOCH_MAX = 0x1f_ffff;
const U32 = 0xffff_ffff;
const SAFE = Number.MAX_SAFE_INTEGER;

/** `size` spans with a little of everything: gaps, falling order, all widths of values. */
function spread(size: number, epoch = 3): SpanBlock {
  const builder = new SpanBlockBuilder(task(7));
  for (let i = 0; i < size; i++) {
    const first = i % 3 === 0 ? 5_000_000_000 - i : 5_000_000_000 + 17 * i;
    builder.add(
      first,
      1 + ((i * 37) % 65_535),
      i % 256,
      (i * 911) % 65_536,
      leaseIdOf(epoch, 1 + i),
    );
  }
  return builder.build()[0]!;
}

const smallest = singleSpan(task(1), 0, 1, 0, 0, leaseIdOf(0, 1));
const largest = singleSpan(
  task(U32),
  SAFE - 65_535,
  65_535,
  255,
  65_535,
  leaseIdOf(EPOCH_MAX, U32),
);
const typical = singleSpan(task(12), 1_234_567, 256, 1, 1, leaseIdOf(41, 1_000_000));

/** Firsts 2^32-1 apart, and ends at 2^53-1: the widest columns there are. */
function widest(): SpanBlock {
  const builder = new SpanBlockBuilder(task(U32));
  const base = SAFE - U32 - 1;
  for (const [i, offset] of [0, 1, 255, 65_536, U32].entries()) {
    builder.add(
      base + offset,
      1,
      [0, 1, 254, 255, 127][i]!,
      65_535 - i,
      leaseIdOf(EPOCH_MAX, U32 - i),
    );
  }
  return builder.build()[0]!;
}

const noCost = { wallSum: 0, wallSquares: 0, wallMax: 0, cpuSum: 0 };

function report(outcome: Report["outcome"], spans: SpanBlock, more: Partial<Report> = {}): Report {
  return { outcome, spans, bundle: 0, reason: "", cost: noCost, node: 0, ...more };
}

const emptyGrant: GrantBody = { spans: [], tasks: [], files: [], offsets: [] };

const taskInfo: TaskInfo = {
  task: task(12),
  name: "dimuon",
  taskDir: "/home/ada/analysis",
  eventsPerRange: 10,
  command: ["node", "{taskdir}/analyse.ts", "{file}", "{skip}", "{count}", "{output}"],
  mode: "once",
  channel: "stdio",
  cores: 1,
  gpus: 0,
  nodes: 1,
  environment: ["LANG", "C", "TITLE", "Z → μμ"],
  passEnvironment: ["LD_LIBRARY_PATH"],
  timeoutSeconds: 0,
  outputName: "dimuon.jsonl",
  allowEmpty: false,
  recordsPerEvent: -1,
  countRule: { kind: COUNT_RULE.lines, skip: 1, prefix: "" },
};

const edgeTask: TaskInfo = {
  ...taskInfo,
  task: task(U32),
  name: "",
  taskDir: "",
  eventsPerRange: SAFE,
  command: [":null"],
  mode: "stream",
  channel: "fd3",
  cores: U32,
  gpus: 128,
  nodes: 65_536,
  environment: [],
  passEnvironment: [],
  timeoutSeconds: 0.25,
  allowEmpty: true,
  recordsPerEvent: 3,
  countRule: { kind: COUNT_RULE.linePrefix, skip: 0, prefix: "E " },
};

const fileInfo: FileInfo = {
  task: task(12),
  file: 0,
  firstRange: 1_000_000,
  ranges: 500_000,
  events: 5_000_000,
  path: "/data/zmumu.hepmc",
  tree: "",
  format: "hepmc",
  sizeBytes: 9_500_000_000,
  mtimeMs: 1_700_000_000_123.5,
  seed: "18446744073709551615",
  header: [new Uint8Array(Buffer.from("HepMC::Version 3.2\n")), [0, 120]],
  footer: [[9_499_999_000, 1000], new Uint8Array(Buffer.from("\nend\n"))],
};

const countFile: FileInfo = {
  ...fileInfo,
  file: 999_999,
  firstRange: 0,
  path: "",
  format: "count",
  tree: "Events",
  sizeBytes: -1,
  mtimeMs: -1,
  seed: "0",
  header: [],
  footer: [],
};

const nodes = [
  { name: "node-001", cores: 128, gpus: 4, memoryMiB: 515_000, slots: 128 },
  { name: "node-002", cores: 128, gpus: 4, memoryMiB: 5_000_000_000, slots: 0 },
];

function helloAndWelcome(): MessageVector[] {
  const hello = {
    type: "hello",
    version: 1,
    role: "pilot",
    pilotId: "b1946ac9",
    generation: 0,
    credential: "",
    software: "jumbo 0.1.0",
    queue: "",
    allocation: "",
    nodes: [],
    secondsLeft: -1,
    held: [],
    want: 0,
    freeSlots: 0,
  } as const;
  const welcome = {
    type: "welcome",
    version: 1,
    engineId: "e-77",
    epoch: 41,
    session: 1,
    heartbeatMs: 5000,
    leaseTermMs: 30_000,
    frameBytesMax: 4_194_304,
    refused: [],
    grant: emptyGrant,
  } as const;
  return [
    { name: "hello, least", from: "pilot", message: hello },
    {
      name: "hello after a takeover, with held spans in all forms",
      from: "pilot",
      message: {
        ...hello,
        generation: 2,
        credential: "k".repeat(64),
        queue: "long",
        allocation: "slurm.8841.0",
        nodes,
        secondsLeft: 3599.5,
        held: [typical, spread(2), spread(4), spread(5), widest()],
        want: SAFE,
        freeSlots: U32,
      },
    },
    { name: "welcome, least", from: "engine", message: welcome },
    {
      name: "welcome with refused spans and the first grant",
      from: "engine",
      message: {
        ...welcome,
        epoch: EPOCH_MAX,
        refused: [smallest, largest],
        grant: { spans: [typical], tasks: [taskInfo], files: [fileInfo], offsets: [] },
      },
    },
  ];
}

function spanForms(): MessageVector[] {
  const blocks: [string, SpanBlock][] = [
    ["run, smallest values", smallest],
    ["run, largest values", largest],
    ["run, typical", typical],
    ["tuples, 2 spans", spread(2)],
    ["tuples, 3 spans", spread(3)],
    ["tuples, 4 spans", spread(4)],
    ["columns, 5 spans", spread(5)],
    ["columns, 19 spans (bin8 to 76 bytes)", spread(19)],
    ["columns, 64 spans (bin16 begins)", spread(64)],
    ["columns, 256 spans", spread(256, EPOCH_MAX)],
    ["columns, widest offsets", widest()],
  ];
  return blocks.map(([name, block]) => ({
    name: `started: ${name}`,
    from: "pilot",
    message: { type: "started", spans: [block] },
  }));
}

function work(): MessageVector[] {
  const cost = { wallSum: 12.5, wallSquares: 40.25, wallMax: 3.5, cpuSum: Math.fround(12.1) };
  const hugeCost = { wallSum: Math.fround(3.4e38), wallSquares: 2 ** -149, wallMax: 1, cpuSum: 0 };
  return [
    {
      name: "exchange, empty",
      from: "pilot",
      message: {
        type: "exchange",
        sequence: 1,
        reports: [],
        want: 0,
        freeSlots: 0,
        secondsLeft: -1,
      },
    },
    {
      name: "exchange with every outcome",
      from: "pilot",
      message: {
        type: "exchange",
        sequence: 2 ** 32,
        reports: [
          report(OUTCOME.done, typical, { bundle: 3, cost, node: 1 }),
          report(OUTCOME.failed, spread(2), {
            reason: "exit code 1: no such branch",
            cost: hugeCost,
          }),
          report(OUTCOME.fatal, smallest, { reason: "é".repeat(500) }),
          report(OUTCOME.returned, spread(5)),
          report(OUTCOME.lost, largest, { reason: "node-002 vanished", node: 65_535 }),
        ],
        want: 256,
        freeSlots: 128,
        secondsLeft: 0,
      },
    },
    {
      name: "number forms at their borders",
      from: "pilot",
      message: {
        type: "exchange",
        sequence: SAFE,
        reports: [],
        want: 2 ** 32,
        freeSlots: U32,
        secondsLeft: 2 ** 32,
      },
    },
    ...[127, 128, 255, 256, 65_535, 65_536, U32, 0.5, 1e300, SAFE].map((secondsLeft) => ({
      name: `heartbeat, secondsLeft ${secondsLeft}`,
      from: "pilot" as const,
      message: { type: "heartbeat", freeSlots: 1, secondsLeft } as const,
    })),
    {
      name: "verdicts, none",
      from: "engine",
      message: { type: "verdicts", sequence: 1, runs: [] },
    },
    {
      name: "verdicts, all kinds",
      from: "engine",
      message: {
        type: "verdicts",
        sequence: 12,
        runs: [
          ...[256, VERDICT.accepted, 1, VERDICT.duplicate, 2, VERDICT.stale],
          ...[127, VERDICT.closed, 1_048_576, VERDICT.unknown],
        ],
      },
    },
    {
      name: "verdicts, 16 items (array16)",
      from: "engine",
      message: {
        type: "verdicts",
        sequence: 13,
        runs: Array.from({ length: 16 }, (_, i) => 1 + (i % 2)),
      },
    },
    { name: "started, nothing", from: "pilot", message: { type: "started", spans: [] } },
    {
      name: "bundle",
      from: "pilot",
      message: { type: "bundle", number: 1, node: 0, uri: "file:///scratch/b/node-001.1.zip" },
    },
    {
      name: "recall, politely",
      from: "engine",
      message: { type: "recall", spans: [typical], stop: false },
    },
    {
      name: "recall and stop",
      from: "engine",
      message: { type: "recall", spans: [spread(5), spread(3)], stop: true },
    },
  ];
}

function grants(): MessageVector[] {
  return [
    {
      name: "grant, empty and pushed",
      from: "engine",
      message: { type: "grant", sequence: 0, ...emptyGrant },
    },
    {
      name: "grant of one contiguous span",
      from: "engine",
      message: { type: "grant", sequence: 9, ...emptyGrant, spans: [typical] },
    },
    {
      name: "grant with tasks, files and offsets",
      from: "engine",
      message: {
        type: "grant",
        sequence: 10,
        spans: [typical, spread(5)],
        tasks: [taskInfo, edgeTask],
        files: [fileInfo, countFile],
        offsets: [
          { task: task(12), first: 1_234_567, offsets: Float64Array.of(0, 95_310, 95_310, SAFE) },
          { task: task(12), first: 5_000_000_000, offsets: new Float64Array(0) },
        ],
      },
    },
  ];
}

function endings(): MessageVector[] {
  return [
    { name: "pulse", from: "engine", message: { type: "pulse" } },
    {
      name: "drain by the engine",
      from: "engine",
      message: { type: "drain", reason: "node goes into maintenance", secondsLeft: 120 },
    },
    {
      name: "drain by the pilot",
      from: "pilot",
      message: { type: "drain", reason: "SIGTERM", secondsLeft: -1 },
    },
    { name: "bye by the pilot", from: "pilot", message: { type: "bye", reason: "" } },
    {
      name: "bye by the engine",
      from: "engine",
      message: { type: "bye", reason: "the task is done" },
    },
    {
      name: "fault",
      from: "engine",
      message: {
        type: "fault",
        code: "unauthorized",
        message: "the pilot's credential is not known here",
      },
    },
    {
      name: "resources",
      from: "pilot",
      message: { type: "resources", nodes, secondsLeft: 86_400 },
    },
    {
      name: "resources, all nodes gone",
      from: "pilot",
      message: { type: "resources", nodes: [], secondsLeft: 1 },
    },
    ...[31, 32, 255, 256, 65_536].map((length) => ({
      name: `bye with a reason of ${length} bytes`,
      from: "pilot" as const,
      message: { type: "bye", reason: "x".repeat(length) } as const,
    })),
    {
      name: "bye with text of 2, 3 and 4 byte characters, NUL and a byte order mark",
      from: "pilot",
      message: { type: "bye", reason: "\ufeffé€😀\u0000" },
    },
  ];
}

export const MESSAGE_VECTORS: readonly MessageVector[] = [
  ...helloAndWelcome(),
  ...spanForms(),
  ...work(),
  ...grants(),
  ...endings(),
];
