import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  FRAME_BYTES_MAX,
  HELLO_FRAME_BYTES_MAX,
  identityOf,
  parsePilotAddress,
  pilotKeyOf,
  SeededRandom,
} from "../../src/base/index.ts";
import {
  type CorePort,
  FrameGatherer,
  type FromCore,
  type ToCore,
} from "../../src/broker/index.ts";
import {
  type Gateway,
  type GatewayLimits,
  type GatewayPort,
  PSK_CIPHERS,
  startGateway,
} from "../../src/gateway/index.ts";
import { decodePayload, FrameSplitter } from "../../src/wire/index.ts";
import { forEachFrame } from "../helpers/frames.ts";

const KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/** The far side of the port: notes what comes and says what the test wants. */
class ScriptedCore implements CorePort {
  readonly batches: ToCore[] = [];
  readonly opened: { connection: number; peer: string }[] = [];
  readonly frames: { connection: number; text: string; bytes: number }[] = [];
  readonly closed: number[] = [];
  backlogBytes = 0;
  /** Answers of each frame. */
  answer: (connection: number, payload: Uint8Array) => Uint8Array[] = () => [];
  #listener: (batch: FromCore) => void = () => {};

  post(batch: ToCore): void {
    this.batches.push(batch);
    this.opened.push(...batch.opened);
    this.closed.push(...batch.closed);
    if (batch.frames === null) return;
    const out = new FrameGatherer();
    forEachFrame(batch.frames, (connection, payload) => {
      const text = Buffer.from(payload.subarray(0, 64)).toString("latin1");
      this.frames.push({ connection, text, bytes: payload.length });
      for (const answer of this.answer(connection, payload)) out.add(connection, framed(answer));
    });
    const frames = out.take();
    if (frames !== null) setImmediate(() => this.#listener({ frames, close: [] }));
  }

  onBatch(listener: (batch: FromCore) => void): void {
    this.#listener = listener;
  }

  say(connection: number, payloads: Uint8Array[], close: number[] = []): void {
    const out = new FrameGatherer();
    for (const payload of payloads) out.add(connection, framed(payload));
    this.#listener({ frames: out.take(), close });
  }
}

function framed(payload: Uint8Array | string): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload) : Buffer.from(payload);
  const frame = Buffer.alloc(4 + body.length);
  frame.writeUInt32BE(body.length);
  body.copy(frame, 4);
  return frame;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "jumbo-gw-"));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function start(
  limits: Partial<GatewayLimits> = {},
  listen = ["tcp://127.0.0.1:0"],
  core: ScriptedCore = new ScriptedCore(),
): Promise<{ core: ScriptedCore; gateway: Gateway; port: number }> {
  const gateway = await startGateway(core satisfies GatewayPort, {
    listen: listen.map(parsePilotAddress),
    pilotKey: () => KEY,
    limits: { lingerMs: 200, ...limits },
  });
  cleanups.push(() => gateway.close());
  const port = Number(/:(\d+)$/.exec(gateway.addresses[0] as string)?.[1] ?? 0);
  return { core, gateway, port };
}

interface Client {
  socket: Socket;
  payloads: Uint8Array[];
  ended: boolean;
}

function client(to: number | string): Client {
  const socket =
    typeof to === "number" ? connect({ port: to, host: "127.0.0.1" }) : connect({ path: to });
  return follow(socket);
}

function follow(socket: Socket): Client {
  const splitter = new FrameSplitter(FRAME_BYTES_MAX);
  const made: Client = { socket, payloads: [], ended: false };
  socket.on("data", (chunk) => made.payloads.push(...splitter.push(chunk as Buffer)));
  socket.on("error", () => {});
  socket.on("close", () => {
    made.ended = true;
  });
  cleanups.push(() => socket.destroy());
  return made;
}

