/**
 * The fault campaign: `npm run campaign -- [PART ...] [--seed N] [--count N] [--long]`. Without a
 * part all of them run, one after the other. Each part prints its counts and the line that runs it
 * again; the campaign ends with 1 if any promise was broken. Parts: sim, planted, frames, power-cut,
 * io-errors, store-damage, kill, kill-points, full-disk, clock, stop-cont, peers, soak. What a part
 * does stands in its file; what came out, with dates and seeds, in docs/internals/reliability.md.
 */
import { readArguments } from "../../bench/arguments.ts";
import type { Part, PartOptions } from "./part.ts";

const LOADERS: Readonly<Record<string, () => Promise<{ part: Part }>>> = {
  sim: () => import("./parts/sim.ts"),
  planted: () => import("./parts/planted.ts"),
  frames: () => import("./parts/frames.ts"),
  "power-cut": () => import("./parts/power-cut.ts"),
  "io-errors": () => import("./parts/io-errors.ts"),
  "store-damage": () => import("./parts/store-damage.ts"),
  kill: () => import("./parts/kill.ts"),
  "kill-points": () => import("./parts/kill-points.ts"),
  "full-disk": () => import("./parts/full-disk.ts"),
  clock: () => import("./parts/clock.ts"),
  "stop-cont": () => import("./parts/stop-cont.ts"),
  peers: () => import("./parts/peers.ts"),
  soak: () => import("./parts/soak.ts"),
};

const config = {
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string" },
    long: { type: "boolean", default: false },
  },
} as const;
const { values, positionals } = readArguments(import.meta.url, config, ["seed", "count"]);
const names = positionals.length > 0 ? positionals : Object.keys(LOADERS);
const unknown = names.filter((name) => !(name in LOADERS));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(", ")}; there are ${Object.keys(LOADERS).join(", ")}`);
  process.exit(2);
}
const options: Omit<PartOptions, "count"> = { seed: Number(values.seed), long: values.long };
let broken = 0;
for (const name of names) {
  const { part } = await (LOADERS[name] as () => Promise<{ part: Part }>)();
  const count = values.count === undefined ? part.count : Number(values.count);
  const again = `npm run campaign -- ${name} --seed ${options.seed} --count ${count}`;
  console.log(`${name}: ${part.what}`);
  const began = performance.now();
  let line = "";
  try {
    const { counts, violations, skipped } = await part.run({ ...options, count });
    for (const violation of violations.slice(0, 20)) console.log(`  VIOLATED ${violation}`);
    const held = skipped ? `SKIPPED: ${skipped}` : violations.length === 0 ? "held" : "BROKEN";
    if (violations.length > 0) broken++;
    const list = Object.entries(counts).map(([key, value]) => `${value} ${key}`);
    line = `${held}: ${list.join(", ")}`;
  } catch (error) {
    broken++;
    line = `BROKEN: ${(error as Error).stack}`;
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`  ${line}\n  ${new Date().toISOString().slice(0, 10)}, ${seconds} s, ${again}`);
}
process.exit(broken > 0 ? 1 : 0);
