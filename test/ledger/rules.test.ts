import { describe, expect, test } from "vitest";
import type { BundleId, LeaseId, PilotNumber, ReasonId } from "../../src/base/index.ts";
import { leaseIdOf } from "../../src/base/index.ts";
import type { Lease, Ledger } from "../../src/ledger/index.ts";
import * as ledgerRoom from "../../src/ledger/index.ts";
import * as wireRoom from "../../src/wire/messages.ts";
import {
  ANNA,
  BELA,
  chargesAt,
  Disk,
  ledgerOf,
  NEW,
  say,
  stateAt,
  TASK,
  type Word,
} from "./setup.ts";

type Situation = (ledger: Ledger) => Lease;
const grantOne = (ledger: Ledger): Lease => ledger.grant(TASK, 0, 1, ANNA);
const after =
  (...words: Word[]): Situation =>
  (ledger) => {
    const lease = grantOne(ledger);
    for (const word of words) say(ledger, word, lease, 0);
    return lease;
  };
const expired =
  (...words: Word[]): Situation =>
  (ledger) => {
    const lease = after(...words)(ledger);
    ledger.expireDue(100);
    return lease;
  };
const regranted =
  (...words: Word[]): Situation =>
  (ledger) => {
    const lease = expired(...words)(ledger);
    ledger.grant(TASK, 0, 1, BELA);
    return lease;
  };

/** Situation of range 0, word of its first lease, verdict; then state, attempts/failures/losses. */
const VERDICTS: [string, Situation, Word, string, string, string][] = [
  ["held", after(), "started", "accepted", "running", "1/0/0"],
  ["held", after(), "done", "accepted", "done", "1/0/0"],
  ["held", after(), "failed", "accepted", "ready", "1/1/0"],
  ["held", after(), "fatal", "accepted", "failed", "1/1/0"],
  ["held", after(), "lost", "accepted", "ready", "1/0/1"],
  ["held", after(), "returned", "accepted", "ready", "0/0/0"],
  ["running", after("started"), "started", "duplicate", "running", "1/0/0"],
  ["running", after("started"), "done", "accepted", "done", "1/0/0"],
  ["running", after("started"), "failed", "accepted", "ready", "1/1/0"],
  ["running", after("started"), "lost", "accepted", "ready", "1/0/1"],
  ["running", after("started"), "returned", "accepted", "ready", "1/0/0"],
  ["done", after("done"), "done", "duplicate", "done", "1/0/0"],
  ["done", after("done"), "failed", "duplicate", "done", "1/0/0"],
  ["returned", after("returned"), "done", "stale", "ready", "0/0/0"],
  ["failed once", after("failed"), "done", "stale", "ready", "1/1/0"],
  ["failed for good", after("fatal"), "done", "closed", "failed", "1/1/0"],
  ["expired unstarted", expired(), "done", "accepted", "done", "1/0/0"],
  ["expired unstarted", expired(), "started", "stale", "ready", "0/0/0"],
  ["expired running", expired("started"), "done", "accepted", "done", "1/0/1"],
  ["expired running", expired("started"), "failed", "stale", "ready", "1/0/1"],
  ["granted anew", regranted(), "done", "stale", "held", "0/0/0"],
  ["granted anew", regranted("started"), "returned", "stale", "held", "1/0/1"],
];

