/**
 * Positions of the messages that open, keep and end a session: hello, welcome, heartbeat, pulse,
 * resources, drain, bye, fault. The functions put and read everything after the type.
 */
import {
  ARRAY_ITEMS_MAX,
  assert,
  EPOCH_MAX,
  FRAME_BYTES_MAX,
  SPANS_PER_MESSAGE_MAX,
} from "../base/index.ts";
import { putGrantBody, readGrantBody } from "./grant-codec.ts";
import {
  type Drain,
  type Fault,
  type Heartbeat,
  type Hello,
  type NodeResources,
  PROTOCOL_VERSION,
  type Resources,
  type SpanBlock,
  type Welcome,
} from "./messages.ts";
import type { Reader } from "./reader.ts";
import { putBlock, readBlock } from "./spans.ts";
import { tooLarge, type Writer } from "./writer.ts";

const U32 = 0xffff_ffff;
const SAFE = Number.MAX_SAFE_INTEGER;

export function putBlocks(out: Writer, blocks: readonly SpanBlock[], what: string): void {
  if (blocks.length > SPANS_PER_MESSAGE_MAX) {
    throw tooLarge(what, blocks.length, SPANS_PER_MESSAGE_MAX);
  }
  out.array(blocks.length);
  for (let i = 0; i < blocks.length; i++) putBlock(out, blocks[i]!);
}

export function readBlocks(from: Reader, what: string): SpanBlock[] {
  const length = from.array(SPANS_PER_MESSAGE_MAX, what);
  const blocks: SpanBlock[] = [];
  for (let i = 0; i < length; i++) blocks.push(readBlock(from));
  return blocks;
}

function putNodes(out: Writer, nodes: readonly NodeResources[]): void {
  if (nodes.length > ARRAY_ITEMS_MAX) throw tooLarge("nodes", nodes.length, ARRAY_ITEMS_MAX);
  out.array(nodes.length);
  for (const node of nodes) {
    out.array(5);
    out.string(node.name, "node name");
    out.unsigned(node.cores, U32, "cores");
    out.unsigned(node.gpus, U32, "gpus");
    out.unsigned(node.memoryMiB, SAFE, "memoryMiB");
    out.unsigned(node.slots, U32, "slots");
  }
}

function readNodes(from: Reader): NodeResources[] {
  const length = from.array(ARRAY_ITEMS_MAX, "nodes");
  const nodes: NodeResources[] = [];
  for (let i = 0; i < length; i++) {
    from.tuple(5, "node");
    const name = from.string("node name");
    const cores = from.unsigned(0, U32, "cores");
    const gpus = from.unsigned(0, U32, "gpus");
    const memoryMiB = from.unsigned(0, SAFE, "memoryMiB");
    const slots = from.unsigned(0, U32, "slots");
    nodes.push({ name, cores, gpus, memoryMiB, slots });
  }
  return nodes;
}

export const HELLO_ITEMS = 14;

export function putHello(out: Writer, hello: Hello): void {
  assert(hello.version === PROTOCOL_VERSION, "hello.version is not this protocol's");
  out.unsigned(hello.version, U32, "version");
  out.string(hello.role, "role");
  out.string(hello.pilotId, "pilotId");
  out.unsigned(hello.generation, U32, "generation");
  out.string(hello.credential, "credential");
  out.string(hello.software, "software");
  out.string(hello.queue, "queue");
  out.string(hello.allocation, "allocation");
  putNodes(out, hello.nodes);
  out.real(hello.secondsLeft, "secondsLeft");
  putBlocks(out, hello.held, "held");
  out.unsigned(hello.want, SAFE, "want");
  out.unsigned(hello.freeSlots, U32, "freeSlots");
}

