/**
 * The talk with the engine while a session lasts: started, bundle notices, exchanges and their
 * verdicts. Everything of one tick goes together, in this order: started, notices, exchange.
 *
 * A want stays parked at the engine: grants eat it up, and a new exchange goes out only when there
 * is something to report or the want grew; while reports wait for verdicts, only when it grew by
 * half of the reserve, since the next report asks along. At most IN_FLIGHT_MAX exchanges with
 * reports wait for verdicts; what ends meanwhile shares the next one, as commits of a group do.
 * Where an answer takes long, one waits, and a second one leaves only if it is full: to say more
 * often would only make the queue before the engine longer. So pilots say the less often, and the
 * more at once, the longer a busy engine takes to answer, and the want covers the round trip that
 * is measured: together they need no pacing and never overload it.
 */
import { RANGES_PER_EXCHANGE_MAX, type TaskId } from "../base/index.ts";
import {
  blocksRanges,
  layVerdicts,
  OUTCOME,
  type PilotMessage,
  type Report,
  type SpanBlock,
  VERDICT,
  type Verdicts,
} from "../wire/index.ts";
import { type Holdings, joined, spanBlocks } from "./holdings.ts";
import { buildReports } from "./reports.ts";
import type { HeldSpan } from "./work.ts";

const IN_FLIGHT_MAX = 2;
/** Round trip from which on one exchange at a time is enough. */
const LONG_TRIP_SECONDS = 0.1;
/** Keeps a frame far below its limit even if each item has a reason of its own. */
const ITEMS_PER_EXCHANGE_MAX = 1024;
const ROUND_TRIP_WEIGHT = 0.2;
const ROUND_TRIP_SECONDS_FIRST = 0.05;

export interface ExchangeHost {
  readonly holdings: Holdings;
  send(message: PilotMessage): boolean;
  /** URI of one of this pilot's bundles. */
  uri(bundle: number): string | undefined;
  want(): number;
  /** Ranges of the want that are for slots which are not free yet. */
  reserve(): number;
  freeSlots(): number;
  secondsLeft(): number;
}

interface InFlight {
  readonly reports: readonly Report[];
  readonly sentAtMs: number;
}

export interface Tally {
  accepted: number;
  unused: number;
  failed: number;
  returned: number;
  lost: number;
}

export class ExchangeLine {
  readonly tally: Tally = { accepted: 0, unused: 0, failed: 0, returned: 0, lost: 0 };
  readonly #host: ExchangeHost;
  readonly #inFlight = new Map<number, InFlight>();
  readonly #announced = new Set<number>();
  #started: HeldSpan[] = [];
  #sequence = 0;
  #parked = 0;
  #roundTripSeconds = ROUND_TRIP_SECONDS_FIRST;

  constructor(host: ExchangeHost) {
    this.#host = host;
  }

  /**
   * From a range's end to its replacement: a round trip, a moving mean of exchange -> verdicts; and
   * where one exchange at a time goes, the wait for the one that is under way.
   */
  get refillSeconds(): number {
    return this.#isLongTrip ? 2 * this.#roundTripSeconds : this.#roundTripSeconds;
  }

  get #isLongTrip(): boolean {
    return this.#roundTripSeconds > LONG_TRIP_SECONDS;
  }

  /** A new session: `parked` is the want of its hello. */
  open(parked: number): void {
    this.#sequence = 0;
    this.#parked = parked;
    this.#inFlight.clear();
    this.#announced.clear();
    // The engine may have lost any of these words, or died before it kept them.
    this.#started = [...this.#host.holdings.running()];
  }

  /** The session is gone: what had no answer will be said again. */
  lost(): void {
    this.#inFlight.clear();
    this.#started = [];
    this.#host.holdings.unsend();
  }

  granted(blocks: readonly SpanBlock[]): void {
    this.#parked = Math.max(0, this.#parked - blocksRanges(blocks));
  }

  started(span: HeldSpan): void {
    this.#started.push(span);
  }

  /** Sends what is due. */
  flush(): void {
    this.#sendStarted();
    const { holdings } = this.#host;
    while (holdings.waitingItems > 0 && this.#maySend) this.#exchange();
    if (this.#asks()) this.#exchange();
  }

  /** Whether the want is worth a message of its own. */
  #asks(): boolean {
    const want = this.#host.want();
    const grown = want - this.#parked;
    if (grown <= 0) return want === 0 && this.#parked > 0;
    return this.#inFlight.size === 0 || 2 * grown >= this.#host.reserve();
  }

  /** Whether the next exchange may carry reports. */
  get #maySend(): boolean {
    const { size } = this.#inFlight;
    if (size === 0 || size >= IN_FLIGHT_MAX) return size === 0;
    const isFull = this.#host.holdings.waitingItems >= ITEMS_PER_EXCHANGE_MAX;
    return isFull || !this.#isLongTrip;
  }

  #sendStarted(): void {
    if (this.#started.length === 0) return;
    const byTask = new Map<TaskId, HeldSpan[]>();
    for (const span of this.#started) {
      const spans = byTask.get(span.task);
      if (spans === undefined) byTask.set(span.task, [span]);
      else spans.push(span);
    }
    this.#started = [];
    const spans = [...byTask].flatMap(([task, list]) => spanBlocks(task, joined(list)));
    this.#host.send({ type: "started", spans });
  }

  #exchange(): void {
    const host = this.#host;
    const sequence = ++this.#sequence;
    const take = this.#maySend ? ITEMS_PER_EXCHANGE_MAX : 0;
    const items = host.holdings.toSend(sequence, take, RANGES_PER_EXCHANGE_MAX);
    const reports = buildReports(items);
    for (const { bundle } of reports) this.#announce(bundle);
    if (reports.length > 0) {
      this.#inFlight.set(sequence, { reports, sentAtMs: performance.now() });
    }
    this.#parked = host.want();
    host.send({
      type: "exchange",
      sequence,
      reports,
      want: this.#parked,
      freeSlots: host.freeSlots(),
      secondsLeft: host.secondsLeft(),
    });
  }

  #announce(bundle: number): void {
    if (bundle === 0 || this.#announced.has(bundle)) return;
    this.#announced.add(bundle);
    const uri = this.#host.uri(bundle) ?? "";
    this.#host.send({ type: "bundle", number: bundle, node: 0, uri });
  }

  /** False if the verdicts don't fit the exchange that they name. */
  onVerdicts({ sequence, runs }: Verdicts): boolean {
    const sent = this.#inFlight.get(sequence);
    // An exchange without reports may be answered too: with nothing.
    if (sent === undefined) return runs.length === 0 && sequence <= this.#sequence;
    const { tally } = this;
    const fits = layVerdicts(sent.reports, runs, ({ outcome }, _span, _first, count, verdict) => {
      if (outcome === OUTCOME.returned) tally.returned += count;
      else if (outcome === OUTCOME.lost) tally.lost += count;
      else if (outcome !== OUTCOME.done) tally.failed += count;
      else if (verdict === VERDICT.accepted || verdict === VERDICT.duplicate) {
        tally.accepted += count;
      } else tally.unused += count;
    });
    if (!fits) return false;
    const seconds = (performance.now() - sent.sentAtMs) / 1000;
    this.#roundTripSeconds += ROUND_TRIP_WEIGHT * (seconds - this.#roundTripSeconds);
    this.#inFlight.delete(sequence);
    this.#host.holdings.answered(sequence);
    return true;
  }
}