describe("verdicts", () => {
  test.each(VERDICTS)("%s, then %#: %s", (_, situation, word, verdict, state, charges) => {
    const ledger = ledgerOf(3);
    const lease = situation(ledger);
    expect(say(ledger, word, lease, 0)).toBe(`1 ${verdict}`);
    expect(stateAt(ledger, 0)).toBe(state);
    expect(chargesAt(ledger, 0)).toBe(charges);
  });

  test("words about what never was are unknown", () => {
    const ledger = ledgerOf(10);
    const lease = ledger.grant(TASK, 2, 3, ANNA);
    expect(say(ledger, "done", { id: lease.id, pilot: BELA }, 2)).toBe("1 unknown");
    expect(say(ledger, "done", { id: (lease.id + 1) as LeaseId, pilot: ANNA }, 2)).toBe(
      "1 unknown",
    );
    expect(say(ledger, "done", { id: leaseIdOf(9, 1), pilot: ANNA }, 2)).toBe("1 unknown");
    expect(say(ledger, "done", lease, 2, 1, 7, 8 as never)).toBe("1 unknown");
    expect(say(ledger, "done", lease, 0, 12)).toBe("2 unknown, 3 accepted, 7 unknown");
    expect(say(ledger, "done", lease, 0, 2 ** 40)).toBe(`${2 ** 40} unknown`);
  });

  test("cancelled and finished tasks answer closed", () => {
    const ledger = ledgerOf(4);
    const lease = ledger.grant(TASK, 0, 4, ANNA);
    say(ledger, "done", lease, 0, 2);
    expect(ledger.cancelTask(TASK)).toEqual([lease]);
    expect(say(ledger, "done", lease, 0, 4)).toBe("4 closed");
    const counts = ledger.counts(TASK);
    expect(counts).toMatchObject({ ready: 0, leased: 0, done: 2, cancelled: 2, total: 4 });
    expect(ledger.nextReady(TASK, 0, 9)).toBeNull();

    const other = ledgerOf(1);
    const last = other.grant(TASK, 0, 1, ANNA);
    expect(() => other.finishTask(TASK)).toThrow("final");
    say(other, "done", last, 0);
    other.finishTask(TASK);
    expect(say(other, "done", last, 0)).toBe("1 closed");
  });

  test("the rooms on both sides of the wire number verdicts alike", () => {
    expect(ledgerRoom.VERDICT).toEqual(wireRoom.VERDICT);
  });
});

describe("charges", () => {
  test("a range that is only ever held is never charged and never fails", () => {
    const ledger = ledgerOf(1, { attemptsMax: 1, lossesMax: 1 });
    for (let i = 0; i < 10; i++) {
      ledger.renew(ANNA, 100);
      ledger.grant(TASK, 0, 1, ANNA);
      ledger.expireDue(100);
    }
    expect([stateAt(ledger, 0), chargesAt(ledger, 0)]).toEqual(["ready", "0/0/0"]);
    expect(ledger.rangeAt(TASK, 0).grants).toBe(10);
  });

  test("failures end at attempts, losses at losses, each for itself; retry clears both", () => {
    const ledger = ledgerOf(1, { attemptsMax: 2, lossesMax: 2 });
    for (const word of ["failed", "lost", "failed"] as const) {
      say(ledger, word, ledger.grant(TASK, 0, 1, ANNA), 0, 1, 5);
    }
    expect([stateAt(ledger, 0), chargesAt(ledger, 0)]).toEqual(["failed", "3/2/1"]);
    expect(ledger.rangeAt(TASK, 0).reason).toBe(5);
    expect(ledger.retry(TASK)).toBe(1);
    expect([stateAt(ledger, 0), chargesAt(ledger, 0)]).toEqual(["ready", "3/0/0"]);
  });

  test("a range that kills its pilots ends by its losses", () => {
    const ledger = ledgerOf(3, { lossesMax: 3 });
    for (let i = 0; i < 3; i++) {
      ledger.renew(ANNA, 100);
      say(ledger, "started", ledger.grant(TASK, 1, 1, ANNA), 1);
      ledger.expirePilot(ANNA, () => 4 as ReasonId);
    }
    expect([stateAt(ledger, 0), stateAt(ledger, 1)]).toEqual(["ready", "failed"]);
    expect(ledger.rangeAt(TASK, 1).reason).toBe(4);
  });

  test("start 255 is the last, whatever else is left", () => {
    const ledger = ledgerOf(1);
    for (let i = 0; i < 255; i++) {
      const lease = ledger.grant(TASK, 0, 1, ANNA);
      say(ledger, "started", lease, 0);
      say(ledger, "returned", lease, 0);
    }
    expect([stateAt(ledger, 0), chargesAt(ledger, 0)]).toEqual(["failed", "255/0/0"]);
    expect(ledger.retry(TASK)).toBe(0);
  });
});

