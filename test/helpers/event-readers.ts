/**
 * Small readers of event files, written apart from src/formats on purpose: line by line, as simple
 * programs of users read them. Tests compare what they get from slices with the references.
 */
import { pairMass } from "./histogram.ts";

export interface LheEvent {
  /** From `<event` to `</event>` inclusive. */
  readonly text: string;
  readonly weight: number;
  /** id, status, mother1, mother2, colour1, colour2, px, py, pz, E, m, lifetime, spin */
  readonly particles: number[][];
}

/** All events of an LHE text; latin1 strings keep the bytes. */
export function readLhe(text: string): LheEvent[] {
  const events: LheEvent[] = [];
  for (const match of text.matchAll(/<event[ \t\r\n>][\s\S]*?<\/event>/g)) {
    const lines = match[0].split("\n").slice(1);
    const head = numbers(lines[0] ?? "");
    const particles = lines.slice(1, 1 + (head[0] ?? 0)).map(numbers);
    events.push({ text: match[0], weight: head[2] ?? 0, particles });
  }
  return events;
}

/** Mass of the first two final electrons or muons of an event, or null. */
export function leptonPairMass(event: LheEvent): number | null {
  const leptons = event.particles.filter(
    ([id, status]) => status === 1 && [11, 13].includes(Math.abs(id as number)),
  );
  const [a, b] = leptons;
  return a && b ? pairMass(a.slice(6, 10), b.slice(6, 10)) : null;
}

export interface HepmcEvent {
  /** From the `E ` line up to the next one, the footer or the end. */
  readonly text: string;
  readonly number: string;
  /** Particles of status 1. */
  readonly finalState: number;
}

/** All events of a HepMC listing of version 2 or 3. */
export function readHepmc(text: string): HepmcEvent[] {
  const version = text.includes("HepMC::Asciiv3") ? 3 : 2;
  const events: HepmcEvent[] = [];
  let open: string[] | null = null;
  const close = () => {
    if (open === null) return;
    const statusAt = version === 3 ? 9 : 8;
    const particles = open.filter((line) => line.startsWith("P "));
    const finalState = particles.filter((line) => line.trim().split(" ")[statusAt] === "1").length;
    events.push({ text: open.join(""), number: open[0]?.split(" ")[1] ?? "", finalState });
    open = null;
  };
  for (const line of text.split(/(?<=\n)/)) {
    if (line.startsWith("E ")) {
      close();
      open = [line];
    } else if (line.startsWith("HepMC::")) close();
    else (open as string[] | null)?.push(line);
  }
  close();
  return events;
}

/** Records of a CSV text without quotes, each with its line. */
export function readCsv(text: string): { line: string; row: Record<string, string> }[] {
  const [header = "", ...lines] = text.split(/\r?\n/).filter((line) => line !== "");
  const names = header.split(",");
  return lines.map((line) => {
    const values = line.split(",");
    return { line, row: Object.fromEntries(names.map((name, i) => [name, values[i] ?? ""])) };
  });
}

function numbers(line: string): number[] {
  return line.trim().split(/\s+/).map(Number);
}
