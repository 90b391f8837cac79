/**
 * A small engine for tests of pilots: it speaks the real protocol over a unix socket, keeps every
 * message, grants what it was told to up to the pilot's want, and answers reports by a rule that a
 * test may replace. It is not the broker: it has no ledger and believes its script.
 */
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import {
  type AccessFile,
  FRAME_BYTES_MAX,
  type LeaseId,
  leaseIdOf,
  type TaskId,
} from "../../src/base/index.ts";
import { openBundle } from "../../src/bundle/index.ts";
import {
  decodePayload,
  type EngineMessage,
  type Exchange,
  encodeFrame,
  type FileInfo,
  FrameSplitter,
  forEachSpan,
  type GrantBody,
  type OffsetColumn,
  OUTCOME,
  type Outcome,
  type PilotMessage,
  type SpanBlock,
  singleSpan,
  type TaskInfo,
  VERDICT,
  type Verdict,
  VerdictRuns,
} from "../../src/wire/index.ts";

export interface ReportedRange {
  readonly task: TaskId;
  readonly range: number;
  readonly lease: LeaseId;
  readonly attempt: number;
  readonly outcome: Outcome;
  readonly reason: string;
  readonly bundle: number;
}

export class ScriptedEngine {
  readonly access: AccessFile;
  readonly received: PilotMessage[] = [];
  readonly reports: ReportedRange[] = [];
  readonly tasks = new Map<TaskId, TaskInfo>();
  readonly files: FileInfo[] = [];
  readonly offsets: OffsetColumn[] = [];
  /** URIs by the pilot's bundle number. */
  readonly bundles = new Map<number, string>();
  /** Spans that wait for a want. */
  readonly queue: SpanBlock[] = [];
  heartbeatMs = 200;
  leaseTermMs = 30_000;
  /** Spans of the next hello that the next welcome refuses. */
  refuse: (held: readonly SpanBlock[]) => SpanBlock[] = () => [];
  verdict: (report: ReportedRange) => Verdict = () => VERDICT.accepted;
  answersExchanges = true;
  answersHeartbeats = true;
  greets: (socket: Socket) => boolean = () => true;
  sessions = 0;
  #server: Server | null = null;
  #socket: Socket | null = null;
  readonly #sockets = new Set<Socket>();
  #parked = 0;
  #lease = 0;
  #told = new Set<string>();
  #waiters: (() => void)[] = [];
  readonly #path: string;

  constructor(folder: string) {
    this.#path = join(folder, "engine.sock");
    this.access = {
      schema: "access/1",
      engineId: "scripted",
      pid: process.pid,
      http: "",
      pilots: [`unix:${this.#path}`],
      token: "",
      pilotKey: "00ff",
    };
  }

