import { describe, expect, it } from "vitest";
import {
  type End,
  ended,
  granted,
  type Holder,
  holderOf,
  mayBeCopy,
  NOBODY,
  type Standing,
  settled,
  started,
  unfailed,
  unlisted,
} from "./standing.ts";

const TERMS = { attempts: 2, losses: 2 };
const never = () => false;

function give(standing: Standing, lease: number, pilot: string, isPast = never as () => boolean) {
  const heard = { started: false, surely: false, late: false };
  const holder: Holder = { lease, pilot, atMs: 0, ...heard, sure: true, lapsed: false };
  return granted(standing, holder, isPast, TERMS);
}

/** p1 runs it, p2 has a copy. */
const twice = () => give(started(give(NOBODY, 1, "p1"), 1), 2, "p2");
const end = (standing: Standing, lease: number, how: End) => ended(standing, lease, how, TERMS);
const sure = ({ holders }: Standing) => holders.filter((one) => one.sure).map((one) => one.lease);

describe("who may hold a range", () => {
  it("refuses a second grant of what is not known to run, and a third in any case", () => {
    expect(() => give(give(NOBODY, 1, "p1"), 2, "p2")).toThrow("I7: p1 had it");
    expect(() => give(started(give(NOBODY, 1, "p1"), 1), 2, "p1")).toThrow("I7: p1 had it");
    expect(() => give(started(twice(), 2), 3, "p3")).toThrow("I3: two pilots");
  });

  it("lets a copy go on when the first one ends, and be copied itself once it runs", () => {
    const alone = end(twice(), 1, "lost");
    expect(sure(alone)).toEqual([2]);
    expect(mayBeCopy(alone, 2)).toBe(false);
    expect(() => give(alone, 3, "p3")).toThrow("I7: p2 had it");
    expect(sure(give(started(alone, 2), 3, "p3"))).toEqual([2, 3]);
  });

  it("doubts the other one after a done, a fatal end and a last charge, not after a copy's", () => {
    expect(sure(end(twice(), 1, "done"))).toEqual([]);
    expect(sure(end(twice(), 2, "done"))).toEqual([]);
    expect(sure(end(twice(), 1, "fatal"))).toEqual([]);
    expect(sure(end(twice(), 2, "fatal"))).toEqual([1]);
    const tried = { ...twice(), failures: 1 };
    expect(sure(end(tried, 1, "failed"))).toEqual([]);
    expect(sure(end(tried, 1, "lost"))).toEqual([2]);
    expect(end(tried, 2, "failed").failures).toBe(1);
  });

  it("charges a silent pilot once, and may still hear its done", () => {
    const silent = settled(twice(), (one) => one.pilot === "p1", TERMS);
    expect(silent.losses).toBe(1);
    expect(sure(silent)).toEqual([2]);
    expect(holderOf(silent, 1)?.lapsed).toBe(true);
    expect(settled(silent, (one) => one.pilot === "p1", TERMS)).toEqual(silent);
    expect(sure(settled({ ...twice(), losses: 1 }, (one) => one.pilot === "p1", TERMS))).toEqual(
      [],
    );
  });

  it("takes a grant beside one that may be open for its copy, unless that is past", () => {
    const silent = settled(started(give(NOBODY, 1, "p1"), 1), () => true, TERMS);
    expect(mayBeCopy(give(silent, 2, "p2"), 2)).toBe(true);
    expect(mayBeCopy(give(silent, 2, "p1"), 2)).toBe(false);
    expect(
      mayBeCopy(
        give(silent, 2, "p2", () => true),
        2,
      ),
    ).toBe(false);
  });

  it("still hears a done of what had expired when a hello left it out, until the next grant", () => {
    const silent = settled(started(give(NOBODY, 1, "p1"), 1), () => true, TERMS);
    const late = unlisted(silent, 1, TERMS);
    expect(holderOf(late, 1)?.late).toBe(true);
    expect(holderOf(give(late, 2, "p2"), 1)).toBeUndefined();
    expect(holderOf(unlisted(twice(), 1, TERMS), 1)).toBeUndefined();
  });

  it("knows from a grant or a retry that the last charge was none", () => {
    const spent = { ...NOBODY, losses: 3, failures: 5 };
    expect(unfailed(spent, TERMS)).toMatchObject({ losses: 1, failures: 1 });
    expect(give(spent, 1, "p1")).toMatchObject({ losses: 1, failures: 1 });
  });
});
