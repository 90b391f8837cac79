/** The sections of the bench in the order of their importance, and their common report. */
import { atRest, creation, giant, groupCommits } from "./books.ts";
import { Engines } from "./engine.ts";
import { type Figure, Figures, figureLine } from "./figures.ts";
import { describeMachine, openPlace, type Place, type Transport } from "./machine.ts";
import { PeerMissing } from "./peers.ts";
import { idleSessions, trace } from "./sessions.ts";
import { type Peers, throughput } from "./throughput.ts";
import { againstJson, arrowExport, wire } from "./wire.ts";

export interface HeartOptions {
  readonly quick: boolean;
  readonly rounds: number | null;
  readonly modelledFlushUs: number | null;
  /** Folder on the disk to measure; null: the system's temporary folder. */
  readonly dir: string | null;
  /** Only sections whose name has this in it. */
  readonly only: string | null;
  readonly peers: Peers;
  readonly inline: boolean;
  readonly transport: Transport;
  readonly print: (line: string) => void;
  readonly log: (line: string) => void;
}

export interface HeartReport {
  readonly schema: "heart/1";
  readonly machine: Record<string, string | number>;
  readonly seed: number;
  readonly when: string;
  readonly options: {
    readonly quick: boolean;
    readonly rounds: number;
    readonly flush: string;
    readonly transport: Transport;
  };
  readonly figures: readonly Figure[];
}

export const EXIT_MISSED = 1;
export const EXIT_NO_PEER = 3;
const SEED = 1;

interface Section {
  readonly name: string;
  run(): Promise<void>;
}

export async function runHeart(
  options: HeartOptions,
): Promise<{ report: HeartReport; exitCode: number }> {
  const figures = new Figures((figure) => options.print(figureLine(figure)));
  const rounds = options.rounds ?? (options.quick ? 1 : 5);
  const place = await openPlace(options.modelledFlushUs, options.dir, options.transport);
  const engines = new Engines(place, options.quick);
  let exitCode = 0;
  try {
    for (const section of sectionsOf(place, figures, engines, options, rounds)) {
      if (options.only !== null && !section.name.includes(options.only)) continue;
      options.log(section.name);
      try {
        await section.run();
      } catch (error) {
        // The other sections' figures are worth having all the same.
        exitCode = Math.max(exitCode, told(error, options));
      }
    }
  } finally {
    await engines.close();
    place.close();
  }
  if (exitCode === 0 && figures.missed.length > 0) exitCode = EXIT_MISSED;
  const flush = options.modelledFlushUs === null ? "disk" : `${options.modelledFlushUs} us`;
  const report: HeartReport = {
    schema: "heart/1",
    machine: describeMachine(),
    seed: SEED,
    when: new Date().toISOString(),
    options: { quick: options.quick, rounds, flush, transport: options.transport },
    figures: figures.list,
  };
  return { report, exitCode };
}

function told(error: unknown, options: HeartOptions): number {
  if (error instanceof PeerMissing) {
    options.log(`${error.message} (a peer is missing) install redis-server and postgresql`);
    return EXIT_NO_PEER;
  }
  options.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT_MISSED;
}

function sectionsOf(
  place: Place,
  figures: Figures,
  engines: Engines,
  options: HeartOptions,
  rounds: number,
): Section[] {
  const { quick, peers, inline, log } = options;
  // 1 024 pilots take half a second to join and to get into step.
  const timing = quick ? { seconds: 0.5, warmSeconds: 0.5 } : { seconds: 2, warmSeconds: 1 };
  return [
    {
      name: "throughput",
      run: () =>
        throughput(place, figures, engines, { rounds, quick, peers, inline, log, ...timing }),
    },
    { name: "group commit", run: () => groupCommits(place, figures, { quick, log }) },
    { name: "at rest", run: () => atRest(place, figures, { quick, log }) },
    { name: "creation", run: () => creation(engines, figures, { quick, log }) },
    { name: "wire", run: () => wire(place, figures, { quick, log }) },
    { name: "json", run: () => againstJson(place, figures, { quick, log }) },
    { name: "arrow", run: () => arrowExport(place, figures, { quick, log }) },
    { name: "giant", run: () => giant(place, figures, { quick, log }) },
    { name: "idle sessions", run: () => idleSessions(place, figures, engines, { quick, log }) },
    { name: "trace", run: () => trace(place, figures, engines, { quick, log }) },
  ];
}
