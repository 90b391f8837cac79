/**
 * What a pilot may do, from the credential of its hello and nothing else: the store's own key may do
 * everything, an allocation's key what its caveats say. No key is kept anywhere; an allocation's is
 * derived again from its identity at each hello (base/pilot-key.ts).
 */
import { timingSafeEqual } from "node:crypto";
import {
  caveatsOf,
  JumboError,
  pilotKeyOf,
  STORE_IDENTITY,
  splitCredential,
} from "../base/index.ts";
import type { Hello, NodeResources } from "../wire/index.ts";

export interface PilotRights {
  /** Of its key. */
  readonly identity: string;
  /** Whose tasks it may see; "": everybody's. */
  readonly owner: string;
  /** Queue that its key is for: that of pilots that name none; "": any. */
  readonly queue: string;
  /** Most slots over its nodes. */
  readonly slotsMax: number;
  /** Wall clock at which its session ends, ms since 1970. */
  readonly notAfterWallMs: number;
}

const ALL: PilotRights = {
  identity: STORE_IDENTITY,
  owner: "",
  queue: "",
  slotsMax: Number.POSITIVE_INFINITY,
  notAfterWallMs: Number.POSITIVE_INFINITY,
};

const text = (wallMs: number) => new Date(wallMs).toISOString().slice(0, 19);

export interface HelloCircumstances {
  readonly wallMs: number;
  /** The pilot was here before. */
  readonly isKnown: boolean;
  readonly revoked: { has(identity: string): boolean };
}

/** Throws JumboError("unauthorized") that says which caveat is not met. */
export function rightsOf(
  keys: ReadonlySet<string>,
  hello: Hello,
  at: HelloCircumstances,
): PilotRights {
  const { identity, key } = splitCredential(hello.credential);
  if (![...keys].some((storeKey) => isKey(pilotKeyOf(storeKey, identity), key))) {
    throw new JumboError(
      "unauthorized",
      "the pilot's credential is not known here (it may be of an earlier store) use the engine's own access file",
    );
  }
  const caveats = caveatsOf(identity);
  if (caveats === null) return ALL;
  if (at.revoked.has(identity)) throw keyRevoked();
  const { owner, queue, cores } = caveats;
  const notAfterWallMs = 1000 * caveats.notAfterSeconds;
  const enrolWallMs = 1000 * caveats.enrolBeforeSeconds;
  if (at.wallMs > notAfterWallMs) throw keyEnded(notAfterWallMs);
  if (!at.isKnown && at.wallMs > enrolWallMs) {
    throw new JumboError(
      "unauthorized",
      `the pilot comes too late (its key let new pilots begin until ${text(enrolWallMs)}Z) get an access file for a new allocation`,
    );
  }
  if (queue !== "" && hello.queue !== "" && hello.queue !== queue) {
    throw new JumboError(
      "unauthorized",
      `the pilot says that it is of queue "${hello.queue}" (its key is for "${queue}") start it with --queue ${queue}`,
    );
  }
  const slotsMax = cores === 0 ? Number.POSITIVE_INFINITY : cores;
  const rights = { identity, owner, queue, slotsMax, notAfterWallMs };
  checkSlots(rights, hello.nodes);
  return rights;
}

/** Throws `unauthorized` if the nodes have more slots than the key is for. */
export function checkSlots(rights: PilotRights, nodes: readonly NodeResources[]): void {
  const slots = nodes.reduce((sum, node) => sum + node.slots, 0);
  if (slots <= rights.slotsMax) return;
  throw new JumboError(
    "unauthorized",
    `the pilot offers ${slots} slots (its key is for ${rights.slotsMax} cores) start it with fewer --slots`,
  );
}

export function keyEnded(notAfterWallMs: number): JumboError {
  return new JumboError(
    "unauthorized",
    `the pilot's key has ended at ${text(notAfterWallMs)}Z (it lasts as long as its allocation and a little more) get an access file for a new allocation`,
  );
}

export function keyRevoked(): JumboError {
  return new JumboError(
    "unauthorized",
    "the pilot's key was revoked (an administrator of the engine took it back) get an access file for a new allocation",
  );
}

function isKey(expected: string | null, shown: string): boolean {
  if (expected === null || expected.length !== shown.length) return false;
  const [one, other] = [Buffer.from(expected), Buffer.from(shown)];
  return one.length === other.length && timingSafeEqual(one, other);
}
