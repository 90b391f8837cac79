/**
 * The HTTP API from the other side: finds the engine by its access file and turns its answers and
 * error documents into values and JumboErrors, so that a remote command ends with the same exit
 * code as a local one.
 */
import { join } from "node:path";
import type { Command } from "commander";
import {
  type AccessFile,
  ERRORS,
  type ErrorCode,
  JumboError,
  messageOf,
  readAccessFile,
} from "../base/index.ts";

export interface AccessFlags {
  store?: string;
  access?: string;
}

export function withAccess(command: Command): Command {
  return command
    .option("--store <dir>", "folder of a serving engine's store")
    .option("--access <file>", "its access file (default: $JUMBO_ACCESS)");
}

/** `--access FILE`, `--store DIR`, JUMBO_ACCESS, in this order. */
export function accessPathOf(flags: AccessFlags): string {
  if (flags.access) return flags.access;
  if (flags.store) return join(flags.store, "access.json");
  const fromEnvironment = process.env["JUMBO_ACCESS"];
  if (fromEnvironment) return fromEnvironment;
  throw new JumboError(
    "usage",
    "no engine is named (neither --store, --access nor JUMBO_ACCESS is given) name the store's folder with --store DIR",
  );
}

export class ApiClient {
  readonly access: AccessFile;

  constructor(access: AccessFile) {
    if (access.http === "") {
      throw new JumboError(
        "unreachable",
        "the engine of this access file serves no HTTP API (it belongs to `jumbo run`) use `jumbo serve`",
      );
    }
    this.access = access;
  }

  static fromFlags(flags: AccessFlags): ApiClient {
    return new ApiClient(readAccessFile(accessPathOf(flags)));
  }

  async get<Answer>(path: string): Promise<Answer> {
    return (await (await this.request("GET", path)).json()) as Answer;
  }

  async post<Answer>(path: string, body: unknown = {}): Promise<Answer> {
    return (await (await this.request("POST", path, body)).json()) as Answer;
  }

  async delete(path: string): Promise<void> {
    await this.request("DELETE", path);
  }

  /** The raw response of a successful request; throws a JumboError for any other. */
  async request(method: string, path: string, body?: unknown): Promise<Response> {
    const { http, token } = this.access;
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(`${http}/api/v1${path}`, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
      });
    } catch (error) {
      const cause =
        error instanceof Error && error.cause ? messageOf(error.cause) : messageOf(error);
      throw new JumboError(
        "unreachable",
        `no answer from ${http} (${cause}) is the engine running? start it with \`jumbo serve --store DIR\``,
      );
    }
    if (response.ok) return response;
    throw await errorOf(response);
  }
}

async function errorOf(response: Response): Promise<JumboError> {
  const text = await response.text();
  try {
    const document = JSON.parse(text) as { code?: string; message?: string; subject?: string };
    if (document.code !== undefined && document.code in ERRORS) {
      const about = document.subject === undefined ? {} : { subject: document.subject };
      return new JumboError(document.code as ErrorCode, document.message ?? "", about);
    }
  } catch {
    // Not our document: a proxy's page, perhaps. The status says what can be said.
  }
  return new JumboError(
    "unreachable",
    `the engine answered with status ${response.status} (${text.slice(0, 200)})`,
  );
}
