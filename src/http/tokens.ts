/**
 * Tokens of people and programs. A token is `jumbo_ID_SECRET`: the id finds its record, the secret
 * is 256 random bits of which only the SHA-256 (over the whole token) is kept. Records live in one
 * meta row of the store; this process is its only writer, and reads it once.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { JumboError } from "../base/index.ts";
import type { EngineClient } from "../broker/index.ts";

/** Each scope holds the ones before it. admin: all owners' tasks, pilots, all tokens. */
export const SCOPES = ["read", "write", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

/** Who speaks, as its token says. */
export interface Caller {
  readonly tokenId: string;
  readonly owner: string;
  readonly scope: Scope;
}

/** What is shown of a token; the secret is nowhere. */
export interface TokenView {
  readonly id: string;
  readonly owner: string;
  readonly scope: Scope;
  readonly createdWallMs: number;
  /** 0: never. */
  readonly expiresWallMs: number;
}

interface TokenRecord extends TokenView {
  readonly sha256: string;
}

export interface TokenRequest {
  readonly owner: string;
  readonly scope: Scope;
  /** Wall clock at which it ends, milliseconds since 1970; 0: never. */
  readonly expiresWallMs: number;
}

const META_KEY = "tokens";
const TOKENS_MAX = 10_000;
const TOKEN_PATTERN = /^jumbo_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;
const OWNER_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/;

/** Records of one engine, in step with its meta row; changes go one after the other. */
class TokenBook {
  readonly #client: EngineClient;
  #records: Map<string, TokenRecord> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: EngineClient) {
    this.#client = client;
  }

  async records(): Promise<Map<string, TokenRecord>> {
    if (this.#records === null) await this.change(() => false);
    return this.#records as unknown as Map<string, TokenRecord>;
  }

  /** `edit` changes a copy and says whether it did; kept once it is on disk. */
  change(edit: (records: Map<string, TokenRecord>) => boolean): Promise<void> {
    const turn = this.#last.then(async () => {
      const before = this.#records ?? (await this.#read());
      this.#records = before;
      const after = new Map(before);
      if (!edit(after)) return;
      const value = JSON.stringify([...after.values()]);
      await this.#client.ask("putMeta", { key: META_KEY, value });
      this.#records = after;
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #read(): Promise<Map<string, TokenRecord>> {
    const { value } = await this.#client.ask("getMeta", { key: META_KEY });
    const rows = value === null ? [] : (JSON.parse(value) as TokenRecord[]);
    return new Map(rows.map((row) => [row.id, row]));
  }
}

const books = new WeakMap<EngineClient, TokenBook>();

function bookOf(client: EngineClient): TokenBook {
  const known = books.get(client);
  if (known !== undefined) return known;
  const book = new TokenBook(client);
  books.set(client, book);
  return book;
}

/** Makes a token; its text is returned here and never again. On disk when this resolves. */
export async function createToken(
  client: EngineClient,
  request: TokenRequest,
  nowMs = Date.now(),
): Promise<{ token: string; view: TokenView }> {
  const { owner, scope, expiresWallMs } = request;
  if (!OWNER_PATTERN.test(owner)) {
    throw new JumboError(
      "usage",
      `"owner" is ${JSON.stringify(owner)} (owners are 1 to 128 letters, digits, dots, _, ` +
        "@ and -) write a name like ann",
      { subject: "owner" },
    );
  }
  if (!Number.isSafeInteger(expiresWallMs) || (expiresWallMs !== 0 && expiresWallMs <= nowMs)) {
    throw new JumboError(
      "usage",
      `"expiresWallMs" is ${expiresWallMs} (a token lives until some later time) write ` +
        "milliseconds since 1970, or 0 for a token without end",
      { subject: "expiresWallMs" },
    );
  }
  const id = randomBytes(6).toString("hex");
  const token = `jumbo_${id}_${randomBytes(32).toString("base64url")}`;
  const view = { id, owner, scope, createdWallMs: nowMs, expiresWallMs };
  await bookOf(client).change((records) => {
    if (records.size >= TOKENS_MAX) {
      throw new JumboError(
        "refused",
        `${records.size} tokens exist (no more are kept) revoke those that nobody uses`,
      );
    }
    records.set(id, { ...view, sha256: sha256Of(token) });
    return true;
  });
  return { token, view };
}

export async function listTokens(client: EngineClient): Promise<TokenView[]> {
  const records = await bookOf(client).records();
  return [...records.values()].map(({ sha256: _, ...view }) => view);
}

/** Throws JumboError("not_found") if there is none of that id. */
export async function revokeToken(client: EngineClient, id: string): Promise<void> {
  let found = false;
  await bookOf(client).change((records) => {
    found = records.delete(id);
    return found;
  });
  if (!found) {
    throw new JumboError(
      "not_found",
      `no token ${JSON.stringify(id)} (none of that id exists, or it is another owner's) ` +
        "list tokens to see their ids",
    );
  }
}

/** Whether any token could be used at `nowMs`. */
export async function hasUsableToken(client: EngineClient, nowMs = Date.now()): Promise<boolean> {
  const records = await bookOf(client).records();
  return [...records.values()].some((record) => isAlive(record, nowMs));
}

/** Who has this token; null if it is none of ours, revoked, or over. */
export async function authenticate(
  client: EngineClient,
  token: string,
  nowMs = Date.now(),
): Promise<Caller | null> {
  const id = TOKEN_PATTERN.exec(token)?.[1];
  if (id === undefined) return null;
  const record = (await bookOf(client).records()).get(id);
  if (record === undefined || !isAlive(record, nowMs)) return null;
  const same = timingSafeEqual(
    Buffer.from(record.sha256, "hex"),
    Buffer.from(sha256Of(token), "hex"),
  );
  return same ? { tokenId: id, owner: record.owner, scope: record.scope } : null;
}

export function scopeHolds(scope: Scope, wanted: Scope): boolean {
  return SCOPES.indexOf(scope) >= SCOPES.indexOf(wanted);
}

function isAlive(record: TokenRecord, nowMs: number): boolean {
  return record.expiresWallMs === 0 || nowMs < record.expiresWallMs;
}

function sha256Of(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
