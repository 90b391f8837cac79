/**
 * Opens a socket to one address of an access file. `tls` is TLS 1.3 with the pilot key as external
 * PSK (identity "jumbo"): both sides prove that they know the key, and no certificate, hence no
 * host name, takes part.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { JumboError, type PilotAddress } from "../base/index.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const PSK_IDENTITY = "jumbo";
/** Node's PSK hook speaks SHA-256 only. */
const PSK_CIPHERS = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";

/** A connected socket, handshake done. Rejects with the socket's error or after 5 s. */
export function dial(address: PilotAddress, pilotKey: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = open(address, pilotKey);
    const timer = setTimeout(() => {
      socket.destroy(
        new JumboError("timed_out", `no answer within ${CONNECT_TIMEOUT_MS / 1000} s`),
      );
    }, CONNECT_TIMEOUT_MS);
    const onError = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once("error", onError);
    socket.once("close", () => onError(new Error("closed before it was open")));
    socket.once(address.kind === "tls" ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      socket.removeListener("error", onError);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

function open(address: PilotAddress, pilotKey: string): Socket {
  if (address.kind === "unix") return connectTcp({ path: address.path });
  const { host, port } = address;
  if (address.kind === "tcp") return connectTcp({ host, port });
  const psk = Buffer.from(pilotKey, "hex");
  return connectTls({
    host,
    port,
    pskCallback: () => ({ psk, identity: PSK_IDENTITY }),
    ciphers: PSK_CIPHERS,
    minVersion: "TLSv1.3",
    // There is no certificate whose name could be compared; the key is the proof.
    checkServerIdentity: () => undefined,
  });
}