  async listen(): Promise<void> {
    this.#server = createServer((socket) => this.serve(socket));
    await new Promise<void>((done) => this.#server?.listen(this.#path, done));
  }

  /** Closes listener and connection, as an engine that was killed. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#socket = null;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== null) await new Promise<void>((done) => server.close(() => done()));
  }

  cut(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    if (!this.greets(socket)) return;
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      for (const payload of splitter.push(chunk)) {
        const message = decodePayload(payload, "pilot") as PilotMessage;
        this.received.push(message);
        this.#onMessage(message);
        this.#wake();
      }
    });
  }

  send(message: EngineMessage): void {
    this.#socket?.write(encodeFrame(message));
  }

  /** A new lease over `count` ranges, granted as soon as the pilot wants them. */
  offer(task: TaskId, first: number, count: number, attempt = 1, grant = 1): SpanBlock {
    const span = singleSpan(task, first, count, attempt, grant, leaseIdOf(3, ++this.#lease));
    this.queue.push(span);
    this.#grantPushed();
    return span;
  }

  #onMessage(message: PilotMessage): void {
    if (message.type === "hello") {
      this.sessions++;
      this.#parked = message.want;
      this.#told.clear();
      this.send({
        type: "welcome",
        version: 1,
        engineId: "scripted",
        epoch: 3,
        session: this.sessions,
        heartbeatMs: this.heartbeatMs,
        leaseTermMs: this.leaseTermMs,
        frameBytesMax: FRAME_BYTES_MAX,
        refused: this.refuse(message.held),
        grant: this.#grantBody(message.held),
      });
    } else if (message.type === "exchange") this.#onExchange(message);
    else if (message.type === "bundle") this.bundles.set(message.number, message.uri);
    else if (message.type === "heartbeat" && this.answersHeartbeats) this.send({ type: "pulse" });
  }

  #onExchange(exchange: Exchange): void {
    this.#parked = exchange.want;
    const runs = new VerdictRuns();
    for (const report of exchange.reports) {
      forEachSpan([report.spans], (task, first, count, attempt, _grant, lease) => {
        for (let i = 0; i < count; i++) {
          const { outcome, reason, bundle } = report;
          const range = { task, range: first + i, lease, attempt, outcome, reason, bundle };
          this.reports.push(range);
          runs.push(1, this.verdict(range));
        }
      });
    }
    if (!this.answersExchanges) return;
    this.send({ type: "grant", sequence: exchange.sequence, ...this.#grantBody([]) });
    this.send({ type: "verdicts", sequence: exchange.sequence, runs: runs.take() });
  }

  #grantPushed(): void {
    if (this.#socket === null || this.#parked === 0) return;
    const body = this.#grantBody([]);
    if (body.spans.length > 0) this.send({ type: "grant", sequence: 0, ...body });
  }

  /** Spans up to the parked want, and what the session was not told yet of their tasks. */
  #grantBody(held: readonly SpanBlock[]): GrantBody {
    const spans: SpanBlock[] = [];
    while (this.queue.length > 0 && this.#parked > 0) {
      const span = this.queue.shift()!;
      const [first, count] = [span.first[0]!, span.count[0]!];
      const take = Math.min(count, this.#parked);
      const [attempt, grant, lease] = [span.attempt[0]!, span.grant[0]!, span.lease[0]!];
      spans.push(singleSpan(span.task, first, take, attempt, grant, lease));
      if (take < count) {
        this.queue.unshift(
          singleSpan(span.task, first + take, count - take, attempt, grant, lease),
        );
      }
      this.#parked -= take;
    }
    const tasks: TaskInfo[] = [];
    const files: FileInfo[] = [];
    for (const { task } of [...held, ...spans]) {
      const info = this.tasks.get(task);
      if (info === undefined || this.#told.has(`t${task}`)) continue;
      this.#told.add(`t${task}`);
      tasks.push(info);
      files.push(...this.files.filter((file) => file.task === task));
    }
    const offsets = this.offsets.filter(({ task }) => spans.some((span) => span.task === task));
    return { spans, tasks, files, offsets };
  }

  /** Adds a task with one input; `events` in ranges of `eventsPerRange`. */
  addTask(
    task: number,
    events: number,
    info: Partial<TaskInfo> & { command: string[] },
    file: Partial<FileInfo> = {},
  ): TaskId {
    const id = task as TaskId;
    const eventsPerRange = info.eventsPerRange ?? 1;
    this.tasks.set(id, {
      task: id,
      name: `task${task}`,
      taskDir: "/",
      eventsPerRange,
      mode: "once",
      channel: "stdio",
      cores: 1,
      gpus: 0,
      nodes: 1,
      environment: [],
      passEnvironment: [],
      timeoutSeconds: 0,
      outputName: "out.txt",
      allowEmpty: false,
      recordsPerEvent: -1,
      countRule: { kind: 0, skip: 0, prefix: "" },
      ...info,
    });
    this.files.push({
      task: id,
      file: 0,
      firstRange: 0,
      ranges: Math.ceil(events / eventsPerRange),
      events,
      path: "",
      tree: "",
      format: "",
      sizeBytes: -1,
      mtimeMs: -1,
      seed: "18446744073709551615",
      header: [],
      footer: [],
      ...file,
    });
    return id;
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Resolves when `holds` is true, looked at after each message. Rejects after `ms`. */
  async until(what: string, holds: () => boolean, ms = 15_000): Promise<void> {
    const deadline = performance.now() + ms;
    while (!holds()) {
      const left = deadline - performance.now();
      if (left <= 0) {
        const last = JSON.stringify([this.reports.slice(-3), this.received.slice(-3)]);
        throw new Error(`waited in vain for: ${what}; last: ${last}`);
      }
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, Math.min(left, 100));
        this.#waiters.push(() => {
          clearTimeout(timer);
          wake();
        });
      });
    }
  }

  async reported(count: number, ms?: number): Promise<ReportedRange[]> {
    await this.until(`${count} reported ranges`, () => this.reports.length >= count, ms);
    return this.reports;
  }

  of(type: PilotMessage["type"]): PilotMessage[] {
    return this.received.filter((message) => message.type === type);
  }

  /** Ranges of which `started` was told, in order. */
  startedRanges(): number[] {
    const ranges: number[] = [];
    for (const message of this.received) {
      if (message.type !== "started") continue;
      forEachSpan(message.spans, (_task, first, count) => {
        for (let i = 0; i < count; i++) ranges.push(first + i);
      });
    }
    return ranges;
  }

  /** Text of a done range's output, from its bundle. */
  async output(report: ReportedRange): Promise<string> {
    if (report.outcome !== OUTCOME.done) throw new Error(`not done: ${JSON.stringify(report)}`);
    const reader = await openBundle(this.bundles.get(report.bundle) ?? "");
    try {
      const member = reader.find(report);
      if (member === undefined) throw new Error(`no member for ${JSON.stringify(report)}`);
      return Buffer.from(await reader.read(member)).toString();
    } finally {
      await reader.close();
    }
  }
}
