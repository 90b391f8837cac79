/**
 * Records the empirical laws: CPU seconds of a real payload (`jumbo-jets`, FastJet) for each event
 * of HepMC files, as small tables of quantiles.
 *
 *   npm run build:native -- serial
 *   node bench/sim/record-law.ts FILE.hepmc... >bench/sim/empirical.json
 *
 *   empirical        anti-kt jets with active ghost areas: ghosts cost the same in every event
 *   empirical-mixed  Durham jets: an event costs as much as it has particles
 *
 * Each event is timed by the payload itself, in rounds over all events with the same seeds; its
 * time is the least of them, since whatever else runs on the machine can only add to it. Only
 * times relative to their mean are kept, nothing of the events.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { createInterface } from "node:readline";

const JETS = resolve(import.meta.dirname, "../../native/build/serial/jumbo-jets");
const LAWS = {
  empirical: ["--antikt", "0.4", "--ghost-area", "0.01"],
  "empirical-mixed": ["--durham", "3"],
};
const ROUNDS = 5;
/** Quantiles 0, 1/100, ..., 1. */
const STEPS = 100;

interface Place {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Events of a HepMC ASCII file: each from its `E ` line to the next one or the footer. */
function places(file: string): Place[] {
  const text = readFileSync(file);
  const footer = text.lastIndexOf("\nHepMC::") + 1;
  const begins: number[] = [];
  for (let at = text.indexOf("\nE "); at >= 0; at = text.indexOf("\nE ", at + 1)) {
    begins.push(at + 1);
  }
  const end = footer > (begins.at(-1) ?? 0) ? footer : text.length;
  return begins.map((offset, i) => ({ file, offset, bytes: (begins[i + 1] ?? end) - offset }));
}

/** CPU seconds of each place, as the payload says. */
async function time(child: ChildProcess, found: readonly Place[], out: string): Promise<number[]> {
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new Error("the payload has no pipes");
  const seconds: number[] = [];
  const send = () => {
    const place = found[seconds.length];
    if (place === undefined) return;
    const id = String(seconds.length);
    const range = { id, ...place, start: seconds.length, seed: "20", output: out };
    stdin.write(`${JSON.stringify({ range })}\n`);
  };
  const lines = createInterface({ input: stdout });
  send();
  for await (const line of lines) {
    const { done, failed } = JSON.parse(line);
    if (failed) throw new Error(`event ${failed.id}: ${failed.message}`);
    if (!done) continue;
    if (done.events !== 1) throw new Error(`event ${done.id}: ${done.events} events`);
    seconds.push(done.cpu);
    if (seconds.length === found.length) break;
    send();
  }
  return seconds;
}

async function round(
  flags: readonly string[],
  found: readonly Place[],
  folder: string,
): Promise<number[]> {
  const child = spawn(JETS, ["--stream", ...flags], { stdio: ["pipe", "pipe", "ignore"] });
  try {
    return await time(child, found, join(folder, "jets.txt"));
  } finally {
    child.stdin.end();
    child.kill();
  }
}

function tableOf(flags: readonly string[], times: readonly number[]): object {
  const mean = times.reduce((sum, x) => sum + x, 0) / times.length;
  const variance = times.reduce((sum, x) => sum + (x - mean) ** 2, 0) / times.length;
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low]! + (place - low) * (sorted[high]! - sorted[low]!);
  };
  const quantiles = Array.from({ length: STEPS + 1 }, (_, i) => digits(at(i / STEPS) / mean));
  return {
    payload: ["jumbo-jets", ...flags].join(" "),
    meanSeconds: digits(mean),
    cv: digits(Math.sqrt(variance) / mean),
    quantiles: quantiles.join(" "),
  };
}

const digits = (value: number) => Number(value.toPrecision(4));

async function main(): Promise<void> {
  const files = process.argv.slice(2);
  if (files.length === 0) {
    console.error("usage: node bench/sim/record-law.ts FILE.hepmc...");
    process.exit(2);
  }
  const found = files.flatMap(places);
  const folder = mkdtempSync(join(tmpdir(), "jumbo-law-"));
  const laws: Record<string, object> = {};
  for (const [name, flags] of Object.entries(LAWS)) {
    const rounds: number[][] = [];
    for (let i = 0; i < ROUNDS; i++) rounds.push(await round(flags, found, folder));
    const times = found.map((_, event) => Math.min(...rounds.map((one) => one[event]!)));
    laws[name] = tableOf(flags, times);
  }
  rmSync(folder, { recursive: true });
  const document = {
    schema: "empirical-laws/1",
    what: `CPU time of an event over its mean, at quantiles 0, 1/${STEPS}, ..., 1`,
    inputs: files.map((file) => `${basename(file)}: ${places(file).length} events`),
    rounds: ROUNDS,
    machine: `${cpus().length} x ${cpus()[0]?.model ?? "?"}`,
    recorded: new Date().toISOString().slice(0, 10),
    laws,
  };
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

await main();
