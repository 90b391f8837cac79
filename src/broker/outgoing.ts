/**
 * What the core sends, gathered into one batch a turn of the event loop.
 *
 * A grant answers an exchange at once, its verdicts follow when the group is on disk: two frames,
 * two writes, two wake-ups of the peer. Where many pilots speak at the same time that is what the
 * machine is busy with, and a grant then waits for its verdicts, for two turns of a short timer at
 * most: both leave in one write. A pilot that speaks alone never waits.
 */
import { NumberMap } from "../base/index.ts";
import { FrameGatherer, type FromCore, packed } from "./port.ts";

/** Frames in one batch from which on the core counts as busy. */
const BUSY_FRAMES = 4;
/** What waits leaves at the second turn after it came. */
const TURN_MS = 8;

interface Waiting {
  readonly frames: Uint8Array[];
  /** Number of the turn in which it came. */
  readonly since: number;
}

export class Outgoing {
  readonly #gatherer = new FrameGatherer();
  readonly #post: (message: ArrayBuffer | FromCore) => void;
  /** By connection. */
  readonly #waiting = new NumberMap<Waiting>();
  #turns = 0;
  #isTurning = false;
  #closing: number[] = [];
  #isPlanned = false;
  #isBusy = false;

  constructor(post: (message: ArrayBuffer | FromCore) => void) {
    this.#post = post;
  }

  /** So many frames came in the batch that is looked at next. */
  framesCame(frames: number): void {
    this.#isBusy = frames >= BUSY_FRAMES;
  }

  /** `mayWait`: another frame to the same connection follows soon. */
  send(connection: number, frame: Uint8Array, mayWait: boolean): void {
    if (mayWait && this.#isBusy) {
      this.#wait(connection, frame);
      return;
    }
    this.#release(connection);
    this.#gatherer.add(connection, frame);
    this.#plan();
  }

  /** After what was sent to it. */
  close(connection: number): void {
    this.#release(connection);
    this.#closing.push(connection);
    this.#plan();
  }

  #wait(connection: number, frame: Uint8Array): void {
    if (!this.#isTurning) {
      this.#isTurning = true;
      setTimeout(this.#turn, TURN_MS);
    }
    const waiting = this.#waiting.get(connection);
    if (waiting) waiting.frames.push(frame);
    else this.#waiting.set(connection, { frames: [frame], since: this.#turns });
  }

  #release(connection: number): void {
    const waiting = this.#waiting.get(connection);
    if (!waiting) return;
    this.#waiting.delete(connection);
    for (const frame of waiting.frames) this.#gatherer.add(connection, frame);
  }

  readonly #turn = (): void => {
    const due: number[] = [];
    this.#waiting.forEach(({ since }, connection) => {
      if (since < this.#turns) due.push(connection);
    });
    this.#turns++;
    for (const connection of due) this.#release(connection);
    if (due.length > 0) this.#plan();
    this.#isTurning = this.#waiting.size > 0;
    if (this.#isTurning) setTimeout(this.#turn, TURN_MS);
  };

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isPlanned = false;
    const frames = this.#gatherer.take();
    const close = this.#closing;
    if (close.length === 0) {
      if (frames) this.#post(packed(frames));
      return;
    }
    this.#closing = [];
    this.#post({ frames, close });
  };
}
