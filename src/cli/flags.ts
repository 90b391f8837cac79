/** Values of flags that more than one command takes. Each throws `usage` with what would be right. */
import { resolve } from "node:path";
import { isLocal, JumboError, type PilotAddress, parsePilotAddress } from "../base/index.ts";

/** `HOST:PORT`, `[v6]:PORT` or `PORT`; port 0 picks one. Throws `usage`. */
export function parseHostPort(text: string, flag: string): { host: string; port: number } {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:]*):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) {
    throw new JumboError(
      "usage",
      `${flag} "${text}" is not understood (it is no HOST:PORT) write e.g. 127.0.0.1:0; port 0 picks a free one`,
      { subject: flag },
    );
  }
  return { host: (match[1] || "127.0.0.1").replace(/^\[|\]$/g, ""), port };
}

/**
 * Pilots' listeners. A bare HOST:PORT is tcp on loopback and tls elsewhere: what crosses a network
 * in clear must be asked for by name, as tcp://HOST:PORT.
 */
export function parseListen(text: string): PilotAddress {
  if (text.startsWith("unix:")) return { kind: "unix", path: resolve(text.slice("unix:".length)) };
  if (text.startsWith("spool:")) return parsePilotAddress(text);
  const place = parseHostPort(text.replace(/^(tcp|tls):\/\//, ""), "--listen");
  if (text.startsWith("tls://")) return { kind: "tls", ...place };
  const plain: PilotAddress = { kind: "tcp", ...place };
  return text.startsWith("tcp://") || isLocal(plain) ? plain : { kind: "tls", ...place };
}

export function wholeNumber(text: string, flag: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new JumboError(
      "usage",
      `${flag} "${text}" is not understood (a whole number from ${least} to ${most} is wanted)`,
      { subject: flag },
    );
  }
  return value;
}