describe("leases", () => {
  test("one renewal moves all deadlines of a pilot, and only its", () => {
    const ledger = ledgerOf(10);
    ledger.grant(TASK, 0, 2, ANNA);
    const second = ledger.grant(TASK, 2, 2, ANNA);
    const third = ledger.grant(TASK, 4, 2, BELA);
    ledger.renew(ANNA, 300);
    expect(ledger.expireDue(250)).toEqual([{ pilot: BELA, leases: [third] }]);
    expect(ledger.pilotDeadline(BELA)).toBeUndefined();
    expect(ledger.leasesOf(ANNA).map(({ id }) => id)).toContain(second.id);
    expect(ledger.recall(second.id)?.recalled).toBe(true);
    expect([ledger.openLeases, ledger.lease(third.id)]).toEqual([2, undefined]);
  });

  test("a range is granted once", () => {
    const ledger = ledgerOf(10);
    ledger.grant(TASK, 0, 5, ANNA);
    expect(() => ledger.grant(TASK, 4, 2, BELA)).toThrow("ready");
  });

  test("numbers end with the epoch and go on in the next one", () => {
    const ledger = ledgerOf(3, { leasesSpent: 2 ** 32 - 2 });
    const last = ledger.grant(TASK, 0, 1, ANNA);
    const next = ledger.grant(TASK, 1, 1, ANNA);
    expect([last.id, next.id]).toEqual([leaseIdOf(1, 2 ** 32 - 1), leaseIdOf(2, 1)]);
    expect(ledger.epoch).toBe(2);
    const disk = new Disk();
    disk.commit(ledger);
    const again = disk.recover(ledgerOf(3, { epoch: 2 }));
    expect(again.grant(TASK, 2, 1, ANNA).id).toBe(leaseIdOf(3, 1));
  });

  test("who comes back keeps what it lists; the rest returns, or is lost if it had started", () => {
    const ledger = ledgerOf(20);
    const lease = ledger.grant(TASK, 0, 6, ANNA);
    say(ledger, "started", lease, 4, 2);
    say(ledger, "done", lease, 0, 1);
    const elsewhere = ledger.grant(TASK, 6, 1, BELA);
    const held = [
      { lease: lease.id, first: 0, count: 2 },
      { lease: lease.id, first: 4, count: 1 },
      { lease: elsewhere.id, first: 6, count: 1 },
    ];
    const { refused } = ledger.reconcile(ANNA, held);
    expect(refused).toEqual([{ index: 2, lease: elsewhere.id, first: 6, count: 1 }]);
    const states = [0, 1, 2, 3, 4, 5].map((range) => stateAt(ledger, range));
    expect(states).toEqual(["done", "held", "ready", "ready", "running", "ready"]);
    expect([chargesAt(ledger, 2), chargesAt(ledger, 5)]).toEqual(["0/0/0", "1/0/1"]);
    ledger.check();
  });
});

test("a pilot's list may reach over ranges of a lease that have ended", () => {
  const ledger = ledgerOf(10);
  const lease = ledger.grant(TASK, 0, 6, ANNA);
  say(ledger, "started", lease, 0, 6);
  say(ledger, "done", lease, 1);
  say(ledger, "failed", lease, 3);
  ledger.grant(TASK, 3, 1, BELA);
  const { refused } = ledger.reconcile(ANNA, [{ lease: lease.id, first: 0, count: 6 }]);
  expect(refused).toEqual([{ index: 0, lease: lease.id, first: 3, count: 1 }]);
  const states = [0, 1, 2, 3, 4, 5].map((range) => stateAt(ledger, range));
  expect(states).toEqual(["running", "done", "running", "held", "running", "running"]);
  ledger.check();
});

