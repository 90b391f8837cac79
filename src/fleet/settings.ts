/**
 * The settings of a queue: what an operator may say about a place, with defaults, checked in one
 * go. They are stored as they are here, so that a restarted engine means the same by them.
 */
import { isAbsolute, join } from "node:path";
import { JumboError } from "../base/index.ts";
import { LAUNCHERS, type Launcher, MPIS, type Mpi } from "./pilot-script.ts";
import { PROVISIONER_KINDS, type ProvisionerKind } from "./types.ts";

export const PILOT_KINDS = ["ts", "mpi"] as const;
export type PilotKind = (typeof PILOT_KINDS)[number];

export interface QueueSettings {
  readonly kind: ProvisionerKind;
  /** slurm: which partition. "" for local. */
  readonly partition: string;
  /** Absolute folder that the nodes and the engine see: allocations' folders and bundles. */
  readonly folder: string;
  /** Whose tasks its pilots work on; "": everybody's. */
  readonly owner: string;
  /** `ts`: `jumbo pilot start` on every node; `mpi`: jumbo-pilot, one session over all nodes. */
  readonly pilot: PilotKind;
  /** mpi: what it was built with, and what starts its ranks. */
  readonly mpi: Mpi;
  readonly launcher: Launcher;
  /** mpi: absolute path of jumbo-pilot as nodes see it; "": native/build/MPI/jumbo-pilot. */
  readonly program: string;
  /** Payload places per node; 0: one per core that the pilot may use. */
  readonly slots: number;
  readonly nodesMin: number;
  /** 0: only the site limits it. */
  readonly nodesMax: number;
  readonly walltimeSecondsMin: number;
  /** 0: only the site limits it. */
  readonly walltimeSecondsMax: number;
  /** Jobs of ours that may be pending or running at once. */
  readonly jobsMax: number;
  readonly submissionsPerMinute: number;
  /** Rising: jobs of fewer nodes get at most so long (a site's policy for small jobs). */
  readonly caps: readonly { readonly nodesBelow: number; readonly seconds: number }[];
  /** Left free before whatever ends a hole. */
  readonly leadSeconds: number;
  /** A job submitted into a hole that has not begun after so long is taken back. */
  readonly pendingSecondsMax: number;
  /** How long an allocation may find no work before it is handed back. */
  readonly idleSecondsMax: number;
  /** Time between two looks at the site. */
  readonly everySeconds: number;
  /** First guess of S: from a job's begin to its pilots' first word. Learned afterwards. */
  readonly startSeconds: number;
  readonly flushSeconds: number;
  /** Useful node-seconds that one charged node-second must bring, 0..1. */
  readonly price: number;
  /** Further arguments of sbatch, each one word: --account=x. */
  readonly arguments: readonly string[];
}

export const SETTING_DEFAULTS: Omit<QueueSettings, "kind"> = {
  partition: "",
  folder: "",
  owner: "",
  pilot: "ts",
  mpi: "openmpi",
  launcher: "srun",
  program: "",
  slots: 0,
  nodesMin: 1,
  nodesMax: 0,
  walltimeSecondsMin: 60,
  walltimeSecondsMax: 0,
  jobsMax: 4,
  submissionsPerMinute: 6,
  caps: [],
  leadSeconds: 30,
  pendingSecondsMax: 120,
  idleSecondsMax: 60,
  everySeconds: 15,
  startSeconds: 10,
  flushSeconds: 5,
  price: 0,
  arguments: [],
};

/** Lower and upper bound of each number, and whether it must be whole. */
const NUMBERS: Readonly<Record<string, readonly [number, number, boolean]>> = {
  slots: [0, 65_535, true],
  nodesMin: [1, 1_000_000, true],
  nodesMax: [0, 1_000_000, true],
  walltimeSecondsMin: [0, 31_536_000, false],
  walltimeSecondsMax: [0, 31_536_000, false],
  jobsMax: [1, 1_000, true],
  submissionsPerMinute: [1, 600, true],
  leadSeconds: [0, 3_600, false],
  pendingSecondsMax: [1, 604_800, false],
  idleSecondsMax: [1, 86_400, false],
  everySeconds: [1, 3_600, false],
  startSeconds: [0, 86_400, false],
  flushSeconds: [0, 3_600, false],
  price: [0, 1, false],
};