async function until(condition: () => boolean, what: string, timeoutMs = 3_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`still waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function lastFault(from: Client): { code: string; message: string } {
  const message = decodePayload(from.payloads.at(-1) as Uint8Array, "engine");
  if (message.type !== "fault") throw new Error(`a ${message.type} came`);
  return message;
}

describe("frames", () => {
  it("cross whole and in order, however the bytes are cut", async () => {
    const { core, port } = await start();
    core.answer = (_, payload) => [payload];
    const peer = client(port);
    const random = new SeededRandom(5);
    const sent = Array.from({ length: 200 }, (_, i) => `${i}:${"x".repeat(random.below(300))}`);
    const stream = Buffer.concat(sent.map(framed));
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + random.below(900);
      peer.socket.write(stream.subarray(at, end));
      at = end;
      if (random.chance(0.2)) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => peer.payloads.length === sent.length, "all answers");
    expect(peer.payloads.map((payload) => Buffer.from(payload).toString())).toEqual(sent);
    expect(core.opened).toHaveLength(1);
    expect(core.opened[0]?.peer).toMatch(/^tcp 127\.0\.0\.1:\d+$/);
  });

  it("of many peers reach the core in fewer batches than frames", async () => {
    const { core, gateway, port } = await start();
    const peers = Array.from({ length: 20 }, () => client(port));
    for (const peer of peers) await until(() => !peer.socket.connecting, "the connect");
    for (const peer of peers) {
      peer.socket.cork();
      for (let i = 0; i < 50; i++) peer.socket.write(framed(`f${i}`));
      peer.socket.uncork();
    }
    await until(() => core.frames.length === 1000, "all frames");
    expect(core.batches.length).toBeLessThan(200);
    expect(gateway.counters).toMatchObject({ framesIn: 1000, connections: 20, opened: 20 });
  });

  it("leave for the core while the sockets are still being read, and in order", async () => {
    const { core, port } = await start();
    const peer = client(port);
    const sent = Array.from({ length: 2_000 }, (_, i) => `${i}`);
    peer.socket.write(Buffer.concat(sent.map(framed)));
    await until(() => core.frames.length === sent.length, "all frames");
    expect(core.frames.map((frame) => frame.text)).toEqual(sent);
    const sizes = core.batches.map((batch) => batch.frames?.ends.length ?? 0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(512);
  });

  it("tell the core of a connection with its first frame, and of its end", async () => {
    const { core, port } = await start();
    const silent = client(port);
    const speaker = client(port);
    speaker.socket.write(framed("hello"));
    await until(() => core.frames.length === 1, "the frame");
    expect(core.opened.map((each) => each.connection)).toEqual([core.frames[0]?.connection]);
    silent.socket.destroy();
    speaker.socket.destroy();
    await until(() => core.closed.length > 0, "the close");
    expect(core.closed).toEqual([core.frames[0]?.connection]);
  });

  it("said with a close are all sent before it, and the core is not told again", async () => {
    const { core, port } = await start();
    const peer = client(port);
    peer.socket.write(framed("hello"));
    await until(() => core.frames.length === 1, "the frame");
    const { connection } = core.frames[0] as { connection: number };
    const big = new Uint8Array(1_000_000).fill(7);
    core.say(connection, [big, big, Buffer.from("bye")], [connection]);
    await until(() => peer.ended, "the end");
    expect(peer.payloads.map((payload) => payload.length)).toEqual([1_000_000, 1_000_000, 3]);
    expect(core.closed).toEqual([]);
  });
});

describe("a bad peer", () => {
  it("with a first frame above its limit is told and dropped; later ones may be larger", async () => {
    const { core, gateway, port } = await start();
    const bad = client(port);
    const good = client(port);
    good.socket.write(framed("hello"));
    await until(() => core.frames.length === 1, "the hello");
    good.socket.write(framed("y".repeat(HELLO_FRAME_BYTES_MAX + 1)));
    bad.socket.write(framed("y".repeat(HELLO_FRAME_BYTES_MAX + 1)));
    await until(() => bad.ended && core.frames.length === 2, "the drop");
    expect(lastFault(bad)).toMatchObject({ code: "protocol" });
    expect(gateway.counters.malformed).toBe(1);
    expect(good.ended).toBe(false);
  });

  it("that speaks HTTP gets a fault, not a crash", async () => {
    const { core, port } = await start();
    const peer = client(port);
    peer.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => peer.ended, "the end");
    expect(lastFault(peer).message).toMatch(/bad frame: its length is 1195725856/);
    expect(core.frames).toEqual([]);
  });

  it("that says nothing is dropped by the hello timeout, one that spoke is not", async () => {
    const { core, gateway, port } = await start({ helloTimeoutMs: 100 });
    const silent = client(port);
    const speaker = client(port);
    speaker.socket.write(framed("hello"));
    await until(() => silent.ended, "the timeout");
    expect(lastFault(silent)).toMatchObject({ code: "timed_out" });
    expect(speaker.ended).toBe(false);
    expect(core.closed).toEqual([]);
    expect(gateway.counters.tooSlowIn).toBe(1);
  });

  it("that drips a frame byte by byte is dropped", async () => {
    const { gateway, port } = await start({ frameTimeoutMs: 120 });
    const loris = client(port);
    loris.socket.write(framed("hello"));
    loris.socket.write(framed("x".repeat(1000)).subarray(0, 10));
    const drip = setInterval(() => loris.socket.write("x"), 10);
    cleanups.push(() => clearInterval(drip));
    await until(() => loris.ended, "the drop");
    expect(lastFault(loris).message).toMatch(/a frame did not end/);
    expect(gateway.counters.tooSlowIn).toBe(1);
  });

  it("that never reads is paused, then dropped, while others are served", async () => {
    const { core, gateway, port } = await start({ outboxBytesMax: 1024 * 1024 });
    const stuck = client(port);
    const other = client(port);
    stuck.socket.write(framed("stuck"));
    await until(() => core.frames.length === 1, "its hello");
    stuck.socket.pause();
    core.answer = (_, payload) => [payload];
    const { connection } = core.frames[0] as { connection: number };
    for (let i = 0; i < 400 && gateway.counters.tooSlowOut === 0; i++) {
      core.say(connection, [new Uint8Array(64 * 1024)]);
      other.socket.write(framed(`ping${i}`));
      await until(() => other.payloads.length === i + 1, "the other's answer");
    }
    expect(gateway.counters.tooSlowOut).toBe(1);
    await until(() => core.closed.includes(connection), "its close");
    expect(other.ended).toBe(false);
  });

  it("whose outbox stands still is dropped", async () => {
    const { core, gateway, port } = await start({ outboxTimeoutMs: 100, helloTimeoutMs: 200 });
    const stuck = client(port);
    stuck.socket.write(framed("stuck"));
    await until(() => core.frames.length === 1, "its hello");
    stuck.socket.pause();
    const { connection } = core.frames[0] as { connection: number };
    for (let i = 0; i < 100; i++) core.say(connection, [new Uint8Array(64 * 1024)]);
    await until(() => core.closed.includes(connection), "its close");
    expect(gateway.counters.tooSlowOut).toBe(1);
  });

  it("above the number of sessions is told so", async () => {
    const { gateway, port } = await start({ sessionsMax: 2 });
    const peers = [client(port), client(port), client(port)];
    await until(() => peers.some((peer) => peer.ended), "the refusal");
    const refused = peers.filter((peer) => peer.ended);
    expect(refused).toHaveLength(1);
    expect(lastFault(refused[0] as Client)).toMatchObject({ code: "refused" });
    expect(gateway.counters.refusedFull).toBe(1);
  });

  it("of any kind never ends the gateway", async () => {
    const { core, gateway, port } = await start();
    const good = client(port);
    core.answer = (_, payload) => (payload.length === 4 ? [payload] : []);
    let pings = 0;
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, abrupt) => {
        const bad = client(port);
        await until(() => !bad.socket.connecting, "the connect");
        bad.socket.write(bytes);
        if (abrupt) bad.socket.resetAndDestroy();
        else bad.socket.end();
        good.socket.write(framed("ping"));
        pings++;
        await until(() => good.payloads.length === pings, "the answer");
      }),
      { numRuns: 60 },
    );
    await until(() => gateway.counters.connections === 1, "the closes");
    expect(good.ended).toBe(false);
  });
});

describe("a core that is behind", () => {
  it("is not given more until it has caught up", async () => {
    const { core, port } = await start({ backlogBytesMax: 1000 });
    const peer = client(port);
    core.backlogBytes = 5_000;
    peer.socket.write(framed("one"));
    await until(() => core.frames.length === 1, "the first");
    peer.socket.write(framed("two"));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(core.frames).toHaveLength(1);
    core.backlogBytes = 0;
    await until(() => core.frames.length === 2, "the second");
  });
});

describe("a unix socket", () => {
  it("is this user's alone, replaces a stale one, and is gone after the close", async () => {
    const path = join(folder(), "p.sock");
    const first = await start({}, [`unix:${path}`]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const peer = client(path);
    peer.socket.write(framed("hello"));
    await until(() => first.core.opened[0]?.peer === "unix", "the hello");
    await expect(start({}, [`unix:${path}`])).rejects.toThrow(/another engine answers there/);
    await first.gateway.close();
    expect(existsSync(path)).toBe(false);
  });

  it("left by a killed engine is replaced; another file is not", async () => {
    const path = join(folder(), "stale.sock");
    const { execFileSync } = await import("node:child_process");
    const die = `() => process.kill(process.pid, "SIGKILL")`;
    const leave = `require("net").createServer().listen(${JSON.stringify(path)}, ${die})`;
    expect(() => execFileSync(process.execPath, ["-e", leave], { stdio: "ignore" })).toThrow();
    expect(existsSync(path)).toBe(true);
    const { core } = await start({}, [`unix:${path}`]);
    client(path).socket.write(framed("hello"));
    await until(() => core.frames.length === 1, "the hello");

    const file = join(folder(), "file");
    writeFileSync(file, "precious");
    await expect(start({}, [`unix:${file}`])).rejects.toThrow(/is no socket/);
    await expect(start({}, [`unix:/${"x".repeat(120)}`])).rejects.toThrow(/choose a shorter one/);
  });
});

describe("listeners", () => {
  it("open all or none", async () => {
    const { gateway, port } = await start();
    const path = join(folder(), "p.sock");
    const both = [`unix:${path}`, `tcp://127.0.0.1:${port}`];
    await expect(start({}, both)).rejects.toMatchObject({ code: "conflict" });
    expect(existsSync(path)).toBe(false);
    expect(gateway.addresses).toEqual([`tcp://127.0.0.1:${port}`]);
  });
});

