/**
 * Key lists that ROOT files may have: several cycles, several trees, RNTuples, folders, cuts. Made
 * from a real file by writing another list of keys behind its end and pointing its directory there.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Workbench } from "../helpers/scanning.ts";
import { sharedData } from "../helpers/shared-data.ts";

const bench = new Workbench();
afterAll(() => bench.remove());

interface Key {
  name: string;
  cycle: number;
  className: string;
}

/** A TKey record's head: `key` with the place of the object that the original key points to. */
function keyBytes(original: Buffer, key: Key): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
  const fixed = Buffer.from(original.subarray(0, 26));
  fixed.writeUInt16BE(key.cycle, 16);
  const bytes = Buffer.concat([fixed, text(key.className), text(key.name), text("")]);
  bytes.writeUInt16BE(bytes.length, 14); // length of the key itself
  return bytes;
}

/** HZZ with other top-level keys, all pointing to its tree; a tree's name must have 6 letters. */
function withKeys(keys: readonly Key[]): Buffer {
  const file = readFileSync(join(sharedData ?? "", "root/uproot-HZZ.root"));
  const begin = file.readUInt32BE(8);
  const nameBytes = file.readUInt32BE(28);
  const directory = begin + nameBytes; // version 2, times 8, key bytes 4, name bytes 4, seeks
  const listAt = file.readUInt32BE(directory + 26);
  const listKeyBytes = file.readUInt16BE(listAt + 14);
  const original = file.subarray(listAt + listKeyBytes + 4);
  const count = Buffer.alloc(4);
  count.writeUInt32BE(keys.length);
  const body = Buffer.concat([count, ...keys.map((key) => keyBytes(original, key))]);
  const list = Buffer.concat([file.subarray(listAt, listAt + listKeyBytes), body]);
  list.writeUInt32BE(list.length, 0);
  const patched = Buffer.concat([file, list]);
  patched.writeUInt32BE(list.length, directory + 10);
  patched.writeUInt32BE(file.length, directory + 26);
  patched.writeUInt32BE(patched.length, 12);
  return patched;
}

describe.skipIf(sharedData === null)("ROOT keys", () => {
  const tree = (name: string, cycle = 1): Key => ({ name, cycle, className: "TTree" });
  const ntuple: Key = { name: "Data", cycle: 1, className: "ROOT::RNTuple" };

  it("takes several cycles of one key as one tree", async () => {
    const path = bench.file("cycles.root", withKeys([tree("events", 1), tree("events", 7)]));
    const file = await bench.scan(path);
    expect([file.events, file.tree]).toEqual([2421, "events"]);
  });

  it("wants input.tree where there are several trees, and lists them", async () => {
    const path = bench.file("several.root", withKeys([tree("events"), tree("backup")]));
    await expect(bench.scan(path)).rejects.toThrow(/several trees: events, backup/);
    await expect(bench.scan(path)).rejects.toMatchObject({ code: "task_invalid" });
    expect((await bench.scan(path, "root", "backup")).tree).toBe("backup");
    expect((await bench.scan(path, "root", "backup;1")).events).toBe(2421);
    await expect(bench.scan(path, "root", "absent")).rejects.toThrow(/holds events, backup/);
  });

  it("refuses RNTuples with the reason, and wants input.tree beside one", async () => {
    const alone = bench.file("ntuple.root", withKeys([ntuple]));
    await expect(bench.scan(alone)).rejects.toThrow(/RNTuple Data .*drops entries/);
    const both = bench.file("both.root", withKeys([tree("events"), ntuple]));
    await expect(bench.scan(both)).rejects.toThrow(/several trees: events, Data \(RNTuple\)/);
    await expect(bench.scan(both, "root", "Data")).rejects.toThrow(/RNTuple Data/);
    expect((await bench.scan(both, "root", "events")).events).toBe(2421);
  });

  it("refuses files without trees, cut files and other bytes", async () => {
    const none = bench.file("none.root", withKeys([{ ...tree("h"), className: "TH1F" }]));
    await expect(bench.scan(none)).rejects.toThrow(/holds no tree/);
    const whole = readFileSync(join(sharedData ?? "", "root/uproot-HZZ.root"));
    const cut = bench.file("cut.root", whole.subarray(0, 100_000));
    await expect(bench.scan(cut)).rejects.toThrow(/header states 217945 bytes, it has 100000/);
    const other = bench.file("other.root", "rootless");
    await expect(bench.scan(other, "root")).rejects.toThrow(/can't be read as root/);
  });
});
