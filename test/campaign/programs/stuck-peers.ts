/**
 * The peers that hurt, in a process of their own, so that what they cost here is not taken for what
 * they cost the engine: `node stuck-peers.ts COUNT PILOT-PORT HTTP-PORT`, the pilots' key in
 * PILOT_KEY. Half of COUNT say nothing; half say hello, beat, and never read. Besides, slow
 * loris on both ports. Says `dialled`, and `slow N` with the number still open when that changes.
 */
import { connect, type Socket } from "node:net";
import { encodeFrame } from "../../../src/wire/index.ts";

const LORIS = 50;
const DRIP_MS = 100;
const BEAT_MS = 500;

const [count = 0, pilotPort = 0, httpPort = 0] = process.argv.slice(2).map(Number);
const credential = process.env["PILOT_KEY"] ?? "";
const dial = () => connect(pilotPort, "127.0.0.1");

function stuck(i: number): void {
  const socket = dial();
  socket.on("error", () => {});
  if (i % 2 === 0) return;
  socket.on("connect", () => {
    socket.pause();
    const hello = { type: "hello", version: 1, role: "pilot", generation: 1, credential } as const;
    const rest = { software: "stuck", queue: "", allocation: "", nodes: [], held: [] };
    const end = { secondsLeft: -1, want: 0, freeSlots: 0 };
    socket.write(encodeFrame({ ...hello, pilotId: `stuck-${i}`, ...rest, ...end }));
    const beat = encodeFrame({ type: "heartbeat", freeSlots: 0, secondsLeft: -1 });
    const timer = setInterval(() => socket.write(beat), BEAT_MS);
    socket.on("close", () => clearInterval(timer));
  });
}

/** Sends one byte of `bytes` at a time. */
function drip(socket: Socket, bytes: Buffer): void {
  let at = 0;
  const timer = setInterval(() => {
    if (at < bytes.length && socket.writable) socket.write(bytes.subarray(at, ++at));
  }, DRIP_MS);
  socket.on("error", () => {});
  socket.on("close", () => {
    clearInterval(timer);
    console.log(`slow ${--slow}`);
  });
  // Whatever comes must be read, or the end would never be seen.
  socket.resume();
}

for (let i = 0; i < count; i++) stuck(i);
let slow = 2 * LORIS;
const frame = Buffer.concat([Buffer.from([0, 0, 4, 0]), Buffer.alloc(900)]);
const request = Buffer.from(`GET /api/v1/tasks HTTP/1.1\r\nX: ${"y".repeat(900)}`);
for (let i = 0; i < LORIS; i++) {
  drip(dial(), frame);
  drip(connect(httpPort, "127.0.0.1"), request);
}
console.log(`dialled ${slow}`);