export function readHello(from: Reader): Hello {
  const version = from.unsigned(PROTOCOL_VERSION, PROTOCOL_VERSION, "version");
  const role = from.string("role");
  if (role !== "pilot") from.fail("role", "is none that is known", '"pilot"');
  return {
    type: "hello",
    version,
    role,
    pilotId: from.string("pilotId"),
    generation: from.unsigned(0, U32, "generation"),
    credential: from.string("credential"),
    software: from.string("software"),
    queue: from.string("queue"),
    allocation: from.string("allocation"),
    nodes: readNodes(from),
    secondsLeft: from.real("secondsLeft"),
    held: readBlocks(from, "held"),
    want: from.unsigned(0, SAFE, "want"),
    freeSlots: from.unsigned(0, U32, "freeSlots"),
  };
}

export const WELCOME_ITEMS = 10;

export function putWelcome(out: Writer, welcome: Welcome): void {
  assert(welcome.version === PROTOCOL_VERSION, "welcome.version is not this protocol's");
  out.unsigned(welcome.version, U32, "version");
  out.string(welcome.engineId, "engineId");
  out.unsigned(welcome.epoch, EPOCH_MAX, "epoch");
  out.unsigned(welcome.session, U32, "session");
  out.unsigned(welcome.heartbeatMs, U32, "heartbeatMs");
  out.unsigned(welcome.leaseTermMs, U32, "leaseTermMs");
  out.unsigned(welcome.frameBytesMax, FRAME_BYTES_MAX, "frameBytesMax");
  putBlocks(out, welcome.refused, "refused");
  out.array(4);
  putGrantBody(out, welcome.grant);
}

export function readWelcome(from: Reader): Welcome {
  const version = from.unsigned(PROTOCOL_VERSION, PROTOCOL_VERSION, "version");
  const engineId = from.string("engineId");
  const epoch = from.unsigned(0, EPOCH_MAX, "epoch");
  const session = from.unsigned(0, U32, "session");
  const heartbeatMs = from.unsigned(0, U32, "heartbeatMs");
  const leaseTermMs = from.unsigned(0, U32, "leaseTermMs");
  const frameBytesMax = from.unsigned(0, FRAME_BYTES_MAX, "frameBytesMax");
  const refused = readBlocks(from, "refused");
  from.tuple(4, "grant");
  const grant = readGrantBody(from);
  return {
    type: "welcome",
    version,
    engineId,
    epoch,
    session,
    heartbeatMs,
    leaseTermMs,
    frameBytesMax,
    refused,
    grant,
  };
}

export const HEARTBEAT_ITEMS = 3;

export function putHeartbeat(out: Writer, heartbeat: Heartbeat): void {
  out.unsigned(heartbeat.freeSlots, U32, "freeSlots");
  out.real(heartbeat.secondsLeft, "secondsLeft");
}

export function readHeartbeat(from: Reader): Heartbeat {
  const freeSlots = from.unsigned(0, U32, "freeSlots");
  return { type: "heartbeat", freeSlots, secondsLeft: from.real("secondsLeft") };
}

export const RESOURCES_ITEMS = 3;

export function putResources(out: Writer, resources: Resources): void {
  putNodes(out, resources.nodes);
  out.real(resources.secondsLeft, "secondsLeft");
}

export function readResources(from: Reader): Resources {
  const nodes = readNodes(from);
  return { type: "resources", nodes, secondsLeft: from.real("secondsLeft") };
}

export const DRAIN_ITEMS = 3;

export function putDrain(out: Writer, drain: Drain): void {
  out.string(drain.reason, "reason");
  out.real(drain.secondsLeft, "secondsLeft");
}

export function readDrain(from: Reader): Drain {
  const reason = from.string("reason");
  return { type: "drain", reason, secondsLeft: from.real("secondsLeft") };
}

export const FAULT_ITEMS = 3;

export function putFault(out: Writer, fault: Fault): void {
  out.string(fault.code, "code");
  out.string(fault.message, "message");
}

export function readFault(from: Reader): Fault {
  const code = from.string("code");
  return { type: "fault", code, message: from.string("message") };
}
