/**
 * Opens a socket to one address of an access file. `tls` is TLS 1.3 with the pilot key as external
 * PSK, its identity beside it: both sides prove that they know the key, and no certificate, hence
 * no host name, takes part. Where the access file or $JUMBO_PROXY names a proxy, tcp and tls
 * addresses are reached through its CONNECT; over tls it never sees the key.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import {
  type AccessFile,
  JumboError,
  type PilotAddress,
  parsePilotAddress,
  STORE_IDENTITY,
} from "../base/index.ts";
import { throughProxy } from "./proxy.ts";

const CONNECT_TIMEOUT_MS = 5_000;
/** Node's PSK hook speaks SHA-256 only. */
const PSK_CIPHERS = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";

export type DialAccess = Pick<AccessFile, "pilotKey" | "pilotIdentity" | "proxy">;

/** A connected socket, handshake done. Rejects with the socket's error or after 5 s. */
export async function dial(address: PilotAddress, access: DialAccess): Promise<Socket> {
  if (address.kind === "spool") {
    throw new JumboError(
      "usage",
      `this pilot can't use spool://${address.path} (only jumbo-pilot speaks through folders) start jumbo-pilot there`,
    );
  }
  const deadlineMs = performance.now() + CONNECT_TIMEOUT_MS;
  const timeLeftMs = () => Math.max(1, deadlineMs - performance.now());
  if (address.kind === "unix") {
    return opened(connectTcp({ path: address.path }), "connect", timeLeftMs());
  }
  const { host, port } = address;
  const proxy = process.env["JUMBO_PROXY"] ?? access.proxy ?? "";
  const first = proxy === "" ? { host, port } : proxyOf(proxy);
  let socket = await opened(connectTcp(first), "connect", timeLeftMs());
  if (proxy !== "") await throughProxy(socket, { host, port }, timeLeftMs());
  if (address.kind === "tls") socket = await secured(socket, access, timeLeftMs());
  return socket;
}

function opened(socket: Socket, event: string, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy(
        new JumboError("timed_out", `no answer within ${CONNECT_TIMEOUT_MS / 1000} s`),
      );
    }, timeoutMs);
    const onError = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    const onClose = () => onError(new Error("closed before it was open"));
    socket.once("error", onError);
    socket.once("close", onClose);
    socket.once(event, () => {
      clearTimeout(timer);
      socket.removeListener("error", onError);
      socket.removeListener("close", onClose);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

async function secured(socket: Socket, access: DialAccess, timeoutMs: number): Promise<Socket> {
  const psk = Buffer.from(access.pilotKey, "hex");
  const identity = access.pilotIdentity ?? STORE_IDENTITY;
  const secure = connectTls({
    socket,
    pskCallback: () => ({ psk, identity }),
    ciphers: PSK_CIPHERS,
    minVersion: "TLSv1.3",
    // The key is the proof: no certificate is trusted, and none has a name to compare.
    ca: [],
    checkServerIdentity: () => undefined,
  });
  await opened(secure, "secureConnect", timeoutMs);
  if (Object.keys((secure as TLSSocket).getPeerCertificate() ?? {}).length > 0) {
    const error = new Error("the other side showed a certificate instead of the key");
    secure.destroy();
    throw error;
  }
  return secure;
}

function proxyOf(text: string): { host: string; port: number } {
  const bare = text.replace(/^http:\/\//, "").replace(/\/$/, "");
  const address = parsePilotAddress(`tcp://${bare}`);
  if (address.kind !== "tcp") throw new Error(`proxy ${text} is no host:port`);
  return { host: address.host, port: address.port };
}
