/** The smallest stream payload: one line of output a range. */
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
say({ hello: { protocol: 1, slots: 1 } });
say({ ready: 1 });
for await (const line of createInterface({ input: process.stdin })) {
  const { range, stop } = JSON.parse(line);
  if (stop) break;
  if (!range) continue;
  writeFileSync(range.output, `{"start":${range.start}}\n`);
  say({ done: { id: range.id, outputs: [{ path: range.output }], events: range.count } });
  say({ ready: 1 });
}