describe("speculative copies", () => {
  const both = (): [Ledger, Lease, Lease] => {
    const ledger = ledgerOf(3);
    const first = ledger.grant(TASK, 0, 1, ANNA);
    say(ledger, "started", first, 0);
    return [ledger, first, ledger.grantCopy(TASK, 0, 1, BELA)];
  };

  test("the first done closes both, the other's is stale", () => {
    for (const winner of [0, 1]) {
      const [ledger, ...leases] = both();
      expect(say(ledger, "done", leases[winner]!, 0)).toBe("1 accepted");
      expect(say(ledger, "done", leases[1 - winner]!, 0)).toBe("1 stale");
      expect([ledger.openLeases, ledger.rangeAt(TASK, 0).lease]).toEqual([0, leases[winner]!.id]);
    }
  });

  test("a range has one copy at most, and only while it runs", () => {
    const [ledger] = both();
    expect(() => ledger.grantCopy(TASK, 0, 1, BELA)).toThrow("without a copy");
    ledger.grant(TASK, 1, 1, ANNA);
    expect(() => ledger.grantCopy(TASK, 1, 1, BELA)).toThrow("without a copy");
  });

  test("the copy takes over when the first lease is gone", () => {
    const [ledger, , copy] = both();
    say(ledger, "started", copy, 0);
    ledger.expireDue(100);
    expect([stateAt(ledger, 0), chargesAt(ledger, 0)]).toEqual(["running", "2/0/1"]);
    expect(ledger.rangeAt(TASK, 0).lease).toBe(copy.id);
    expect(say(ledger, "done", copy, 0)).toBe("1 accepted");
  });

  test("the copy's bad end charges its start and nothing else", () => {
    const [ledger, first, copy] = both();
    say(ledger, "fatal", copy, 0);
    expect([stateAt(ledger, 0), chargesAt(ledger, 0)]).toEqual(["running", "2/0/0"]);
    expect(say(ledger, "done", first, 0)).toBe("1 accepted");
  });
});

describe("ways back", () => {
  test("a lost bundle's ranges are done again, and nothing more goes into it", () => {
    const ledger = ledgerOf(10_000);
    const lease = ledger.grant(TASK, 4090, 10, ANNA);
    say(ledger, "done", lease, 4090, 4, 7);
    say(ledger, "done", lease, 4094, 4, 8);
    expect(ledger.reopenBundle(TASK, 7 as BundleId)).toBe(4);
    expect([4093, 4094].map((range) => stateAt(ledger, range))).toEqual(["ready", "done"]);
    expect(say(ledger, "done", lease, 4090, 4, 8)).toBe("4 stale");
    expect(say(ledger, "done", lease, 4098, 1, 7)).toBe("1 stale");
    expect([stateAt(ledger, 4098), chargesAt(ledger, 4098)]).toEqual(["ready", "1/0/1"]);
  });

  test("what is merged stays; counts tell it apart", () => {
    const ledger = ledgerOf(4);
    const lease = ledger.grant(TASK, 0, 4, ANNA);
    say(ledger, "done", lease, 0, 3);
    say(ledger, "fatal", lease, 3);
    ledger.setMergedBelow(TASK, 2);
    expect(ledger.counts(TASK)).toMatchObject({ merged: 2, done: 1, failed: 1 });
    expect(ledger.reopenRange(TASK, 1, false, 0 as ReasonId)).toBe(0);
    expect(ledger.reopenRange(TASK, 2, false, 9 as ReasonId)).toBe(1);
    expect(ledger.rangeAt(TASK, 2)).toMatchObject({ state: 0, reason: 9, lease: 0, bundle: 0 });
    ledger.check();
  });

  test("a charged reopening counts as a bad end", () => {
    const ledger = ledgerOf(1, { attemptsMax: 1 });
    say(ledger, "done", ledger.grant(TASK, 0, 1, ANNA), 0);
    expect(ledger.reopenRange(TASK, 0, true, 9 as ReasonId)).toBe(1);
    expect([stateAt(ledger, 0), chargesAt(ledger, 0)]).toEqual(["failed", "1/1/0"]);
  });

  test("an unreadable file fails its own ready ranges", () => {
    const ledger = ledgerOf(10_000);
    ledger.grant(TASK, 0, 1, ANNA);
    expect(ledger.failReady(TASK, 0, 5000, 3 as ReasonId)).toBe(4999);
    expect(ledger.counts(TASK)).toMatchObject({ leased: 1, failed: 4999, ready: 5000 });
    expect(ledger.nextReady(TASK, 0, 10)?.first).toBe(5000);
    ledger.check();
  });

  test("a task grows, also one whose last page is done", () => {
    const ledger = ledgerOf(3);
    say(ledger, "done", ledger.grant(TASK, 0, 3, ANNA), 0, 3);
    ledger.finishTask(TASK);
    ledger.extendTask(TASK, 5000);
    ledger.resumeTask(TASK, 0);
    expect(ledger.nextReady(TASK, 0, 9999)).toEqual({
      first: 3,
      count: 5000,
      attempts: 0,
      grants: 0,
    });
    ledger.check();
  });
});