/** Checks a request's settings and fills in what it leaves out. Throws JumboError("usage"). */
export function settingsOf(value: unknown): QueueSettings {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong("settings", value, "an object is wanted");
  }
  const given = value as Record<string, unknown>;
  for (const key of Object.keys(given)) {
    if (key !== "kind" && !(key in SETTING_DEFAULTS)) {
      const known = ["kind", ...Object.keys(SETTING_DEFAULTS)].join(", ");
      throw wrong(key, given[key], `there is no such setting; known are ${known}`);
    }
  }
  const kind = given["kind"];
  if (!PROVISIONER_KINDS.includes(kind as ProvisionerKind)) {
    throw wrong("kind", kind, `it is one of ${PROVISIONER_KINDS.join(", ")}`);
  }
  const settings = { ...SETTING_DEFAULTS, ...given } as QueueSettings;
  for (const [key, [least, most, whole]] of Object.entries(NUMBERS)) {
    const number = (settings as unknown as Record<string, unknown>)[key];
    const fits = typeof number === "number" && number >= least && number <= most;
    if (!fits || (whole && !Number.isInteger(number))) {
      throw wrong(
        key,
        number,
        `a${whole ? " whole" : ""} number from ${least} to ${most} is wanted`,
      );
    }
  }
  checkTexts(settings);
  checkPilot(settings);
  if (settings.nodesMax > 0 && settings.nodesMax < settings.nodesMin) {
    throw wrong("nodesMax", settings.nodesMax, `it is less than nodesMin ${settings.nodesMin}`);
  }
  checkCaps(settings.caps);
  return settings;
}

function checkTexts(settings: QueueSettings): void {
  if (settings.kind === "slurm" && !/^[A-Za-z0-9._-]+$/.test(settings.partition)) {
    throw wrong("partition", settings.partition, "a Slurm queue names one partition");
  }
  if (settings.kind === "local" && settings.partition !== "") {
    throw wrong("partition", settings.partition, "a local queue has none");
  }
  if (typeof settings.folder !== "string" || !isAbsolute(settings.folder)) {
    throw wrong("folder", settings.folder, "an absolute path is wanted that the nodes see too");
  }
  if (/[\n\r\0%]/.test(settings.folder)) {
    throw wrong("folder", settings.folder, "line ends and % can't be in a job's file names");
  }
  if (typeof settings.owner !== "string" || !/^[A-Za-z0-9._@-]{0,128}$/.test(settings.owner)) {
    throw wrong("owner", settings.owner, "a name of letters, digits, dots, _, @ and - is wanted");
  }
  const words = settings.arguments;
  if (!Array.isArray(words) || words.some((word) => typeof word !== "string" || word[0] !== "-")) {
    throw wrong("arguments", words, "a list of options is wanted, each one word: --account=x");
  }
}

function checkPilot(settings: QueueSettings): void {
  const choices = { pilot: PILOT_KINDS, mpi: MPIS, launcher: LAUNCHERS } as const;
  for (const [key, known] of Object.entries(choices)) {
    const value = settings[key as keyof typeof choices];
    if (!(known as readonly string[]).includes(value)) {
      throw wrong(key, value, `it is one of ${known.join(", ")}`);
    }
  }
  if (settings.pilot === "mpi" && settings.kind !== "slurm") {
    throw wrong("pilot", settings.pilot, "only a Slurm queue starts the MPI pilot");
  }
  const { program } = settings;
  const usable = typeof program === "string" && (program === "" || isAbsolute(program));
  if (!usable || /[\n\r\0]/.test(program)) {
    throw wrong("program", program, "an absolute path of jumbo-pilot is wanted that nodes see too");
  }
  if (program !== "" && settings.pilot !== "mpi") {
    throw wrong("program", program, 'only a queue whose pilot is "mpi" has one');
  }
}

function checkCaps(caps: QueueSettings["caps"]): void {
  if (!Array.isArray(caps)) throw wrong("caps", caps, "a list is wanted");
  let before = 0;
  for (const { nodesBelow, seconds } of caps) {
    const rises = Number.isInteger(nodesBelow) && nodesBelow > before;
    if (!rises || typeof seconds !== "number" || !(seconds > 0)) {
      throw wrong("caps", caps, "rising {nodesBelow, seconds} are wanted");
    }
    before = nodesBelow;
  }
}

function wrong(key: string, value: unknown, why: string): JumboError {
  return new JumboError("usage", `queue setting "${key}" is ${JSON.stringify(value)} (${why})`, {
    subject: key,
  });
}

/** `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`: it is part of job and folder names. */
export function queueName(value: unknown): string {
  if (typeof value !== "string" || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)) {
    throw new JumboError(
      "usage",
      `queue name ${JSON.stringify(value)} is not usable (it becomes part of job and folder names) use up to 64 letters, digits, dots, dashes`,
      { subject: "name" },
    );
  }
  return value;
}

export const bundlesDirOf = (queue: string, settings: QueueSettings) =>
  join(settings.folder, queue, "bundles");

export const allocationDirOf = (queue: string, settings: QueueSettings, allocation: string) =>
  join(settings.folder, queue, allocation);