describe("TLS with the pilot key", () => {
  const dial = (port: number, key: string, identity = "jumbo") =>
    follow(
      connectTls({
        port,
        host: "127.0.0.1",
        minVersion: "TLSv1.3",
        ciphers: PSK_CIPHERS,
        pskCallback: () => ({ identity, psk: Buffer.from(key, "hex") }),
        checkServerIdentity: () => undefined,
      }),
    );

  it("carries frames for who has the key", async () => {
    const { core, gateway, port } = await start({}, ["tls://127.0.0.1:0"]);
    core.answer = (_, payload) => [payload];
    const peer = dial(port, KEY);
    peer.socket.write(framed("hello"));
    await until(() => peer.payloads.length === 1, "the answer");
    expect((peer.socket as unknown as { getProtocol(): string }).getProtocol()).toBe("TLSv1.3");
    expect(gateway.addresses[0]).toMatch(/^tls:\/\/127\.0\.0\.1:\d+$/);
  });

  it("carries frames for the key of an allocation, and for no other key under its name", async () => {
    const { core, gateway, port } = await start({}, ["tls://127.0.0.1:0"]);
    core.answer = (_, payload) => [payload];
    const terms = { allocation: "1", queue: "q", owner: "ann", cores: 4 };
    const identity = identityOf({ ...terms, enrolBeforeSeconds: 1, notAfterSeconds: 2 });
    const peer = dial(port, pilotKeyOf(KEY, identity) as string, identity);
    peer.socket.write(framed("hello"));
    await until(() => peer.payloads.length === 1, "the answer");
    const more = identityOf({ ...terms, cores: 8, enrolBeforeSeconds: 1, notAfterSeconds: 2 });
    const wrong = dial(port, pilotKeyOf(KEY, identity) as string, more);
    wrong.socket.write(framed("hello"));
    await until(() => wrong.ended, "the refusal");
    expect(gateway.counters.handshakesFailed).toBe(1);
  });

  it("turns away a wrong key, a wrong identity, and plain text", async () => {
    const { core, gateway, port } = await start({}, ["tls://127.0.0.1:0"]);
    const wrong = [dial(port, KEY.replace("0", "1")), dial(port, KEY, "mallory"), client(port)];
    for (const peer of wrong) peer.socket.write(framed("hello"));
    await until(() => wrong.every((peer) => peer.ended), "the refusals");
    expect(core.frames).toEqual([]);
    expect(gateway.counters.handshakesFailed).toBe(3);
  });
});
