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
const NONE = -1;

export class Turns<Message> {
  readonly #work: (message: Message) => void;
  #waiting: Message[] = [];
  /** When this turn ends, or NONE: nothing has come yet. */
  #endsMs = NONE;

  constructor(work: (message: Message) => void) {
    this.#work = work;
  }

  offer(message: Message): void {
    if (this.#endsMs === NONE) this.#begin();
    if (this.#waiting.length === 0 && performance.now() < this.#endsMs) this.#work(message);
    else this.#waiting.push(message);
  }

  #begin(): void {
    this.#endsMs = performance.now() + TURN_MS;
    setImmediate(this.#next);
  }

  readonly #next = (): void => {
    this.#endsMs = NONE;
    if (this.#waiting.length === 0) return;
    this.#begin();
    let done = 0;
    do this.#work(this.#waiting[done++] as Message);
    while (done < this.#waiting.length && performance.now() < this.#endsMs);
    this.#waiting = this.#waiting.slice(done);
  };
}
