/**
 * Reads LHE slices and writes the dilepton mass of each event, one JSON line an event:
 *
 *   {"entry0":12,"mll":91.03}   entry0: 0-based entry index in the input file; mll in GeV, null
 *                               if the event has no pair of charged leptons in its final state
 *
 *   stream   node analyse.ts
 *   once     node analyse.ts once START SLICE OUTPUT
 *
 * A slice is a whole LHE file with nothing but the range's events, so the reader below knows
 * nothing of skipping: it reads what any LHE reader would.
 */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { runStream, Unfit } from "../lib/stream-payload.ts";

const CHARGED_LEPTONS = new Set([11, 13, 15]);

interface FinalState {
  px: number;
  py: number;
  pz: number;
  energy: number;
  leptons: number;
}

/** Mass of the first two charged leptons of an event's final state, GeV; null if there are none. */
export function dileptonMass(event: string): number | null {
  const lines = event.split("\n").filter((line) => line.trim() !== "");
  const particles = Number(lines[0]?.trim().split(/\s+/)[0]);
  const sum: FinalState = { px: 0, py: 0, pz: 0, energy: 0, leptons: 0 };
  for (const line of lines.slice(1, 1 + particles)) {
    const field = line.trim().split(/\s+/).map(Number);
    if (field[1] !== 1 || !CHARGED_LEPTONS.has(Math.abs(field[0] as number))) continue;
    if (sum.leptons++ === 2) break;
    sum.px += field[6] as number;
    sum.py += field[7] as number;
    sum.pz += field[8] as number;
    sum.energy += field[9] as number;
  }
  if (sum.leptons < 2) return null;
  const squared = sum.energy ** 2 - sum.px ** 2 - sum.py ** 2 - sum.pz ** 2;
  return Math.sqrt(Math.max(0, squared));
}

/** The blocks between `<event ...>` and `</event>`, in order. */
export function eventsOf(lhe: string): string[] {
  return [...lhe.matchAll(/^\s*<event(?:\s[^>]*)?>\s*\n([\s\S]*?)<\/event>/gm)].map(
    (match) => match[1] as string,
  );
}

export function analyse(lhe: string, start: number): { text: string; events: number } {
  const events = eventsOf(lhe);
  const lines = events.map((event, i) => {
    const mass = dileptonMass(event);
    const mll = mass === null ? null : Number(mass.toFixed(6));
    return `${JSON.stringify({ entry0: start + i, mll })}\n`;
  });
  return { text: lines.join(""), events: events.length };
}

async function main(argv: readonly string[]): Promise<void> {
  if (argv[0] === "once") {
    const [, start, slice, output] = argv as [string, string, string, string];
    const { text } = analyse(await readFile(slice, "utf8"), Number(start));
    await writeFile(output, text);
    return;
  }
  await runStream(async (range) => {
    const { text, events } = analyse(await readFile(range.slice, "utf8"), range.start);
    if (events !== range.count) throw new Unfit(`slice has ${events} events, not ${range.count}`);
    await writeFile(range.output, text);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
