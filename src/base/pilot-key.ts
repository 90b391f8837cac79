/**
 * Keys of allocations. A key is derived (HKDF-SHA-256, RFC 5869) from the store's own pilot key and
 * an *identity*, a line of text that says what the key is good for:
 *
 *   jumbo1/ALLOCATION/QUEUE/OWNER/CORES/ENROL/END
 *
 * "" in QUEUE or OWNER: any; 0 in CORES: any number. ENROL and END are whole seconds since 1970. A
 * pilot shows the identity (as PSK identity in the TLS handshake, and in hello's credential), the
 * engine derives the key again: it keeps no list of keys, and nobody can change a caveat without
 * losing the key. The identity alone is no secret.
 */
import { hkdfSync } from "node:crypto";
import { JumboError } from "./errors.ts";

/** What a key is good for, and until when. */
export interface PilotCaveats {
  /** Tells keys of equal terms apart: name of the batch job, or chance. */
  readonly allocation: string;
  /** The queue that its pilots say they are of; "": any. */
  readonly queue: string;
  /** Whose tasks its pilots may see; "": everybody's. */
  readonly owner: string;
  /** Most slots of one session, over all its nodes; 0: any number. */
  readonly cores: number;
  /** No new pilot may begin after this, wall clock in seconds since 1970. */
  readonly enrolBeforeSeconds: number;
  /** No pilot may stay connected after this, wall clock in seconds since 1970. */
  readonly notAfterSeconds: number;
}

/** Identity of the store's own key, which has no caveats. */
export const STORE_IDENTITY = "jumbo";
const VERSION = "jumbo1";
const SALT = "jumbo pilot key 1";
/** OpenSSL's limit of a PSK identity less its NUL. */
export const IDENTITY_BYTES_MAX = 255;
/** Time that pilots have beyond their allocation's walltime to say their last words. */
export const KEY_SLACK_SECONDS = 15 * 60;

const NAME = /^[A-Za-z0-9._@-]*$/;
const WHOLE = /^(0|[1-9]\d{0,14})$/;

/** Throws `usage` for caveats that an identity can't carry. */
export function identityOf(caveats: PilotCaveats): string {
  const { allocation, queue, owner, cores } = caveats;
  for (const [what, text] of Object.entries({ allocation, queue, owner })) {
    if (NAME.test(text)) continue;
    throw new JumboError(
      "usage",
      `${what} "${text}" can't stand in a pilot's key (it has other characters) use letters, digits, dots, _, @ and -`,
      { subject: what },
    );
  }
  const ends = [caveats.enrolBeforeSeconds, caveats.notAfterSeconds].map(Math.floor);
  const identity = [VERSION, allocation, queue, owner, cores, ...ends].join("/");
  if (identity.length > IDENTITY_BYTES_MAX) {
    throw new JumboError(
      "usage",
      `owner, queue and allocation are too long together for a pilot's key (it takes ${IDENTITY_BYTES_MAX} bytes) shorten one of them`,
    );
  }
  return identity;
}

/** What an identity says; null if it is none of an allocation. */
export function caveatsOf(identity: string): PilotCaveats | null {
  const parts = identity.split("/");
  if (identity.length > IDENTITY_BYTES_MAX || parts.length !== 7 || parts[0] !== VERSION) {
    return null;
  }
  const [, allocation, queue, owner, cores, enrol, end] = parts as string[] & { length: 7 };
  const names = [allocation, queue, owner] as string[];
  const numbers = [cores, enrol, end] as string[];
  if (!names.every((text) => NAME.test(text))) return null;
  if (!numbers.every((text) => WHOLE.test(text))) return null;
  return {
    allocation: allocation as string,
    queue: queue as string,
    owner: owner as string,
    cores: Number(cores),
    enrolBeforeSeconds: Number(enrol),
    notAfterSeconds: Number(end),
  };
}

/** The key of an identity in hex; null for an identity that is not understood. */
export function pilotKeyOf(storeKey: string, identity: string): string | null {
  if (identity === STORE_IDENTITY) return storeKey;
  if (caveatsOf(identity) === null) return null;
  const bytes = hkdfSync("sha256", Buffer.from(storeKey, "hex"), SALT, identity, 32);
  return Buffer.from(bytes).toString("hex");
}

/** What hello carries: the store's key alone, or an identity and its key. */
export function credentialOf(access: { pilotIdentity?: string; pilotKey: string }): string {
  const { pilotIdentity = STORE_IDENTITY, pilotKey } = access;
  return pilotIdentity === STORE_IDENTITY ? pilotKey : `${pilotIdentity}/${pilotKey}`;
}

export function splitCredential(credential: string): { identity: string; key: string } {
  const slash = credential.lastIndexOf("/");
  return slash < 0
    ? { identity: STORE_IDENTITY, key: credential }
    : { identity: credential.slice(0, slash), key: credential.slice(slash + 1) };
}