describe("crashes", () => {
  test("a lease survives grant, checkpoint, cut and crash", () => {
    const ledger = ledgerOf(10);
    const disk = new Disk();
    const lease = ledger.grant(TASK, 0, 5, ANNA);
    for (let i = 0; i < 5; i++) {
      say(ledger, "done", ledger.grant(TASK, 5 + i, 1, BELA), 5 + i);
      disk.commit(ledger);
    }
    expect(disk.records[0]!.sequence).toBeGreaterThan(1);
    const again = disk.recover(ledgerOf(10, { epoch: 2 }));
    expect(again.lease(lease.id)).toMatchObject({ first: 0, count: 5, open: 5, pilot: ANNA });
    expect(again.pilotDeadline(ANNA)).toBe(1000);
    expect(say(again, "done", lease, 0, 5)).toBe("5 accepted");
  });

  test("a lease of the lost group is unknown, and its identity never comes back", () => {
    const ledger = ledgerOf(10);
    const disk = new Disk();
    say(ledger, "returned", ledger.grant(TASK, 0, 1, ANNA), 0);
    disk.commit(ledger);
    const lost = ledger.grant(TASK, 0, 1, ANNA);
    const again = disk.recover(ledgerOf(10, { epoch: 2 }));
    expect(say(again, "done", lost, 0)).toBe("1 unknown");
    const { refused } = again.reconcile(ANNA, [{ lease: lost.id, task: TASK, first: 0, count: 1 }]);
    expect(refused.length).toBe(1);
    expect(again.grant(TASK, 0, 1, ANNA).id).toBe(leaseIdOf(2, 1));
  });

  test("bundles told lost before a recovery leave what was issued known", () => {
    const disk = new Disk();
    const ledger = ledgerOf(10);
    const lease = ledger.grant(TASK, 0, 2, ANNA);
    disk.commit(ledger);
    for (let epoch = 2; epoch < 5; epoch++) {
      const next = ledgerOf(10, { epoch });
      next.loseBundle(5 as BundleId);
      disk.recover(next);
      expect(next.pending).toBe(false);
      expect(say(next, "done", lease, 0, 1, 5)).toBe("1 stale");
      disk.commit(next);
    }
  });

  test("an expired lease's late done is still accepted by the next life", () => {
    const ledger = ledgerOf(10);
    const disk = new Disk();
    const lease = ledger.grant(TASK, 0, 2, ANNA);
    ledger.expireDue(100);
    disk.commit(ledger);
    const again = disk.recover(ledgerOf(10, { epoch: 2 }));
    expect(say(again, "done", lease, 0, 2)).toBe("2 accepted");
  });

  test("a cancelled task comes back without leases", () => {
    const ledger = ledgerOf(10);
    const disk = new Disk();
    ledger.grant(TASK, 0, 2, ANNA);
    disk.commit(ledger, 0, 0);
    const fresh = new ledgerRoom.Ledger({ epoch: 2 });
    const terms = { id: TASK, ranges: 10, attemptsMax: 3, lossesMax: 5 };
    fresh.addTask(terms, { ...NEW, cancelled: true });
    disk.recover(fresh);
    expect([fresh.openLeases, fresh.counts(TASK).cancelled]).toEqual([0, 10]);
  });

  test("half a journal record is refused as damage, not half applied in silence", () => {
    const ledger = ledgerOf(10);
    ledger.grant(TASK, 0, 2, 3000 as PilotNumber);
    ledger.checkpoint(1, 0, 0);
    const bytes = ledger.takeJournal();
    const replay = (part: Uint8Array) => () => ledgerOf(10, { epoch: 2 }).replay(1, part);
    expect(replay(bytes.subarray(0, bytes.length - 1))).toThrow("can't be read");
    expect(replay(Uint8Array.of(9, ...bytes.subarray(1)))).toThrow("version 9");
  });
});
