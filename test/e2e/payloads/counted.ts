/**
 * A stream or once payload over `count` events or a text file: one line of JSON an event, made of
 * the event's number and the file's seed alone, so that the merged bytes don't depend on who did
 * what. Every start of a range is appended to a side file as `RANGE ATTEMPT FIRST COUNT`, one write
 * a line, which tests read to see what was done twice.
 *
 *   stream   node counted.ts stream STARTS MILLISECONDS-PER-RANGE
 *   once     node counted.ts once STARTS MILLISECONDS-PER-RANGE RANGE ATTEMPT START COUNT SEED OUTPUT
 */
import { createHash } from "node:crypto";
import { appendFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

interface Work {
  readonly range: number;
  readonly attempt: number;
  readonly start: number;
  readonly count: number;
  readonly seed: string;
  readonly output: string;
}

const [mode, starts, milliseconds, ...rest] = process.argv.slice(2) as [string, string, string];

async function work({ range, attempt, start, count, seed, output }: Work): Promise<void> {
  if (starts !== "") appendFileSync(starts, `${range} ${attempt} ${start} ${count}\n`);
  if (Number(milliseconds) > 0) await sleep(Number(milliseconds));
  let text = "";
  for (let event = start; event < start + count; event++) {
    const draw = createHash("sha256").update(`${seed}:${event}`).digest("hex").slice(0, 16);
    text += `{"event":${event},"draw":"${draw}"}\n`;
  }
  writeFileSync(output, text);
}

const say = (message: object) => void process.stdout.write(`${JSON.stringify(message)}\n`);

if (mode === "once") {
  const [range, attempt, start, count, seed, output] = rest as string[] as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  await work({
    range: Number(range),
    attempt: Number(attempt),
    start: Number(start),
    count: Number(count),
    seed,
    output,
  });
} else {
  say({ hello: { protocol: 1, slots: 1, slice: false } });
  say({ ready: 1 });
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line) as { range?: Work & { id: string }; stop?: object };
    if (message.stop) break;
    if (!message.range) continue;
    await work(message.range);
    say({ done: { id: message.range.id, events: message.range.count } });
    say({ ready: 1 });
  }
  process.stdin.destroy();
}
