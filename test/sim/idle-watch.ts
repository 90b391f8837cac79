/**
 * I11: allocated cores are never idle because of us. A pilot that is served and awake has no free
 * slot while a range that it may run is ready: whatever makes ranges ready is pushed at once, not
 * at the engine's next look a second later. Nor is it idle for long beside ranges that wait for
 * their turn at another pilot: those are taken back.
 *
 * Not counted: pilots that may be quarantined or have not told yet what ended there, a range at its
 * last chance for a pilot that holds anything (it goes alone), and queues of stubborn pilots (the
 * engine may have given them to others). While frames are lost, or the disk is full, nobody is
 * looked at.
 */
import { STATE } from "../../src/ledger/index.ts";
import type { SimClient } from "./sim-client.ts";
import type { SimPilot } from "./sim-pilot.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Looks are half a second apart: it may not be so at two of them without a start in between. */
const IDLE_MS_MAX = 400;
/** The tail is looked at once a second, and who was asked may be asked again after five. */
const STARVES_MS_MAX = 7_000;
/** So many of a queue are left where they are: those that are thought to start very soon. */
const QUEUE_LEFT = 1;
/** A pilot with so many bad ends in a row may be quarantined. */
const SUSPECT = 3;

interface Ready {
  readonly task: number;
  readonly owner: string;
  /** Some of it may go to a pilot that holds others: one more loss would not be its last. */
  readonly robust: boolean;
}

interface Since {
  readonly atMs: number;
  readonly starts: number;
}

export class IdleWatch {
  readonly #time: VirtualTime;
  readonly #client: SimClient;
  /** Since when a pilot has free slots beside ready ranges, and how many it had started by then. */
  readonly #idles = new Map<SimPilot, Since>();
  /** The same of pilots that have nothing at all beside long queues of others. */
  readonly #starves = new Map<SimPilot, Since>();

  constructor(time: VirtualTime, client: SimClient) {
    this.#time = time;
    this.#client = client;
  }

  /** Once in a while; `calm`: nothing outside the engine keeps grants from arriving. */
  look(pilots: readonly SimPilot[], calm: boolean): void {
    if (!calm) {
      this.#idles.clear();
      this.#starves.clear();
      return;
    }
    let ready: readonly Ready[] | null = null;
    for (const pilot of pilots) {
      const wants = pilot.idleSlots > 0 && pilot.badInARow < SUSPECT;
      if (wants) ready ??= this.#ready();
      const its = (ready ?? []).filter(({ owner }) => wants && pilot.serves(owner));
      const feeds = its.filter(({ robust }) => robust || pilot.open === 0);
      this.#lookForQueues(pilot, wants && pilot.open === 0, pilots);
      if (this.#forMs(this.#idles, pilot, feeds.length > 0) <= IDLE_MS_MAX) continue;
      const tasks = feeds.map(({ task }) => task).join(", ");
      throw new Error(`I11: ${pilot.id} idles beside ready ranges of ${tasks}${this.#why(pilot)}`);
    }
  }

  #lookForQueues(pilot: SimPilot, isEmpty: boolean, pilots: readonly SimPilot[]): void {
    const holder = isEmpty
      ? pilots.find(
          (other) => other !== pilot && other.queuedFor(STARVES_MS_MAX, pilot) > QUEUE_LEFT,
        )
      : undefined;
    if (this.#forMs(this.#starves, pilot, holder !== undefined) <= STARVES_MS_MAX) return;
    throw new Error(
      `I11: ${pilot.id} starves beside the queue of ${holder?.id}${this.#why(pilot)}`,
    );
  }

  /** How long it has been so of this pilot, at each look and without a start in between. */
  #forMs(since: Map<SimPilot, Since>, pilot: SimPilot, isSo: boolean): number {
    const { nowMs } = this.#time;
    const { starts } = pilot;
    const began = since.get(pilot);
    if (isSo && began?.starts === starts) return nowMs - began.atMs;
    if (isSo) since.set(pilot, { atMs: nowMs, starts });
    else since.delete(pilot);
    return 0;
  }

  #ready(): Ready[] {
    const found: Ready[] = [];
    for (const { id, spec } of this.#client.tasks) {
      const columns = id === 0 ? null : this.#client.columns(id);
      if (columns === null) continue;
      let robust = false;
      let any = false;
      for (let i = 0; i < columns.state.length; i++) {
        if (columns.state[i] !== STATE.ready) continue;
        any = true;
        robust ||= (columns.losses[i] as number) < spec.losses - 1;
      }
      if (any) found.push({ task: id, owner: spec.owner, robust });
    }
    return found;
  }

  #why(pilot: SimPilot): string {
    let words = "";
    this.#client.ask("explainPilot", { pilot: pilot.id }, ({ lines }) => {
      words = `: ${lines.join("; ")}`;
    });
    return words;
  }
}
