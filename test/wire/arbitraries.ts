/** fast-check arbitraries of every message, over the whole domain that the protocol allows. */
import fc from "fast-check";
import { leaseIdOf, type TaskId } from "../../src/base/index.ts";
import type {
  EngineMessage,
  FileInfo,
  GrantBody,
  Message,
  NodeResources,
  OffsetColumn,
  PilotMessage,
  Report,
  SlicePiece,
  SpanBlock,
  TaskInfo,
} from "../../src/wire/index.ts";

const U32 = 0xffff_ffff;
const SAFE = Number.MAX_SAFE_INTEGER;

/** Integers of all magnitudes: the borders between number forms are where mistakes live. */
export const unsigned = (max: number, min = 0): fc.Arbitrary<number> =>
  fc
    .oneof(
      fc.integer({ min: 0, max: 300 }),
      fc.constantFrom(127, 128, 255, 256, 65_535, 65_536, U32, U32 + 1, SAFE),
      fc.maxSafeNat(),
      fc.nat({ max: U32 }),
    )
    .map((value) => Math.min(Math.max(value, min), max));
const real: fc.Arbitrary<number> = fc.oneof(
  fc.constant(-1),
  unsigned(SAFE),
  fc.double({ min: 0, max: 1e12, noNaN: true }).map((value) => value + 0),
);
const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.integer({ min: 200, max: 300 }).map((length) => "ab".repeat(length)),
);
const reason = text.map((value) => value.slice(0, 500).toWellFormed());
const task = unsigned(U32, 1).map((value) => value as TaskId);

export const spanBlock: fc.Arbitrary<SpanBlock> = fc
  .record({
    task,
    epoch: unsigned(0x1f_ffff),
    base: unsigned(SAFE - 2 ** 33),
    spans: fc.array(
      fc.tuple(
        unsigned(U32),
        unsigned(65_535, 1),
        unsigned(255),
        unsigned(65_535),
        unsigned(U32, 1),
      ),
      { minLength: 1, maxLength: 40 },
    ),
  })
  .map(({ task, epoch, base, spans }) => ({
    task,
    size: spans.length,
    first: spans.map((span) => base + span[0]),
    count: spans.map((span) => span[1]),
    attempt: spans.map((span) => span[2]),
    grant: spans.map((span) => span[3]),
    lease: spans.map((span) => leaseIdOf(epoch, span[4])),
  }));
const blocks = fc.array(spanBlock, { maxLength: 4 });

const nodes: fc.Arbitrary<NodeResources[]> = fc.array(
  fc.record({
    name: text,
    cores: unsigned(U32),
    gpus: unsigned(U32),
    memoryMiB: unsigned(SAFE),
    slots: unsigned(U32),
  }),
  { maxLength: 20 },
);
const f32 = fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const cost = fc.record({ wallSum: f32, wallSquares: f32, wallMax: f32, cpuSum: f32 });
const report: fc.Arbitrary<Report> = fc
  .record({
    outcome: fc.constantFrom(0, 1, 2, 3, 4),
    spans: spanBlock,
    bundle: unsigned(U32),
    reason,
    cost,
    node: unsigned(65_535),
  })
  .map((value) => ({ ...value, bundle: value.outcome === 0 ? value.bundle : 0 }));
const fewRanges = (reports: readonly Report[]): boolean => {
  let ranges = 0;
  for (const { spans } of reports) {
    for (let i = 0; i < spans.size; i++) ranges += spans.count[i]!;
  }
  return ranges <= 1_048_576;
};

