/** Reading what site commands print: JSON documents and `key=value` lines, never trusted blindly. */
import { JumboError, messageOf } from "../base/index.ts";

export function badAnswer(command: string, why: string): JumboError {
  return new JumboError(
    "unreachable",
    `the answer of \`${command}\` is not understood (${why}) run it by hand to see what it prints`,
    { subject: command },
  );
}

/** The array `key` of a JSON document. */
export function rows(command: string, text: string, key: string): Record<string, unknown>[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw badAnswer(command, messageOf(error));
  }
  const found = record(document)[key];
  if (!Array.isArray(found)) throw badAnswer(command, `it has no list "${key}"`);
  return found.map(record);
}

export function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A number, or the later form {set, infinite, number}; -1 where there is none. */
export function numberOf(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  const { set, infinite, number } = record(value);
  if (infinite === true) return Number.POSITIVE_INFINITY;
  return set === true && typeof number === "number" ? number : -1;
}

/** `Key=value Key=value` as `scontrol -o` prints it; values have no spaces where we look. */
export function pairs(line: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const match of line.matchAll(/(?:^|\s)([A-Za-z][\w:/*.]*)=(\S*)/g)) {
    const [, key = "", value = ""] = match;
    if (!found.has(key)) found.set(key, value);
  }
  return found;
}

/** Seconds since 1970: SLURM_TIME_FORMAT=%s is set for every command. -1: N/A, Unknown, none. */
export function epochOf(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : -1;
}

/** `1-00:00:00`, `02:00:00`, `30:00`, `UNLIMITED`: Slurm's time limits, in seconds. */
export function limitSeconds(text: string | undefined): number {
  const match = /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)$/.exec(text ?? "");
  if (!match) return Number.POSITIVE_INFINITY;
  const [, days = "0", hours = "0", minutes = "0", seconds = "0"] = match;
  return Number(days) * 86_400 + Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
}
