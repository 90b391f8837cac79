/**
 * The stream protocol for payload authors, in one file to copy: a program that is started once per
 * slot, is handed one event range after the other, and answers each. One JSON object a line, engine
 * to payload on standard input, payload to engine on standard output (or on fd 3 and 4 with
 * `channel: fd3`, for programs that print). Whatever else you print is kept as log text.
 *
 *   payload  {"hello":{"protocol":1,"slots":1}}   {"ready":1}   {"done":{...}}   {"failed":{...}}
 *   engine   {"range":{"id":...}}   {"cancel":id}   {"stop":{...}}
 *
 *   import { runStream } from "../lib/stream-payload.ts";
 *   await runStream(async (range) => {
 *     await writeFile(range.output, await process(range));   // the file is the range's output
 *   });
 *
 * A handler that throws fails its range; throw `new Unfit("...")` if another try can't help.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";

/** What the engine says of a range. Its events are start .. start+count-1, 0-based in the file. */
export interface StreamRange {
  readonly id: string;
  /** Input file, "" for a task with `count`. */
  readonly file: string;
  readonly tree: string;
  readonly start: number;
  readonly count: number;
  readonly offset: number;
  readonly bytes: number;
  /** A file with header, the range's events and footer, where the format allows it; else "". */
  readonly slice: string;
  /** Decimal u64: S of the file's per-event seeds (see seeds.ts). */
  readonly seed: string;
  /** Write the range's output here. */
  readonly output: string;
  readonly deadline: number;
}

/** A failure that another attempt would only repeat. */
export class Unfit extends Error {
  override readonly name = "Unfit";
}

export interface StreamOptions {
  readonly channel?: "stdio" | "fd3";
}

type Handler = (range: StreamRange, signal: AbortSignal) => Promise<void> | void;

/** Says hello, then handles ranges one at a time until the engine says stop or hangs up. */
export async function runStream(handler: Handler, options: StreamOptions = {}): Promise<void> {
  const fd3 = options.channel === "fd3";
  const input = fd3 ? createReadStream("", { fd: 3 }) : process.stdin;
  const output = fd3 ? createWriteStream("", { fd: 4 }) : process.stdout;
  const say = (message: object): void => void output.write(`${JSON.stringify(message)}\n`);

  const running = new Map<string, AbortController>();
  const handle = async (range: StreamRange): Promise<void> => {
    const abort = new AbortController();
    running.set(range.id, abort);
    say(await answerOf(handler, range, abort.signal));
    running.delete(range.id);
    say({ ready: 1 });
  };

  let work = Promise.resolve();
  say({ hello: { protocol: 1, slots: 1 } });
  say({ ready: 1 });
  for await (const line of createInterface({ input })) {
    const message = parse(line);
    if (message.range) {
      const range = message.range;
      work = work.then(() => handle(range));
    } else if (message.cancel !== undefined) {
      running.get(message.cancel)?.abort();
    } else if (message.stop) break;
  }
  await work;
  if (!fd3) process.stdin.destroy();
}

interface EngineLine {
  readonly range?: StreamRange;
  readonly cancel?: string;
  readonly stop?: object;
}

/** Keys of later protocol versions are ignored, and so is a line that is no JSON. */
function parse(line: string): EngineLine {
  try {
    return JSON.parse(line) as EngineLine;
  } catch {
    return {};
  }
}

async function answerOf(
  handler: Handler,
  range: StreamRange,
  signal: AbortSignal,
): Promise<object> {
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  try {
    await handler(range, signal);
    const cpu = process.cpuUsage(startedCpu);
    const { size } = await stat(range.output);
    return {
      done: {
        id: range.id,
        outputs: [{ path: range.output, bytes: size }],
        events: range.count,
        cpu: (cpu.user + cpu.system) / 1e6,
        wall: (performance.now() - startedMs) / 1e3,
      },
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { failed: { id: range.id, code: 1, message, fatal: error instanceof Unfit } };
  }
}
