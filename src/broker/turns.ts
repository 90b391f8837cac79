/**
 * Turns of the core's event loop. A message port hands over everything that has come, up to a
 * thousand messages, before anything else has its turn; under load that is a tenth of a second in
 * which a group that is on disk long ago is not acknowledged and the next one is not begun. So
 * messages are looked at for a few milliseconds a turn, and the rest waits, in order, for the next.
 *
 *   offer --at once, while there is time--> work
 *         --else--> waiting --next turn, after the loop's other callbacks--> work
 */

/** Long enough that what a turn costs by itself does not count, short beside a flush. */
const TURN_MS = 4;

export class Turns<Message> {
  readonly #work: (message: Message) => void;
  #waiting: Message[] = [];
  /** The loop's number of the turn that was begun last, and until when it looks at messages. */
  #turn = -1;
  #endsMs = 0;

  constructor(work: (message: Message) => void) {
    this.#work = work;
  }

  offer(message: Message): void {
    if (this.#waiting.length === 0 && this.#hasTime()) this.#work(message);
    else if (this.#waiting.push(message) === 1) setImmediate(this.#next);
  }

  /** The loop is asked only where time is up: a lone message costs no turn more. */
  #hasTime(): boolean {
    if (performance.now() < this.#endsMs) return true;
    const turn = turnOfLoop();
    if (turn === this.#turn) return false;
    this.#begin(turn);
    return true;
  }

  #begin(turn: number): void {
    this.#turn = turn;
    this.#endsMs = performance.now() + TURN_MS;
  }

  readonly #next = (): void => {
    this.#begin(turnOfLoop());
    let done = 0;
    do this.#work(this.#waiting[done++] as Message);
    while (done < this.#waiting.length && performance.now() < this.#endsMs);
    this.#waiting = this.#waiting.slice(done);
    if (this.#waiting.length > 0) setImmediate(this.#next);
  };
}

function turnOfLoop(): number {
  return performance.nodeTiming.uvMetricsInfo.loopCount;
}
