/**
 * The access file: how every client and pilot finds an engine. `serve` and `run` write it as
 * `access.json` (mode 0600) into the store's folder and replace it at each start; it counts as a
 * configured credential. Allocations get their own copy (mode 0400) with a key derived for them.
 */
import { readFileSync } from "node:fs";
import { JumboError, messageOf } from "./errors.ts";

export interface AccessFile {
  readonly schema: "access/1";
  readonly engineId: string;
  readonly pid: number;
  /** Base URL of the HTTP API, "" where none is served. */
  readonly http: string;
  /** Where pilots connect, in order of preference: `unix:/path`, `tcp://host:port`, `tls://host:port`. */
  readonly pilots: readonly string[];
  /** Bearer token of the owner; "" in an allocation's copy. */
  readonly token: string;
  /** Credential of pilots: sent in hello, and the external PSK (hex) where TLS is on. */
  readonly pilotKey: string;
}

export type PilotAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp" | "tls"; readonly host: string; readonly port: number };

export function parsePilotAddress(text: string): PilotAddress {
  if (text.startsWith("unix:")) return { kind: "unix", path: text.slice("unix:".length) };
  const match = /^(tcp|tls):\/\/(\[[0-9a-fA-F:.]+\]|[^:/]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new JumboError(
      "usage",
      `pilot address "${text}" is not understood (it has no known form) use unix:/path, tcp://host:port or tls://host:port`,
    );
  }
  const host = (match[2] as string).replace(/^\[|\]$/g, "");
  return { kind: match[1] as "tcp" | "tls", host, port };
}

/** Reads and checks an access file. Throws `unreachable` if there is none, `usage` if it is broken. */
export function readAccessFile(path: string): AccessFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new JumboError(
      "unreachable",
      `no access file at ${path} (${messageOf(error)}) start the engine with \`jumbo serve --store DIR\`, or name its file with --access`,
      { subject: path },
    );
  }
  let value: Partial<AccessFile>;
  try {
    value = JSON.parse(text) as Partial<AccessFile>;
  } catch (error) {
    throw new JumboError(
      "usage",
      `access file ${path} is no JSON (${messageOf(error)}) it is written by \`jumbo serve\` and not meant to be edited`,
      { subject: path },
    );
  }
  if (
    value.schema !== "access/1" ||
    !Array.isArray(value.pilots) ||
    typeof value.pilotKey !== "string"
  ) {
    throw new JumboError(
      "usage",
      `access file ${path} is not of schema access/1 (keys are missing) it is written by \`jumbo serve\` of this version`,
      { subject: path },
    );
  }
  return {
    schema: "access/1",
    engineId: value.engineId ?? "",
    pid: value.pid ?? 0,
    http: value.http ?? "",
    pilots: value.pilots,
    token: value.token ?? "",
    pilotKey: value.pilotKey,
  };
}
