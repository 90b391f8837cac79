/**
 * Where pilots connect: TCP, a unix socket, or TLS 1.3 with an external pre-shared key, which needs
 * no certificate and gives both sides proof of the key before the first frame.
 */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, isIPv6, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import {
  JumboError,
  messageOf,
  type PilotAddress,
  pilotKeyOf,
  STORE_IDENTITY,
} from "../base/index.ts";
import { type Incoming, sharing, streamed } from "./incoming.ts";

/** The identity that pilots with the store's own key name in the TLS handshake. */
export const PSK_IDENTITY = STORE_IDENTITY;
/** External keys of TLS 1.3 are bound to SHA-256 unless agreed otherwise (RFC 8446, 4.2.11). */
export const PSK_CIPHERS = "TLS_AES_128_GCM_SHA256";
/** sun_path of Linux, its final NUL taken off. */
const UNIX_PATH_BYTES_MAX = 107;
const BACKLOG = 4096;

export interface ListenerParts {
  /** The store's pilot key in hex, asked at each TLS handshake, so that it can be changed. */
  pilotKey(): string;
  handshakeTimeoutMs: number;
  onSocket(incoming: Incoming, peer: string): void;
  onHandshakeFailed(): void;
}

export interface Listener {
  /** As an access file names it, with the port that was picked. */
  readonly address: string;
  /** Takes no new connections; those there are stay. */
  close(): void;
}

export async function openListener(wanted: PilotAddress, parts: ListenerParts): Promise<Listener> {
  if (wanted.kind === "spool") {
    throw new JumboError(
      "usage",
      `an engine can't listen on spool://${wanted.path} (a relay serves such folders) start one: jumbo pilot relay --folder ${wanted.path}`,
      { subject: wanted.path },
    );
  }
  const server = wanted.kind === "tls" ? tlsServer(parts) : plainServer(wanted.kind, parts);
  if (wanted.kind === "unix") {
    await clearUnixPath(wanted.path);
    await listenUnix(server, wanted.path);
    return { address: `unix:${wanted.path}`, close: () => closeServer(server) };
  }
  await listenTcp(server, wanted.host, wanted.port);
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : wanted.port;
  const host = isIPv6(wanted.host) ? `[${wanted.host}]` : wanted.host;
  return { address: `${wanted.kind}://${host}:${port}`, close: () => closeServer(server) };
}

const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };

function plainServer(kind: "tcp" | "unix", parts: ListenerParts): Server {
  const options = { ...(kind === "tcp" ? SOCKET_OPTIONS : {}), pauseOnConnect: true };
  return createServer(options, (socket) => {
    const peer = peerOf(socket, kind);
    parts.onSocket(sharing(socket), peer);
  });
}

function tlsServer(parts: ListenerParts): Server {
  const server = createTlsServer(
    {
      ...SOCKET_OPTIONS,
      minVersion: "TLSv1.3",
      ciphers: PSK_CIPHERS,
      handshakeTimeout: parts.handshakeTimeoutMs,
      pskCallback: (_socket, identity) => pskOf(parts.pilotKey(), identity),
    },
    (socket) => parts.onSocket(streamed(socket), peerOf(socket, "tls")),
  );
  server.on("tlsClientError", (_error, socket) => {
    parts.onHandshakeFailed();
    socket.destroy();
  });
  return server;
}

/** Whether the key has ended is the core's to say, in words: a handshake can only break off. */
function pskOf(storeKey: string, identity: string): Buffer | null {
  const key = pilotKeyOf(storeKey, identity);
  return key === null ? null : Buffer.from(key, "hex");
}

function peerOf(socket: Socket, kind: string): string {
  return kind === "unix" ? "unix" : `${kind} ${socket.remoteAddress ?? "?"}:${socket.remotePort}`;
}

function listenTcp(server: Server, host: string, port: number): Promise<void> {
  return listening(
    server,
    () => server.listen({ host, port, backlog: BACKLOG }),
    `${host}:${port}`,
  );
}

/** The socket is for this user alone, from its first moment on. */
async function listenUnix(server: Server, path: string): Promise<void> {
  await listening(
    server,
    () => {
      // Worker threads may not change it; there the chmod below comes a moment later.
      const before = trySetUmask(0o177);
      server.listen({ path, backlog: BACKLOG });
      if (before !== null) process.umask(before);
    },
    path,
  );
  chmodSync(path, 0o600);
}

function trySetUmask(mask: number): number | null {
  try {
    return process.umask(mask);
  } catch {
    return null;
  }
}

function listening(server: Server, listen: () => void, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const taken = error.code === "EADDRINUSE";
      const right = taken ? "stop what listens there, or choose another" : "choose another address";
      const message = `can't listen on ${where} (${messageOf(error)}) ${right}`;
      reject(
        new JumboError(taken ? "conflict" : "usage", message, { subject: where, cause: error }),
      );
    };
    server.once("error", failed);
    server.once("listening", () => {
      server.off("error", failed);
      // Accept errors (no descriptors left ...) must not end the engine; the next accept may work.
      server.on("error", () => {});
      resolve();
    });
    listen();
  });
}

/** Removes the socket that a killed engine left; refuses one that is alive, and other files. */
export async function clearUnixPath(path: string): Promise<void> {
  const bytes = Buffer.byteLength(path);
  if (bytes > UNIX_PATH_BYTES_MAX) {
    throw new JumboError(
      "usage",
      `unix socket ${path} has a path of ${bytes} bytes (the system takes ` +
        `${UNIX_PATH_BYTES_MAX}) choose a shorter one`,
      { subject: path },
    );
  }
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new JumboError(
      "conflict",
      `${path} is no socket (another file is there) choose another path for the unix socket`,
      { subject: path },
    );
  }
  if (await someoneListens(path)) {
    throw new JumboError(
      "conflict",
      `can't listen on ${path} (another engine answers there) stop it, or choose another path`,
      { subject: path },
    );
  }
  unlinkSync(path);
}

function someoneListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}

function closeServer(server: Server): void {
  server.close();
}
