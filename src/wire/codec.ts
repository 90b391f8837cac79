/**
 * Messages <-> payloads: positional arrays [type, ...], positions as in docs/reference/protocol.md.
 * Encoding writes into one reused buffer and copies the finished frame out; decoding is one strict
 * pass (reader.ts) that refuses everything the page does not allow, before anything is unpacked.
 *
 * A peer of another protocol version must be recognised even if it changed everything else, so
 * hello and welcome begin [type, version, ...] for ever and the version is looked at first.
 */
import { assert, FRAME_BYTES_MAX, JumboError, unreachable } from "../base/index.ts";
import { FRAME_PREFIX_BYTES } from "./frame.ts";
import { putGrantBody, readGrantBody } from "./grant-codec.ts";
import { MESSAGE, type Message, PROTOCOL_VERSION } from "./messages.ts";
import { Reader } from "./reader.ts";
import * as session from "./session-codec.ts";
import { readBriefly } from "./spans.ts";
import * as work from "./work-codec.ts";
import { tooLarge, Writer } from "./writer.ts";

const U32 = 0xffff_ffff;
const SAFE = Number.MAX_SAFE_INTEGER;
const GRANT_ITEMS = 6;
const PULSE_ITEMS = 1;
const BYE_ITEMS = 2;
/** Bytes kept by an idle encoder; a larger message's buffer is dropped after use. */
const KEEP_BYTES_MAX = 1024 * 1024;
const SHORT_BYTES = 64;

let shared = new Writer();
const reader = new Reader();

/** The frame of a message: u32 big-endian length, then the payload. */
export function encodeFrame(message: Message): Uint8Array {
  const out = shared;
  out.position = 0;
  appendFrame(out, message);
  const frame = copied(out);
  if (out.bytes.length > KEEP_BYTES_MAX) shared = new Writer();
  return frame;
}

/** Most frames are short: byte by byte is faster than a view of the writer's bytes to copy from. */
function copied(out: Writer): Uint8Array {
  const { bytes, position } = out;
  const frame = new Uint8Array(position);
  if (position > SHORT_BYTES) frame.set(bytes.subarray(0, position));
  else for (let i = 0; i < position; i++) frame[i] = bytes[i] as number;
  return frame;
}

/** Writes a whole frame at the writer's position; on an error the position is put back. */
export function appendFrame(out: Writer, message: Message): void {
  const start = out.position;
  try {
    out.reserve(FRAME_PREFIX_BYTES);
    out.position += FRAME_PREFIX_BYTES;
    putMessage(out, message);
    const size = out.position - start - FRAME_PREFIX_BYTES;
    if (size > FRAME_BYTES_MAX) throw tooLarge(`a ${message.type} frame`, size, FRAME_BYTES_MAX);
    out.bytes.writeUInt32BE(size, start);
  } catch (error) {
    out.position = start;
    throw error;
  }
}

function putMessage(out: Writer, message: Message): void {
  switch (message.type) {
    case "exchange":
      head(out, work.EXCHANGE_ITEMS, MESSAGE.exchange);
      work.putExchange(out, message);
      break;
    case "grant":
      head(out, GRANT_ITEMS, MESSAGE.grant);
      out.unsigned(message.sequence, SAFE, "sequence");
      putGrantBody(out, message);
      break;
    case "verdicts":
      head(out, work.VERDICTS_ITEMS, MESSAGE.verdicts);
      work.putVerdicts(out, message);
      break;
    case "started":
      head(out, work.STARTED_ITEMS, MESSAGE.started);
      work.putStarted(out, message);
      break;
    case "heartbeat":
      head(out, session.HEARTBEAT_ITEMS, MESSAGE.heartbeat);
      session.putHeartbeat(out, message);
      break;
    case "pulse":
      head(out, PULSE_ITEMS, MESSAGE.pulse);
      break;
    case "hello":
      head(out, session.HELLO_ITEMS, MESSAGE.hello);
      session.putHello(out, message);
      break;
    case "welcome":
      head(out, session.WELCOME_ITEMS, MESSAGE.welcome);
      session.putWelcome(out, message);
      break;
    case "bundle":
      head(out, work.BUNDLE_ITEMS, MESSAGE.bundle);
      work.putBundle(out, message);
      break;
    case "recall":
      head(out, work.RECALL_ITEMS, MESSAGE.recall);
      work.putRecall(out, message);
      break;
    case "drain":
      head(out, session.DRAIN_ITEMS, MESSAGE.drain);
      session.putDrain(out, message);
      break;
    case "bye":
      head(out, BYE_ITEMS, MESSAGE.bye);
      out.string(message.reason, "reason");
      break;
    case "fault":
      head(out, session.FAULT_ITEMS, MESSAGE.fault);
      session.putFault(out, message);
      break;
    case "resources":
      head(out, session.RESOURCES_ITEMS, MESSAGE.resources);
      session.putResources(out, message);
      break;
    default:
      unreachable(message);
  }
}

