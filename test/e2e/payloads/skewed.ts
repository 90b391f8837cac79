/**
 * A stream payload whose events cost CPU time from a heavy-tailed law: log-normal with mean MEAN
 * seconds and cv CV, a function of the file's seed and the event alone, so that an event that is
 * done again costs the same. Its output is that of counted.ts. Each start and each end of a range
 * is appended to a side file as `start|end RANGE WALL-MS`.
 *
 *   node skewed.ts SIDE MEAN CV
 */
import { createHash } from "node:crypto";
import { appendFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

interface Work {
  readonly id: string;
  readonly range: number;
  readonly start: number;
  readonly count: number;
  readonly seed: string;
  readonly output: string;
}

const [side, mean, cv] = process.argv.slice(2) as [string, string, string];
const sigma = Math.sqrt(Math.log(1 + Number(cv) ** 2));

/** Box and Muller, from the event's own digest. */
function secondsOf(digest: Buffer): number {
  const u = (digest.readUInt32BE(8) + 0.5) / 2 ** 32;
  const v = digest.readUInt32BE(12) / 2 ** 32;
  const normal = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  return Number(mean) * Math.exp(sigma * normal - (sigma * sigma) / 2);
}

function burn(seconds: number): void {
  const { user, system } = process.cpuUsage();
  const end = user + system + seconds * 1e6;
  let hash = Buffer.alloc(32);
  for (;;) {
    for (let i = 0; i < 200; i++) hash = createHash("sha256").update(hash).digest();
    const now = process.cpuUsage();
    if (now.user + now.system >= end) return;
  }
}

function work({ range, start, count, seed, output }: Work): void {
  appendFileSync(side, `start ${range} ${Date.now()}\n`);
  let text = "";
  for (let event = start; event < start + count; event++) {
    const digest = createHash("sha256").update(`${seed}:${event}`).digest();
    burn(secondsOf(digest));
    text += `{"event":${event},"draw":"${digest.toString("hex").slice(0, 16)}"}\n`;
  }
  writeFileSync(output, text);
}

const say = (message: object) => void process.stdout.write(`${JSON.stringify(message)}\n`);
say({ hello: { protocol: 1, slots: 1, slice: false } });
say({ ready: 1 });
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line) as { range?: Work; stop?: object };
  if (message.stop) break;
  if (!message.range) continue;
  const { id, output, count, range } = message.range;
  work(message.range);
  const outputs = [{ path: output }];
  process.stdout.write(
    `${JSON.stringify({ done: { id, outputs, events: count, cpu: 0, wall: 0 } })}\n`,
  );
  appendFileSync(side, `end ${range} ${Date.now()}\n`);
  say({ ready: 1 });
}
