/**
 * Durations (`90m`, `1h30m`, `HH:MM:SS`, plain seconds) and sizes (`4GiB`, `500MB`, plain bytes):
 * parse from what people type, print for what people read.
 */

const UNIT_SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of `90m`, `1h30m`, `01:30:00`, `30:00` or `5400`; null if it is none of these. */
export function parseDurationSeconds(text: string): number | null {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  const clock = /^(?:(\d+)-)?(\d+):([0-5]?\d)(?::([0-5]?\d))?$/.exec(trimmed);
  if (clock) {
    const [, days, first, second, third] = clock;
    const dayPart = Number(days ?? 0) * 86_400;
    if (third === undefined) return dayPart + Number(first) * 60 + Number(second);
    return dayPart + Number(first) * 3600 + Number(second) * 60 + Number(third);
  }
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(trimmed)) return null;
  let seconds = 0;
  for (const [, value, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    seconds += Number(value) * (UNIT_SECONDS[unit ?? "s"] ?? 1);
  }
  return seconds;
}

/** `1h 30m`, `2m 5s`, `3.2 s`, `12 ms`. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}h ${minutes}m` : `${minutes}m ${whole % 60}s`;
}

const UNIT_BYTES: Record<string, number> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  ki: 2 ** 10,
  kib: 2 ** 10,
  mi: 2 ** 20,
  mib: 2 ** 20,
  gi: 2 ** 30,
  gib: 2 ** 30,
  ti: 2 ** 40,
  tib: 2 ** 40,
};

/** Bytes of `4GiB`, `500MB` or `1024`; null if it is none of these. */
export function parseSizeBytes(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  if (!match) return null;
  const factor = UNIT_BYTES[(match[2] ?? "").toLowerCase()];
  return factor === undefined ? null : Math.round(Number(match[1]) * factor);
}

export function formatBytes(bytes: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let step = 0;
  while (value >= 1024 && step < names.length - 1) {
    value /= 1024;
    step++;
  }
  return `${step === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${names[step]}`;
}

/** `12,345,678` as `12 345 678`: digits in threes, the same in every locale. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, " ");
}

/** "1 node", "3 nodes": a count with its noun, which takes an s. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
