/**
 * A payload that behaves, except where it is told not to: the fault is an argument, and it happens
 * at the range that holds event 5 (or the whole range, where it says so). Behaving means one line
 * `{"event":N}` for each event of the range.
 *
 *   once     node misbehaving.ts once FAULT START COUNT OUTPUT
 *   stream   node misbehaving.ts stream FAULT
 */
import { writeFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

interface Range {
  readonly id: string;
  readonly start: number;
  readonly count: number;
  readonly output: string;
}

const [mode, fault = "", ...rest] = process.argv.slice(2);
const EVENT = 5;

function lines(start: number, count: number): string {
  let text = "";
  for (let event = start; event < start + count; event++) text += `{"event":${event}}\n`;
  return text;
}

const isBad = (start: number, count: number) => start <= EVENT && EVENT < start + count;

/** 100 MB of messages, in writes that a full pipe would hold up. */
function flood(): void {
  const block = Buffer.alloc(1 << 20, "noise on standard error \n");
  for (let i = 0; i < 100; i++) writeSync(2, block);
}

async function once(start: number, count: number, output: string): Promise<void> {
  if (!isBad(start, count)) return writeFileSync(output, lines(start, count));
  switch (fault) {
    case "nothing":
      return;
    case "empty":
      return writeFileSync(output, "");
    case "short":
      return writeFileSync(output, lines(start, count - 1));
    case "exit":
      writeSync(2, "cannot read event 5\n");
      return process.exit(9);
    case "hang":
      writeSync(2, "waiting for ever\n");
      process.on("SIGTERM", () => {});
      return sleep(600_000);
    case "flood":
      flood();
      return writeFileSync(output, lines(start, count));
    case "kill-pilot":
      process.kill(process.ppid, "SIGKILL");
      return sleep(600_000);
    default:
      throw new Error(`unknown fault ${fault}`);
  }
}

const say = (message: object) => void writeSync(1, `${JSON.stringify(message)}\n`);

function done(range: Range, events = range.count): void {
  writeFileSync(range.output, lines(range.start, range.count));
  say({ done: { id: range.id, outputs: [{ path: range.output }], events } });
}

async function onRange(range: Range): Promise<void> {
  const bad = isBad(range.start, range.count);
  switch (bad ? fault : "") {
    case "chatter":
      writeSync(1, 'Info: starting\n{"level":"info"}\n{ broken\n[1,2]\n\n');
      done(range);
      writeSync(1, "Info: did it\n");
      break;
    case "twice":
      done(range);
      done(range);
      break;
    case "foreign":
      done({ ...range, id: `${range.id}0` });
      break;
    case "prefix":
      // The id without its last character is the start of the true one, and not it.
      done({ ...range, id: range.id.slice(0, -1) });
      break;
    case "dies-after-done":
      done(range);
      return process.exit(3);
    case "dies":
      writeSync(2, "segmentation violation, more or less\n");
      return process.exit(7);
    case "hang":
      return sleep(600_000);
    case "few-events":
      done(range, range.count - 1);
      break;
    case "flood":
      flood();
      done(range);
      break;
    case "fatal":
      say({ failed: { id: range.id, code: 21, message: "no such branch", fatal: true } });
      break;
    case "kill-pilot":
      process.kill(process.ppid, "SIGKILL");
      return sleep(600_000);
    default:
      done(range);
  }
  say({ ready: 1 });
}

if (mode === "once") {
  const [start, count, output] = rest as [string, string, string];
  await once(Number(start), Number(count), output);
} else {
  if (fault.startsWith("slow-start=")) await sleep(1000 * Number(fault.slice(11)));
  say({ hello: { protocol: 1, slots: 1 } });
  say({ ready: 1 });
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line) as { range?: Range; stop?: object };
    if (message.stop) break;
    if (message.range) await onRange(message.range);
  }
  process.stdin.destroy();
}
