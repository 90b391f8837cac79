/**
 * Progress on standard error: one line that is redrawn on a terminal, one line every ten seconds
 * elsewhere. It shows what is finished, the rate, what is left, and why things failed.
 */
import { formatCount, formatSeconds } from "../base/index.ts";
import type { TaskView } from "../broker/index.ts";
import { paint } from "./output.ts";

const REDRAW_MS = 100;
const LINE_MS = 10_000;
const BAR_CELLS = 24;

export class Progress {
  readonly #stream = process.stderr;
  readonly #quiet: boolean;
  readonly #began = performance.now();
  #drawnMs = Number.NEGATIVE_INFINITY;
  #drawn = false;

  constructor(quiet: boolean) {
    this.#quiet = quiet;
  }

  show(view: TaskView): void {
    if (this.#quiet) return;
    const nowMs = performance.now();
    const tty = this.#stream.isTTY === true;
    if (nowMs - this.#drawnMs < (tty ? REDRAW_MS : LINE_MS)) return;
    this.#drawnMs = nowMs;
    const line = progressLine(view, (nowMs - this.#began) / 1000);
    if (!tty) {
      this.#stream.write(`${line}\n`);
      return;
    }
    const columns = this.#stream.columns ?? 80;
    this.#stream.write(`\r\u001b[K${line.slice(0, columns - 1)}`);
    this.#drawn = true;
  }

  /** Leaves the last drawn line behind and says `text` below it. */
  say(text: string): void {
    if (this.#quiet) return;
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  clear(): void {
    if (this.#drawn) this.#stream.write("\r\u001b[K");
    this.#drawn = false;
    this.#drawnMs = Number.NEGATIVE_INFINITY;
  }
}

/** `dimuon  [######....]  1 200/2 421 events  310/s  4 s left  2 failed: exit 1`. */
export function progressLine(view: TaskView, elapsedSeconds: number): string {
  const { events } = view;
  const finished = events.done + events.failed;
  const share = events.total === 0 ? 1 : finished / events.total;
  const cells = Math.round(share * BAR_CELLS);
  const bar = `${"#".repeat(cells)}${".".repeat(BAR_CELLS - cells)}`;
  const rate =
    elapsedSeconds > 0.5 ? `  ${formatCount(Math.round(finished / elapsedSeconds))}/s` : "";
  const eta = view.etaSeconds >= 0 && share < 1 ? `  ${formatSeconds(view.etaSeconds)} left` : "";
  const worst = view.failures[0];
  const failed =
    events.failed > 0
      ? `  ${paint("red", `${formatCount(events.failed)} failed`)}${worst ? `: ${worst.reason}` : ""}`
      : "";
  const phase = view.state === "open" ? "" : `  ${view.state}`;
  return `${view.name}  [${bar}]  ${formatCount(finished)}/${formatCount(events.total)} events${rate}${eta}${phase}${failed}`;
}
