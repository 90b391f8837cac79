/**
 * npm run campaign:hpc -- [--rounds N] [--slow-rounds N] [--ranges N] [--seed N] [--only WORD,...]
 *                         [--launchers NAME,...] [--minutes N]
 *
 * Each fault N times (the slow ones --slow-rounds times) at seeded moments of a run of short ranges,
 * by the launchers in turn, on the cluster fixture. Ends with a table and, if anything did not hold,
 * with 1 and the lines that run those rounds again. A new engine with an empty store every so often,
 * and after each round that went wrong, whose folder is kept.
 */
import { cpSync } from "node:fs";
import { tmpdir } from "node:os";
import { readArguments } from "../../bench/arguments.ts";
import { type Bed, LAUNCHERS, type Launcher } from "./bed.ts";
import { cluster, outside, tryOn, until } from "./cluster.ts";
import { FAULTS, type Fault } from "./faults.ts";
import { openBed, type RoundOutcome, survive } from "./round.ts";

const ROUNDS_PER_BED = 12;

const config = {
  options: {
    rounds: { type: "string", default: "20" },
    "slow-rounds": { type: "string", default: "6" },
    ranges: { type: "string", default: "20000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string", default: "" },
    launchers: { type: "string", default: LAUNCHERS.join(",") },
    minutes: { type: "string", default: "0" },
  },
} as const;
const numbers = ["rounds", "slow-rounds", "ranges", "seed", "minutes"];
const { values } = readArguments(import.meta.url, config, numbers);

interface Round {
  readonly fault: Fault;
  readonly launcher: Launcher;
  readonly seed: number;
}

interface Row {
  rounds: number;
  held: number;
  worstLost: number;
  launches: number;
  seconds: number;
}

/** Rounds in the order in which they run: each fault once, then again with the next launcher. */
function plan(): Round[] {
  const words = values.only.split(",");
  const launchers = values.launchers.split(",") as Launcher[];
  const chosen = FAULTS.filter(({ name }) => words.some((word) => name.includes(word)));
  const rounds: Round[] = [];
  const most = Math.max(Number(values.rounds), Number(values["slow-rounds"]));
  for (let i = 0; i < most; i++) {
    for (const [k, fault] of chosen.entries()) {
      if (i >= Number(fault.slow ? values["slow-rounds"] : values.rounds)) continue;
      const launcher = launchers[(i + k) % launchers.length] as Launcher;
      rounds.push({ fault, launcher, seed: Number(values.seed) + 1000 * k + i });
    }
  }
  return rounds;
}

/** All nodes as at the start: powered, thawed, known to Slurm as usable, without our processes. */
async function restore(): Promise<void> {
  for (const node of ["n1", "n2", "n3", "n4"]) {
    await cluster("node", node, "thaw").catch(() => "");
    await cluster("node", node, "heal").catch(() => "");
    for (const program of ["jumbo-pilot", "jumbo-echo"]) {
      await tryOn(node, "pkill", "-KILL", "-x", program);
    }
  }
  await until("usable nodes", 120, async () => {
    const states = (await tryOn("login", "sinfo", "-h", "-N", "-p", "main", "-o", "%T")).trim();
    if (states.includes("down") || states.includes("drain")) {
      await tryOn("login", "scontrol", "update", "nodename=n[1-4]", "state=resume");
    }
    return states.split("\n").every((state) => state === "idle");
  });
}

async function leftOver(): Promise<string> {
  for (const node of ["n1", "n2", "n3", "n4"]) {
    const found = (await tryOn(node, "pgrep", "-l", "jumbo-")).trim();
    if (found !== "") return `left on ${node}: ${found.replaceAll("\n", ", ")}`;
  }
  return "";
}

class Campaign {
  readonly table = new Map<string, Row>();
  readonly again: string[] = [];
  #bed: Bed | null = null;
  #used = 0;
  #small = false;

  async round({ fault, launcher, seed }: Round, number: number): Promise<void> {
    const bed = await this.#bedFor(fault);
    const ranges = Number(values.ranges);
    const outcome = await survive(bed, { fault, launcher, ranges, seed }, number);
    let { broken } = outcome;
    await restore();
    if (broken === "") broken = await leftOver();
    this.#count(`${fault.name}|${launcher}`, outcome, broken === "");
    const { lost, launches, seconds } = outcome;
    const verdict = broken === "" ? "held" : `BROKEN: ${broken}`;
    console.log(
      `${String(number).padStart(4)} ${fault.name.padEnd(32)} ${launcher.padEnd(15)} ` +
        `${seconds.toFixed(1).padStart(6)} s  lost ${lost}, ` +
        `${launches} launches, seed ${seed}: ${verdict}`,
    );
    if (broken !== "") {
      this.again.push(
        `npm run campaign:hpc -- --only "${fault.name}" --launchers ${launcher} ` +
          `--rounds 1 --slow-rounds 1 --seed ${seed}`,
      );
      const kept = `${tmpdir()}/jumbo-hpc-broken/${process.pid}-${number}`;
      cpSync(bed.folder, kept, { recursive: true });
      console.log(`     kept: ${kept}`);
      await this.close();
    }
  }

  async #bedFor(fault: Fault): Promise<Bed> {
    const small = fault.small === true;
    if (this.#bed !== null && (this.#used >= ROUNDS_PER_BED || small !== this.#small || small)) {
      await this.close();
    }
    this.#small = small;
    this.#used++;
    this.#bed ??= await openBed(fault);
    return this.#bed;
  }

  #count(key: string, outcome: RoundOutcome, held: boolean): void {
    const row = this.table.get(key) ?? {
      ...{ rounds: 0, held: 0, worstLost: 0, launches: 0, seconds: 0 },
    };
    row.rounds++;
    row.held += held ? 1 : 0;
    row.worstLost = Math.max(row.worstLost, outcome.lost);
    row.launches += outcome.launches;
    row.seconds += outcome.seconds;
    this.table.set(key, row);
  }

  async close(): Promise<void> {
    await this.#bed?.close().catch((error) => console.log(`     closing: ${error}`));
    this.#bed = null;
    this.#used = 0;
  }
}

function print(table: Map<string, Row>): void {
  console.log("\n| case | launcher | rounds | held | worst lost | launches | s a round |");
  console.log("|---|---|---|---|---|---|---|");
  for (const [key, row] of [...table].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const cells = [row.rounds, row.held, row.worstLost, row.launches];
    const seconds = (row.seconds / row.rounds).toFixed(0);
    console.log(`| ${key.replace("|", " | ")} | ${cells.join(" | ")} | ${seconds} |`);
  }
}

const why = outside();
if (why !== "") {
  console.error(`the campaign can't run here: ${why}`);
  process.exit(2);
}
const rounds = plan();
console.log(`${rounds.length} rounds of ${values.ranges} ranges, seed ${values.seed}`);
const campaign = new Campaign();
const endAt = Number(values.minutes) > 0 ? Date.now() + 60_000 * Number(values.minutes) : Infinity;
let stopped = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    stopped = true;
  });
}
let number = 0;
for (const round of rounds) {
  if (stopped || Date.now() > endAt) {
    console.log(`ended early after ${number} of ${rounds.length} rounds`);
    break;
  }
  await campaign.round(round, ++number);
}
await campaign.close();
print(campaign.table);
for (const line of campaign.again) console.log(`again: ${line}`);
process.exitCode = campaign.again.length > 0 ? 1 : 0;
