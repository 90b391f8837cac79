import { connect } from "node:net";
import { RecordBatchReader } from "apache-arrow";
import { describe, expect, it } from "vitest";
import { assert } from "../../src/base/index.ts";
import type { CommandMap, EngineClient, RangeColumns } from "../../src/broker/index.ts";
import { createToken, startHttp } from "../../src/http/index.ts";
import { rangeStream, STATE_NAMES } from "../../src/http/range-stream.ts";

/** An engine that knows one task of `files` x `rangesPerFile` ranges, all in runs of `run`. */
class OneTask implements EngineClient {
  asked = 0;
  readonly #files: number;
  readonly #rangesPerFile: number;
  readonly #run: number;
  /** Which ranges' runs have a reason. */
  readonly #hasReason: (first: number) => boolean;

  constructor(
    files: number,
    rangesPerFile: number,
    run: number,
    hasReason: (first: number) => boolean = () => true,
  ) {
    this.#files = files;
    this.#rangesPerFile = rangesPerFile;
    this.#run = run;
    this.#hasReason = hasReason;
  }

  async ask<Name extends keyof CommandMap>(
    name: Name,
    ask: CommandMap[Name]["ask"],
  ): Promise<CommandMap[Name]["answer"]> {
    const answers: Partial<Record<keyof CommandMap, () => unknown>> = {
      find: () => ({ task: 1 }),
      getMeta: () => ({ value: null }),
      putMeta: () => ({}),
      show: () => ({ id: 1, name: "t", owner: "ann", spec: { eventsPerRange: 2 } }),
      // Three events in ranges of two: the last range of each file is short.
      files: () =>
        Array.from({ length: this.#files }, (_, file) => ({
          events: 2 * this.#rangesPerFile - 1,
          source: `/f${file}`,
        })),
      ranges: () => this.#runs(ask as CommandMap["ranges"]["ask"]),
      reasons: () => [{ id: 4, text: "exit code 3" }],
    };
    const answer = answers[name];
    assert(answer !== undefined, `the stream asks for ${name}`);
    return answer() as CommandMap[Name]["answer"];
  }

  onEvent(): () => void {
    return () => {};
  }

  #runs({ task, from, runsMax }: CommandMap["ranges"]["ask"]): RangeColumns {
    this.asked++;
    const total = this.#files * this.#rangesPerFile;
    const size = Math.min(runsMax, Math.ceil((total - from) / this.#run));
    const first = Float64Array.from({ length: size }, (_, i) => from + i * this.#run);
    const count = first.map((begin) => Math.min(this.#run, total - begin));
    const end = from + size * this.#run;
    return {
      task,
      first,
      count,
      state: new Uint8Array(size).fill(4),
      attempts: new Uint8Array(size).fill(3),
      failures: new Uint8Array(size).fill(2),
      losses: new Uint8Array(size).fill(1),
      lease: new Float64Array(size).fill(7 * 2 ** 32 + 9),
      bundle: new Uint32Array(size).fill(5),
      reason: Uint32Array.from(first, (begin) => (this.#hasReason(begin) ? 4 : 0)),
      next: end < total ? end : -1,
    };
  }
}

describe("rangeStream", () => {
  it("gives every range once, in order, with every column", async () => {
    // Runs of 3 over files of 7 ranges: most runs are cut by a file's end sooner or later.
    const bytes: Uint8Array[] = [];
    for await (const chunk of await rangeStream(new OneTask(20, 7, 3), 1)) bytes.push(chunk);
    let next = 0;
    for await (const batch of await RecordBatchReader.from(Buffer.concat(bytes))) {
      for (const row of batch) {
        const ranges = Number(row["ranges"]);
        const file = Math.floor(next / 7);
        expect(Number(row["firstRange"])).toBe(next);
        expect(row["file"]).toBe(`/f${file}`);
        expect(Number(row["firstEvent0"])).toBe((next % 7) * 2);
        const last = (next % 7) + ranges;
        expect(Number(row["lastEvent0"])).toBe(last === 7 ? 12 : 2 * last - 1);
        expect(row["state"]).toBe("failed");
        expect([row["attempts"], row["failures"], row["losses"], row["bundle"]]).toEqual([
          3, 2, 1, 5,
        ]);
        expect(Number(row["lease"])).toBe(7 * 2 ** 32 + 9);
        expect(row["reason"]).toBe("exit code 3");
        next += ranges;
      }
    }
    expect(next).toBe(140);
  });

  it("keeps what was sent while the next batch is made, with and without reasons", async () => {
    const failed = (range: number) => range >= 20_000 && range < 20_010;
    const bytes: Uint8Array[] = [];
    const engine = new OneTask(1, 40_000, 1, failed);
    for await (const chunk of await rangeStream(engine, 1)) bytes.push(chunk);
    expect(bytes.length).toBeGreaterThan(3);
    let next = 0;
    for await (const batch of await RecordBatchReader.from(Buffer.concat(bytes))) {
      const [first, reason] = [batch.getChild("firstRange"), batch.getChild("reason")];
      for (let row = 0; row < batch.numRows; row++, next++) {
        if (Number(first?.get(row)) !== next) expect(first?.get(row)).toBe(BigInt(next));
        const due = failed(next) ? "exit code 3" : null;
        if (reason?.get(row) !== due) expect([next, reason?.get(row)]).toEqual([next, due]);
      }
    }
    expect(next).toBe(40_000);
  });

  it("asks for no more than is read: memory does not grow with the task", async () => {
    const engine = new OneTask(1, 1_000_000, 1);
    const stream = await rangeStream(engine, 1);
    let largest = 0;
    for (let chunks = 1; chunks <= 5; chunks++) {
      const { value } = await stream.next();
      largest = Math.max(largest, (value as Uint8Array).length);
      expect(engine.asked).toBeLessThanOrEqual(chunks + 1);
    }
    await stream.return(undefined);
    expect(largest).toBeLessThan(4 * 1024 * 1024);
  });

  it("is ended when its reader stands still, and costs no more than a few batches", async () => {
    const engine = new OneTask(1, 50_000_000, 1);
    const request = { owner: "ann", scope: "read", expiresWallMs: 0 } as const;
    const { token } = await createToken(engine, request);
    const limits = { stallTimeoutMs: 200 };
    const scan = async () => [];
    const server = await startHttp(engine, { host: "127.0.0.1", port: 0, scan, limits });
    const port = Number(new URL(server.url).port);
    const socket = connect({ port, host: "127.0.0.1" });
    const closed = new Promise((resolve) => socket.on("close", resolve).on("error", () => {}));
    socket.write(
      `GET /api/v1/tasks/t/ranges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    await new Promise((resolve) => setTimeout(resolve, 700));
    const asked = engine.asked;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(engine.asked).toBe(asked);
    expect(asked).toBeLessThan(40);
    socket.resume();
    await closed;
    await server.close();
  });

  it("names all states, in the order of their numbers", async () => {
    const { SEEN_STATE } = await import("../../src/broker/views.ts");
    const names = Object.entries(SEEN_STATE).sort(([, a], [, b]) => a - b);
    expect(names.map(([name]) => name)).toEqual(STATE_NAMES);
  });
});
