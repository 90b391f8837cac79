/**
 * Allocations' keys that were taken back before their end. No key is kept anywhere
 * (credentials.ts), so it is their identities that are remembered, in one meta row, until a day
 * after they would have ended: the wall clock may be set back.
 */
import { caveatsOf, JumboError, STORE_IDENTITY } from "../base/index.ts";
import { packValue, unpackValue } from "../wire/index.ts";
import type { Book } from "./book.ts";

const META_KEY = "revokedKeys";
const KEPT_SECONDS = 86_400;
const REVOKED_MAX = 10_000;

export class RevokedKeys {
  readonly #book: Book;
  #identities: Set<string>;

  constructor(book: Book) {
    this.#book = book;
    const saved = book.meta(META_KEY);
    this.#identities = new Set(saved ? (JSON.parse(unpackValue(saved) as string) as string[]) : []);
  }

  has(identity: string): boolean {
    return this.#identities.has(identity);
  }

  /**
   * Durable with the next group. Throws JumboError("usage") if it is no allocation's identity, and
   * "refused" if too many are remembered.
   */
  add(identity: string, wallMs: number): void {
    checkIdentity(identity);
    const kept = [...this.#identities].filter(
      (one) => endSeconds(one) + KEPT_SECONDS > wallMs / 1000,
    );
    if (kept.length >= REVOKED_MAX) {
      throw new JumboError(
        "refused",
        `${kept.length} keys are revoked (no more are remembered before some of them end) give keys shorter lives`,
      );
    }
    this.#identities = new Set([...kept, identity]);
    this.#book.putMeta(META_KEY, packValue(JSON.stringify([...this.#identities])));
  }
}

function endSeconds(identity: string): number {
  return caveatsOf(identity)?.notAfterSeconds ?? 0;
}

function checkIdentity(identity: string): void {
  if (caveatsOf(identity) !== null) return;
  const isStores = identity === STORE_IDENTITY;
  throw new JumboError(
    "usage",
    isStores
      ? `"identity" is the store's own (its key is what all others are made of, and can't be taken back) revoke an allocation's`
      : `"identity" is ${JSON.stringify(identity)} (keys of allocations have another form) write what \`token create --pilot\` told, or the pilotIdentity of its access file`,
    { subject: "identity" },
  );
}
