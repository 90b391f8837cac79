/**
 * The access file: how every client and pilot finds an engine. `serve` and `run` write it as
 * `access.json` (mode 0600) into the store's folder and replace it at each start; it counts as a
 * configured credential. Allocations get their own copy (mode 0400) with a key derived for them.
 */
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { JumboError, messageOf } from "./errors.ts";

export interface AccessFile {
  readonly schema: "access/1";
  readonly engineId: string;
  readonly pid: number;
  /** Base URL of the HTTP API, "" where none is served. */
  readonly http: string;
  /** Where pilots connect, in order of preference: `unix:/path`, `tcp://host:port`, `tls://host:port`, `spool:///folder`. */
  readonly pilots: readonly string[];
  /** Bearer token of the owner; "" in an allocation's copy. */
  readonly token: string;
  /** Credential of pilots: sent in hello, and the external PSK (hex) where TLS is on. */
  readonly pilotKey: string;
  /** What `pilotKey` is good for, see pilot-key.ts; absent: the store's own key, good for all. */
  readonly pilotIdentity?: string;
  /** `host:port` of an HTTP proxy through which tcp and tls addresses are reached by CONNECT. */
  readonly proxy?: string;
}

export type PilotAddress =
  | { readonly kind: "unix"; readonly path: string }
  /** A shared folder that a relay serves. */
  | { readonly kind: "spool"; readonly path: string }
  | { readonly kind: "tcp" | "tls"; readonly host: string; readonly port: number };

export function parsePilotAddress(text: string): PilotAddress {
  if (text.startsWith("unix:")) return { kind: "unix", path: text.slice("unix:".length) };
  if (text.startsWith("spool:///")) return { kind: "spool", path: text.slice("spool://".length) };
  const match = /^(tcp|tls):\/\/(\[[0-9a-fA-F:.]+\]|[^:/]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new JumboError(
      "usage",
      `pilot address "${text}" is not understood (it has no known form) use unix:/path, tcp://host:port, tls://host:port or spool:///folder`,
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
    typeof value.pilotKey !== "string" ||
    (value.pilotIdentity ?? "") !== String(value.pilotIdentity ?? "") ||
    (value.proxy ?? "") !== String(value.proxy ?? "")
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
    ...(value.pilotIdentity ? { pilotIdentity: value.pilotIdentity } : {}),
    ...(value.proxy ? { proxy: value.proxy } : {}),
  };
}

/** Whether an address can't be reached from other machines. */
export function isLocal(address: PilotAddress): boolean {
  if (address.kind === "unix") return true;
  return address.kind !== "spool" && /^(127\.|::1$|localhost$)/.test(address.host);
}

/** Written beside and renamed, so that a reader never sees half of it. `mode`: 0o600 or 0o400. */
export function writeAccessFile(path: string, access: AccessFile, mode: number): void {
  const partial = `${path}.partial`;
  rmSync(partial, { force: true });
  writeFileSync(partial, `${JSON.stringify(access, null, 2)}\n`, { mode });
  chmodSync(partial, mode);
  renameSync(partial, path);
}
