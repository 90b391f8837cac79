/**
 * Lines of a stream payload -> what they say. A line that is no JSON object, or an object with none
 * of the protocol's keys, is log text; a line with a key of the protocol and a wrong value is a
 * breach, and so is one that begins like an object and is longer than PAYLOAD_LINE_BYTES_MAX.
 */
import { PAYLOAD_LINE_BYTES_MAX } from "../base/index.ts";

export type PayloadLine =
  | { readonly kind: "hello"; readonly slice: boolean }
  | { readonly kind: "ready"; readonly credits: number }
  | {
      readonly kind: "done";
      readonly id: string;
      /** Null: the range's own output path. */
      readonly output: { readonly path: string; readonly bytes: number | null } | null;
      readonly events: number;
      readonly cpuSeconds: number;
    }
  | {
      readonly kind: "failed";
      readonly id: string;
      readonly reason: string;
      readonly fatal: boolean;
    }
  | { readonly kind: "progress"; readonly id: string }
  | { readonly kind: "log"; readonly text: string }
  | { readonly kind: "breach"; readonly problem: string };

const OPEN_BRACE = 0x7b;
const NEWLINE = 10;
const CREDITS_MAX = 1024;

/** Cuts chunks into lines of at most PAYLOAD_LINE_BYTES_MAX bytes; longer ones are cut off there. */
export class LineSplitter {
  readonly #onLine: (line: Buffer, cut: boolean) => void;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(onLine: (line: Buffer, cut: boolean) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline < 0 ? chunk.length : newline;
      this.#keep(chunk.subarray(at, end));
      if (newline >= 0) this.finish();
      at = end + 1;
    }
  }

  #keep(part: Buffer): void {
    const room = PAYLOAD_LINE_BYTES_MAX - Math.min(this.#bytes, PAYLOAD_LINE_BYTES_MAX);
    if (room > 0 && part.length > 0) this.#parts.push(part.subarray(0, room));
    this.#bytes += part.length;
  }

  /** Ends the line, as a newline or the end of the stream does. */
  finish(): void {
    if (this.#bytes === 0) return;
    const line = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const cut = this.#bytes > PAYLOAD_LINE_BYTES_MAX;
    this.#parts = [];
    this.#bytes = 0;
    this.#onLine(line, cut);
  }
}

export function parsePayloadLine(line: Buffer, cut: boolean): PayloadLine {
  if (line[0] !== OPEN_BRACE) {
    const text = line.toString();
    return text.trimStart().startsWith("{") ? parseObject(text) : { kind: "log", text };
  }
  if (cut) return breach(`a line is longer than ${PAYLOAD_LINE_BYTES_MAX} bytes`);
  return parseObject(line.toString());
}

function parseObject(text: string): PayloadLine {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { kind: "log", text };
  }
  if ("hello" in value) return parseHello(value["hello"]);
  if ("ready" in value) return parseReady(value["ready"]);
  if ("done" in value) return parseDone(value["done"]);
  if ("failed" in value) return parseFailed(value["failed"]);
  if ("progress" in value) {
    const id = fieldsOf(value["progress"])["id"];
    return typeof id === "string" ? { kind: "progress", id } : breach("progress has no id");
  }
  return { kind: "log", text };
}

function breach(problem: string): PayloadLine {
  return { kind: "breach", problem };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function parseHello(value: unknown): PayloadLine {
  const { protocol, slice } = fieldsOf(value);
  if (protocol !== 1) return breach(`hello asks for protocol ${JSON.stringify(protocol)}, not 1`);
  return { kind: "hello", slice: slice !== false };
}

function parseReady(value: unknown): PayloadLine {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > CREDITS_MAX) {
    return breach(`ready gives ${JSON.stringify(value)} credits, not a whole number from 1`);
  }
  return { kind: "ready", credits: value as number };
}

function parseDone(value: unknown): PayloadLine {
  const { id, outputs, events, cpu } = fieldsOf(value);
  if (typeof id !== "string") return breach("done has no id");
  if (!Number.isInteger(events)) return breach("done has no whole number of events");
  let output: { path: string; bytes: number | null } | null = null;
  if (outputs !== undefined) {
    if (!Array.isArray(outputs) || outputs.length > 1) {
      return breach("done has outputs that are not one {path, bytes}");
    }
    if (outputs.length === 1) {
      const { path, bytes } = fieldsOf(outputs[0]);
      if (typeof path !== "string") return breach("done has an output without a path");
      output = { path, bytes: typeof bytes === "number" ? bytes : null };
    }
  }
  const cpuSeconds = typeof cpu === "number" && cpu >= 0 && Number.isFinite(cpu) ? cpu : 0;
  return { kind: "done", id, output, events: events as number, cpuSeconds };
}

function parseFailed(value: unknown): PayloadLine {
  const { id, code, message, fatal } = fieldsOf(value);
  if (typeof id !== "string") return breach("failed has no id");
  const codeText = code === undefined || code === null ? "" : ` ${String(code)}`;
  const messageText = typeof message === "string" && message !== "" ? `: ${message}` : "";
  const reason = `payload reported failure${codeText}${messageText}`;
  return { kind: "failed", id, reason, fatal: fatal === true };
}
