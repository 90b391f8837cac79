/**
 * All queues of an engine: their records, their provisioners, and the clock that lets each one be
 * looked after every few seconds. `serve` holds one; the HTTP API speaks to it.
 */
import { isAbsolute } from "node:path";
import { JumboError, messageOf } from "../base/index.ts";
import type { EngineClient } from "../broker/index.ts";
import { LocalProvisioner } from "./local.ts";
import type { Plan } from "./plan.ts";
import { QueueKeeper } from "./reconcile.ts";
import { type AllocationRecord, newQueue, type QueueRecord, QueueRecords } from "./records.ts";
import { type QueueSettings, queueName, settingsOf } from "./settings.ts";
import { SlurmProvisioner } from "./slurm.ts";
import type { PilotCommand, Provisioner, ProvisionerParts } from "./types.ts";

export interface FleetOptions {
  readonly client: EngineClient;
  /** The engine's access file; allocations get copies without the token. */
  readonly accessPath: string;
  /** How `jumbo` is started on the nodes. */
  readonly pilot: PilotCommand;
  readonly log: (line: string) => void;
}

/** A queue as people see it. */
export interface QueueView {
  readonly name: string;
  readonly kind: string;
  readonly paused: boolean;
  readonly settings: QueueSettings;
  readonly problem: string;
  /** No submission before this time; 0: none is held back. */
  readonly heldUntilSeconds: number;
  readonly lookedSeconds: number;
  /** S as learned; -1: nothing yet. */
  readonly startupSeconds: number;
  readonly allocations: readonly AllocationRecord[];
}

interface Kept {
  readonly keeper: QueueKeeper;
  readonly provisioner: Provisioner;
  readonly timer: NodeJS.Timeout;
}

/** How long `remove` waits for the jobs it took back. */
const REMOVE_SECONDS_MAX = 90;
/** How long of that pilots may take to finish what they run. */
const DRAIN_SECONDS_MAX = 30;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #records: QueueRecords;
  readonly #queues = new Map<string, Kept>();

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#records = new QueueRecords(options.client);
  }

  /** Goes on with the queues of earlier lives. The engine listens by now. */
  async start(): Promise<void> {
    for (const record of await this.#records.load()) {
      const { keeper } = this.#keep(record);
      try {
        if (keeper.live.length > 0) keeper.refreshAccess();
      } catch (error) {
        this.#options.log(`queue ${record.name}: ${messageOf(error)}`);
      }
    }
  }

  /** Slurm jobs go on without us; local pilots end. */
  async stop(): Promise<void> {
    const kept = [...this.#queues.values()];
    for (const { timer } of kept) clearInterval(timer);
    await Promise.all(kept.map(({ keeper }) => keeper.close()));
    await Promise.all(kept.map(({ provisioner }) => provisioner.close()));
  }

  list(): QueueView[] {
    return [...this.#queues.values()].map(({ keeper }) => viewOf(keeper));
  }

  show(name: string): QueueView {
    return viewOf(this.#queue(name).keeper);
  }

  /** Throws JumboError("usage") for wrong settings, "conflict" if the name is taken. */
  async add(name: unknown, settings: unknown, paused: boolean): Promise<QueueView> {
    const record = newQueue(queueName(name), settingsOf(settings));
    record.paused = paused;
    if (this.#queues.has(record.name)) {
      throw new JumboError(
        "conflict",
        `queue "${record.name}" is there already (names are unique) remove it first, or choose another name`,
        { subject: "name" },
      );
    }
    const kept = this.#keep(record);
    await this.#records.save(record);
    await this.#saveNames();
    void kept.keeper.pass();
    return viewOf(kept.keeper);
  }

  async pause(name: string): Promise<QueueView> {
    return await this.#setPaused(name, true);
  }

  async resume(name: string): Promise<QueueView> {
    return await this.#setPaused(name, false);
  }

  async #setPaused(name: string, paused: boolean): Promise<QueueView> {
    const { keeper } = this.#queue(name);
    await keeper.setPaused(paused);
    if (!paused) void keeper.pass();
    return viewOf(keeper);
  }

  /** Looks at the site now; submits nothing, also where the queue is not paused. */
  async dryRun(name: string): Promise<Plan> {
    return await this.#queue(name).keeper.dryRun();
  }

  /** Takes its jobs back, waits for their ends, forgets it. */
  async remove(name: string): Promise<void> {
    const { keeper, provisioner, timer } = this.#queue(name);
    for (const [gently, seconds] of [
      [true, DRAIN_SECONDS_MAX],
      [false, REMOVE_SECONDS_MAX - DRAIN_SECONDS_MAX],
    ] as const) {
      const deadline = performance.now() + seconds * 1000;
      await keeper.cancelAll("its queue is removed", gently);
      while (keeper.live.some((one) => one.jobId !== "") && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        await keeper.pass();
      }
    }
    clearInterval(timer);
    await keeper.close();
    await provisioner.close();
    this.#queues.delete(name);
    await this.#saveNames();
    await this.#records.remove(name);
  }

  #queue(name: string): Kept {
    const kept = this.#queues.get(name);
    if (kept) return kept;
    const names = [...this.#queues.keys()].join(", ") || "none";
    throw new JumboError("not_found", `no queue is named "${name}" (there are: ${names})`, {
      subject: "queue",
    });
  }

  #keep(record: QueueRecord): Kept {
    const { client, accessPath, pilot, log } = this.#options;
    const { name, settings } = record;
    const nowSeconds = () => Date.now() / 1000;
    const provisioner = provisionerOf({ queue: name, settings, pilot, nowSeconds, log });
    const keeper = new QueueKeeper({
      record,
      records: this.#records,
      provisioner,
      client,
      accessPath,
      claimedElsewhere: () => this.#claimedBeside(name),
      takenElsewhere: () => this.#takenBeside(name),
      nowSeconds,
      log,
    });
    const timer = setInterval(() => void keeper.tick(), settings.everySeconds * 1000);
    const kept = { keeper, provisioner, timer };
    this.#queues.set(name, kept);
    return kept;
  }

  #claimedBeside(name: string): number {
    let ranges = 0;
    for (const [other, { keeper }] of this.#queues) if (other !== name) ranges += keeper.claimed();
    return ranges;
  }

  /** Slurm queues are partitions of one cluster, and partitions may share nodes. */
  #takenBeside(name: string): string[] {
    if (this.#queue(name).keeper.record.settings.kind !== "slurm") return [];
    return [...this.#queues]
      .filter(([other, { keeper }]) => other !== name && keeper.record.settings.kind === "slurm")
      .flatMap(([, { keeper }]) => keeper.live.flatMap((one) => one.nodes));
  }

  async #saveNames(): Promise<void> {
    await this.#records.saveNames([...this.#queues.keys()]);
  }
}

function provisionerOf(parts: ProvisionerParts): Provisioner {
  const [program = ""] = parts.pilot.argv;
  if (!isAbsolute(program)) throw new Error(`the pilot's program "${program}" is no path`);
  return parts.settings.kind === "slurm"
    ? new SlurmProvisioner(parts)
    : new LocalProvisioner(parts);
}

function viewOf(keeper: QueueKeeper): QueueView {
  const { name, settings, paused, problem, heldUntilSeconds, startupSeconds, allocations } =
    keeper.record;
  return {
    name,
    kind: settings.kind,
    paused,
    settings,
    problem,
    heldUntilSeconds,
    lookedSeconds: keeper.lookedSeconds,
    startupSeconds,
    allocations: allocations.map((one) => ({ ...one })),
  };
}
