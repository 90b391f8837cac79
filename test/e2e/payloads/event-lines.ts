/**
 * One line of JSON for each event of a range, whatever its format.
 *
 *   stream   node event-lines.ts stream [--bytes]     --bytes: declines slices, reads the bytes
 *   once     node event-lines.ts once FILE TREE START COUNT SLICE OUTPUT
 *
 * As a stream it takes several ranges at a time, so that many small ones share a flush to disk.
 */
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { eventLines, type Work } from "./event-reading.ts";

const CREDITS = 32;

async function write(work: Work, output: string): Promise<number> {
  const lines = await eventLines(work);
  writeFileSync(output, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return lines.length;
}

const say = (message: object) => void process.stdout.write(`${JSON.stringify(message)}\n`);

async function answer(range: Work & { id: string; output: string }): Promise<void> {
  const { id } = range;
  try {
    const events = await write(range, range.output);
    say({ done: { id, outputs: [{ path: range.output }], events } });
  } catch (error) {
    say({ failed: { id, message: String(error) } });
  }
  say({ ready: 1 });
}

async function stream(slice: boolean): Promise<void> {
  say({ hello: { protocol: 1, slots: 1, slice } });
  say({ ready: CREDITS });
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line);
    if (message.range) await answer(message.range);
    else if (message.stop) break;
  }
  process.stdin.destroy();
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === "stream") await stream(rest[0] !== "--bytes");
else {
  const [file, tree, start, count, slice, output] = rest as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const place = { offset: null, bytes: null, slice };
  await write({ file, tree, start: Number(start), count: Number(count), ...place }, output);
}