function head(out: Writer, items: number, type: number): void {
  out.array(items);
  out.unsigned(type, 0x7f, "message type");
}

/**
 * The message of a payload that came from a pilot or an engine. Throws JumboError "version" for a
 * hello or welcome of another protocol version, "protocol" for anything malformed, or sent by the
 * wrong side. The payload is `bytes`, or [begin, end) of them.
 */
export function decodePayload(
  bytes: Uint8Array,
  from: "pilot" | "engine",
  begin = 0,
  end = bytes.length,
): Message {
  assert(from === "pilot" || from === "engine", "a payload comes from a pilot or an engine");
  reader.reset(bytes, begin, end);
  try {
    const items = reader.array(U32, "message");
    const type = reader.unsigned(0, U32, "message type");
    if (type === MESSAGE.hello || type === MESSAGE.welcome) checkVersion(type);
    const message =
      from === "pilot" ? readPilotMessage(type, items) : readEngineMessage(type, items);
    reader.finish();
    return message;
  } finally {
    reader.release();
  }
}

/**
 * The same for who is done with a message before the next one comes: columns of its spans lie in
 * memory that the next call overwrites.
 */
export function decodeBriefly(
  bytes: Uint8Array,
  from: "pilot" | "engine",
  begin = 0,
  end = bytes.length,
): Message {
  readBriefly(true);
  try {
    return decodePayload(bytes, from, begin, end);
  } finally {
    readBriefly(false);
  }
}

function checkVersion(type: number): void {
  const at = reader.position;
  const version = reader.unsigned(0, U32, "version");
  if (version !== PROTOCOL_VERSION) {
    const side = type === MESSAGE.hello ? "pilot" : "engine";
    throw new JumboError(
      "version",
      `the ${side} speaks protocol version ${version} (this side speaks ${PROTOCOL_VERSION}) ` +
        "use the same release of Jumbo on both sides",
    );
  }
  reader.position = at;
}

function arity(items: number, due: number, what: string): void {
  if (items !== due) reader.fail(what, `has ${items} items`, `${due} items`);
}

function readPilotMessage(type: number, items: number): Message {
  switch (type) {
    case MESSAGE.exchange:
      arity(items, work.EXCHANGE_ITEMS, "exchange");
      return work.readExchange(reader);
    case MESSAGE.started:
      arity(items, work.STARTED_ITEMS, "started");
      return work.readStarted(reader);
    case MESSAGE.heartbeat:
      arity(items, session.HEARTBEAT_ITEMS, "heartbeat");
      return session.readHeartbeat(reader);
    case MESSAGE.bundle:
      arity(items, work.BUNDLE_ITEMS, "bundle");
      return work.readBundle(reader);
    case MESSAGE.hello:
      arity(items, session.HELLO_ITEMS, "hello");
      return session.readHello(reader);
    case MESSAGE.resources:
      arity(items, session.RESOURCES_ITEMS, "resources");
      return session.readResources(reader);
    default:
      return readEither(type, items, "pilot");
  }
}

function readEngineMessage(type: number, items: number): Message {
  switch (type) {
    case MESSAGE.grant: {
      arity(items, GRANT_ITEMS, "grant");
      const sequence = reader.unsigned(0, SAFE, "sequence");
      const { spans, tasks, files, offsets } = readGrantBody(reader);
      return { type: "grant", sequence, spans, tasks, files, offsets };
    }
    case MESSAGE.verdicts:
      arity(items, work.VERDICTS_ITEMS, "verdicts");
      return work.readVerdicts(reader);
    case MESSAGE.pulse:
      arity(items, PULSE_ITEMS, "pulse");
      return { type: "pulse" };
    case MESSAGE.recall:
      arity(items, work.RECALL_ITEMS, "recall");
      return work.readRecall(reader);
    case MESSAGE.welcome:
      arity(items, session.WELCOME_ITEMS, "welcome");
      return session.readWelcome(reader);
    case MESSAGE.fault:
      arity(items, session.FAULT_ITEMS, "fault");
      return session.readFault(reader);
    default:
      return readEither(type, items, "engine");
  }
}

function readEither(type: number, items: number, from: string): Message {
  switch (type) {
    case MESSAGE.drain:
      arity(items, session.DRAIN_ITEMS, "drain");
      return session.readDrain(reader);
    case MESSAGE.bye:
      arity(items, BYE_ITEMS, "bye");
      return { type: "bye", reason: reader.string("reason") };
    default:
      return reader.fail("message type", `is ${type}`, `a type that a ${from} sends`);
  }
}