const taskInfo: fc.Arbitrary<TaskInfo> = fc.record({
  task,
  name: text,
  taskDir: text,
  eventsPerRange: unsigned(SAFE, 1),
  command: fc.array(text, { maxLength: 20 }),
  mode: fc.constantFrom("once", "stream"),
  channel: fc.constantFrom("stdio", "fd3"),
  cores: unsigned(U32),
  gpus: unsigned(U32),
  nodes: unsigned(U32),
  environment: fc.array(fc.tuple(text, text), { maxLength: 9 }).map((pairs) => pairs.flat()),
  passEnvironment: fc.array(text, { maxLength: 3 }),
  timeoutSeconds: real,
  outputName: text,
  allowEmpty: fc.boolean(),
  recordsPerEvent: fc.oneof(fc.constant(-1), unsigned(SAFE)),
  countRule: fc.record({ kind: fc.constantFrom(0, 1, 2), skip: unsigned(U32), prefix: text }),
});
const piece: fc.Arbitrary<SlicePiece> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.from(bytes)),
  fc.tuple(unsigned(SAFE), unsigned(SAFE)),
);
const fileInfo: fc.Arbitrary<FileInfo> = fc.record({
  task,
  file: unsigned(999_999),
  firstRange: unsigned(SAFE),
  ranges: unsigned(SAFE),
  events: unsigned(SAFE),
  path: text,
  tree: text,
  format: text,
  sizeBytes: fc.oneof(fc.constant(-1), unsigned(SAFE)),
  mtimeMs: real,
  seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
  header: fc.array(piece, { maxLength: 3 }),
  footer: fc.array(piece, { maxLength: 3 }),
});
const offsets: fc.Arbitrary<OffsetColumn> = fc.record({
  task,
  first: unsigned(SAFE - 1),
  offsets: fc
    .array(fc.tuple(unsigned(SAFE), unsigned(SAFE)), { maxLength: 20 })
    .map((pairs) => Float64Array.from(pairs.flatMap(([a, b]) => (a < b ? [a, b] : [b, a])))),
});
const grantBody: fc.Arbitrary<GrantBody> = fc.record({
  spans: blocks,
  tasks: fc.array(taskInfo, { maxLength: 2 }),
  files: fc.array(fileInfo, { maxLength: 3 }),
  offsets: fc.array(offsets, { maxLength: 3 }),
});

const hello: fc.Arbitrary<PilotMessage> = fc.record({
  type: fc.constant("hello"),
  version: fc.constant(1),
  role: fc.constant("pilot"),
  pilotId: text,
  generation: unsigned(U32),
  credential: text,
  software: text,
  queue: text,
  allocation: text,
  nodes,
  secondsLeft: real,
  held: blocks,
  want: unsigned(SAFE),
  freeSlots: unsigned(U32),
});
const exchange: fc.Arbitrary<PilotMessage> = fc.record({
  type: fc.constant("exchange"),
  sequence: unsigned(SAFE, 1),
  reports: fc.array(report, { maxLength: 5 }).filter(fewRanges),
  want: unsigned(SAFE),
  freeSlots: unsigned(U32),
  secondsLeft: real,
});
const drain = fc.record({
  type: fc.constant("drain" as const),
  reason: text,
  secondsLeft: real,
});
const bye = fc.record({ type: fc.constant("bye" as const), reason: text });

export const pilotMessage: fc.Arbitrary<PilotMessage> = fc.oneof(
  hello,
  exchange,
  exchange,
  fc.record({ type: fc.constant("started" as const), spans: blocks }),
  fc.record({
    type: fc.constant("heartbeat" as const),
    freeSlots: unsigned(U32),
    secondsLeft: real,
  }),
  fc.record({
    type: fc.constant("bundle" as const),
    number: unsigned(U32, 1),
    node: unsigned(65_535),
    uri: text,
  }),
  fc.record({ type: fc.constant("resources" as const), nodes, secondsLeft: real }),
  drain,
  bye,
);

export const engineMessage: fc.Arbitrary<EngineMessage> = fc.oneof(
  fc.record({
    type: fc.constant("welcome" as const),
    version: fc.constant(1),
    engineId: text,
    epoch: unsigned(0x1f_ffff),
    session: unsigned(U32),
    heartbeatMs: unsigned(U32),
    leaseTermMs: unsigned(U32),
    frameBytesMax: unsigned(4 * 1024 * 1024),
    refused: blocks,
    grant: grantBody,
  }),
  fc
    .tuple(unsigned(SAFE), grantBody)
    .map(([sequence, body]) => ({ type: "grant" as const, sequence, ...body })),
  fc.record({
    type: fc.constant("verdicts" as const),
    sequence: unsigned(SAFE, 1),
    runs: fc
      .array(fc.tuple(unsigned(1_048_576, 1), fc.constantFrom(0, 1, 2, 3, 4)), { maxLength: 40 })
      .map((pairs) => pairs.flat()),
  }),
  fc.record({ type: fc.constant("pulse" as const) }),
  fc.record({ type: fc.constant("recall" as const), spans: blocks, stop: fc.boolean() }),
  fc.record({ type: fc.constant("fault" as const), code: text, message: text }),
  drain,
  bye,
);

export type Sided = { readonly from: "pilot" | "engine"; readonly message: Message };
export const sided: fc.Arbitrary<Sided> = fc.oneof(
  pilotMessage.map((message) => ({ from: "pilot" as const, message })),
  engineMessage.map((message) => ({ from: "engine" as const, message })),
);
