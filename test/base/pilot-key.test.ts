import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  caveatsOf,
  credentialOf,
  IDENTITY_BYTES_MAX,
  identityOf,
  JumboError,
  type PilotCaveats,
  pilotKeyOf,
  STORE_IDENTITY,
  splitCredential,
} from "../../src/base/index.ts";

const STORE_KEY = "ab".repeat(32);
const CAVEATS: PilotCaveats = {
  allocation: "4f1a",
  queue: "main",
  owner: "ann@site.org",
  cores: 64,
  enrolBeforeSeconds: 1_800_000_000,
  notAfterSeconds: 1_800_007_200,
};

describe("the key of an allocation", () => {
  it("stands in a readable identity", () => {
    const identity = "jumbo1/4f1a/main/ann@site.org/64/1800000000/1800007200";
    expect(identityOf(CAVEATS)).toBe(identity);
    expect(caveatsOf(identity)).toEqual(CAVEATS);
  });

  it("is HKDF-SHA-256 of the store's key, salt and identity", () => {
    // Computed with another HKDF: extract = HMAC(salt, key), expand = HMAC(extract, identity || 1).
    expect(pilotKeyOf(STORE_KEY, identityOf(CAVEATS))).toBe(
      "3d78047328f7e41b99a9f1d7a9070617d6aa6ec8459e25ed1d6a991971a0e177",
    );
    expect(pilotKeyOf(STORE_KEY, STORE_IDENTITY)).toBe(STORE_KEY);
  });

  it("comes back from what is shown, and another key belongs to any other terms", () => {
    const name = fc.stringMatching(/^[A-Za-z0-9._@-]{0,40}$/);
    const seconds = fc.integer({ min: 0, max: 4_000_000_000 });
    const caveats = fc.record({
      allocation: name,
      queue: name,
      owner: name,
      cores: fc.integer({ min: 0, max: 1_000_000 }),
      enrolBeforeSeconds: seconds,
      notAfterSeconds: seconds,
    });
    const keys = new Map<string, string>();
    fc.assert(
      fc.property(caveats, (terms) => {
        const pilotIdentity = identityOf(terms);
        const pilotKey = pilotKeyOf(STORE_KEY, pilotIdentity) as string;
        const shown = splitCredential(credentialOf({ pilotIdentity, pilotKey }));
        expect(shown).toEqual({ identity: pilotIdentity, key: pilotKey });
        expect(caveatsOf(shown.identity)).toEqual(terms);
        expect(keys.get(pilotKey) ?? pilotIdentity).toBe(pilotIdentity);
        keys.set(pilotKey, pilotIdentity);
      }),
    );
  });

  it.each([
    "",
    "mallory",
    "jumbo2/a/b/c/1/2/3",
    "jumbo1/a/b/c/1/2",
    "jumbo1/a/b/c/1/2/3/4",
    "jumbo1/a/b/c/01/2/3",
    "jumbo1/a/b/c/-1/2/3",
    "jumbo1/a/b c/d/1/2/3",
    `jumbo1/${"a".repeat(IDENTITY_BYTES_MAX)}/b/c/1/2/3`,
  ])("is none under the name %o", (identity) => {
    expect(caveatsOf(identity)).toBeNull();
    expect(pilotKeyOf(STORE_KEY, identity)).toBeNull();
  });

  it.each([
    [{ owner: "ann/jumbo" }, "owner"],
    [{ queue: "a b" }, "queue"],
    [{ allocation: "x".repeat(250) }, "too long"],
  ])("is not made for terms that can't stand in it: %o", (change, text) => {
    const make = () => identityOf({ ...CAVEATS, ...change });
    expect(make).toThrow(JumboError);
    expect(make).toThrow(text);
  });
});
