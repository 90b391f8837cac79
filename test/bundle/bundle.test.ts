import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { leaseIdOf } from "../../src/base/index.ts";
import {
  BundleDamage,
  type BundleMember,
  bundleUri,
  createBundle,
  memberName,
  openBundle,
  pathOfUri,
} from "../../src/bundle/index.ts";
import { encodeCentral, encodeLocal, parseRecord } from "../../src/bundle/layout.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jumbo bundle é-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const note = { attempt: 2, wallSeconds: 1.5, cpuSeconds: 0.25, node: "" };
const fenceOf = (range: number) => ({ task: 7, range, lease: leaseIdOf(3, 100 + range) });

function source(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** A closed or open bundle with `count` members of different length, and their contents. */
async function filled(count: number, close: boolean) {
  const path = join(folder, `b${count}${close}.zip`);
  const writer = await createBundle(path, { node: "nödé" });
  const contents: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const content = Buffer.from(`${i}:`.padEnd(1 + i * 37, "äx"));
    contents.push(content);
    await writer.append(fenceOf(i), note, "out.jsonl", source("src", content));
  }
  if (close) await writer.close();
  else await writer.sync();
  return { path, uri: writer.uri, contents, writer };
}

test("members come back with their fence, note and content, closed or not", async () => {
  for (const close of [true, false]) {
    const { uri, contents, writer } = await filled(9, close);
    const reader = await openBundle(uri);
    expect(reader.salvaged).toBe(!close);
    expect([...reader.members()]).toHaveLength(9);
    for (const [i, content] of contents.entries()) {
      const member = reader.find(fenceOf(i)) as BundleMember;
      expect(member).toMatchObject({
        ...fenceOf(i),
        attempt: 2,
        wallSeconds: 1.5,
        cpuSeconds: 0.25,
        node: "nödé",
        name: `t7/r${i}.e3.l${100 + i}/out.jsonl`,
        bytes: content.length,
      });
      expect(Buffer.from(await reader.read(member)).equals(content)).toBe(true);
    }
    expect(reader.find({ ...fenceOf(1), lease: leaseIdOf(4, 101) })).toBeUndefined();
    await reader.close();
    if (!close) await writer.close();
  }
});

test("a source larger than the writer holds in memory is copied, and one that changes is refused", async () => {
  const big = Buffer.alloc(3_500_000, "0123456789abcdef\n");
  const path = source("big", big);
  const writer = await createBundle(join(folder, "big.zip"), { node: "n" });
  const appends = [
    writer.append(fenceOf(1), note, "a", source("small", "tiny")),
    writer.append(fenceOf(2), note, "b", path),
    writer.append(fenceOf(3), note, "c", source("empty", "")),
  ];
  await Promise.all(appends);
  await expect(writer.append(fenceOf(5), note, "e", join(folder, "none"))).rejects.toThrow(
    /can't go into a bundle \(ENOENT/,
  );
  await writer.append(fenceOf(6), note, "f", source("after", "after"));

  // Rewritten all the time: sooner or later between the sum and the copy.
  let flips = 0;
  let torn = 0;
  const other = source("other", big);
  const handle = openSync(other, "r+");
  const flip = setInterval(() => writeSync(handle, String(flips++ % 10), 2_000_000), 0);
  for (let range = 100; range < 300 && torn === 0; range++) {
    const before = writer.bytes;
    await writer.append(fenceOf(range), note, "g", other).catch((error) => {
      expect(error.message).toMatch(/changed while it was read/);
      expect(writer.bytes).toBe(before);
      torn = range;
    });
  }
  clearInterval(flip);
  closeSync(handle);
  expect(torn).toBeGreaterThan(0);

  await writer.append(fenceOf(7), note, "f", source("last", "last"));
  await writer.close();
  const reader = await openBundle(writer.uri);
  const ranges = [...reader.members()].map((member) => member.range);
  expect(ranges.filter((range) => range < 100).sort()).toEqual([1, 2, 3, 6, 7]);
  expect(ranges).not.toContain(torn);
  for (const member of reader.members()) await reader.read(member);
  expect(Buffer.from(await reader.read(reader.find(fenceOf(2))!)).equals(big)).toBe(true);
  expect(await reader.read(reader.find(fenceOf(3))!)).toHaveLength(0);
  await reader.close();
});

test("an output that is a link or a folder is refused and leaves no member", async () => {
  const writer = await createBundle(join(folder, "links.zip"), { node: "n" });
  symlinkSync(source("target", "x"), join(folder, "link"));
  await expect(writer.append(fenceOf(1), note, "a", join(folder, "link"))).rejects.toThrow();
  await expect(writer.append(fenceOf(1), note, "a", folder)).rejects.toThrow(/no regular file/);
  expect(writer.members).toBe(0);
  await writer.close();
});

test("appends of several slots interleave, and waiting syncs share a flush", async () => {
  const writer = await createBundle(join(folder, "shared.zip"), { node: "n" });
  const path = source("one", "content");
  await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      await writer.append(fenceOf(i), note, "o", path);
      await writer.sync();
    }),
  );
  expect(writer.members).toBe(200);
  const reader = await openBundle(writer.uri);
  expect([...reader.members()]).toHaveLength(200);
  for (const member of reader.members()) await reader.read(member);
  await reader.close();
  await writer.close();
});

test("a bundle cut anywhere gives exactly its whole members", async () => {
  const { path, uri, contents } = await filled(6, true);
  const whole = readFileSync(path);
  const opened = await openBundle(uri);
  const ends = [...opened.members()].map((member) => member.offset + member.bytes);
  await opened.close();
  const cutPath = join(folder, "cut.zip");
  for (let cut = 0; cut < whole.length; cut += cut % 5 === 0 ? 1 : 4) {
    writeFileSync(cutPath, whole.subarray(0, cut));
    const reader = await openBundle(bundleUri(cutPath));
    expect(reader.salvaged).toBe(true);
    const found = [...reader.members()];
    expect(found.length).toBe(ends.filter((end) => end <= cut).length);
    for (const [i, member] of found.entries()) {
      expect(Buffer.from(await reader.read(member)).equals(contents[i]!)).toBe(true);
    }
    await reader.close();
  }
});

test("zeros behind the last whole member, as a power cut leaves them, are no member", async () => {
  const { path, uri, writer } = await filled(3, false);
  await writer.close();
  const opened = await openBundle(uri);
  const last = [...opened.members()].at(-1)!;
  await opened.close();
  const tail = Buffer.alloc(5000);
  writeFileSync(
    path,
    Buffer.concat([readFileSync(path).subarray(0, last.offset + last.bytes), tail]),
  );
  const reader = await openBundle(uri);
  expect([...reader.members()]).toHaveLength(3);
  await reader.close();
});

test("a changed byte is never read as content: it is damage, or the member is not there", async () => {
  for (const close of [true, false]) {
    const { path, contents, writer } = await filled(4, close);
    if (!close) await writer.sync();
    const whole = readFileSync(path);
    let damaged = 0;
    for (let at = 0; at < whole.length; at += 2) {
      const bytes = Buffer.from(whole);
      bytes[at] = bytes[at]! ^ 0x41;
      writeFileSync(path, bytes);
      const reader = await openBundle(bundleUri(path));
      for (const [i, content] of contents.entries()) {
        const member = reader.find(fenceOf(i));
        if (member === undefined) continue;
        expect(member).toMatchObject({ attempt: 2, wallSeconds: 1.5, node: "nödé" });
        try {
          expect(Buffer.from(await reader.read(member)).equals(content)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(BundleDamage);
          damaged++;
        }
      }
      await reader.close();
    }
    const dataBytes = contents.reduce((sum, each) => sum + each.length, 0);
    expect(damaged).toBeGreaterThan(dataBytes / 2 - contents.length);
    if (!close) {
      writeFileSync(path, whole);
      await writer.close();
    }
  }
});

test("a missing bundle is damage, a foreign URI a usage error, and a name never leaves", async () => {
  await expect(openBundle(bundleUri(join(folder, "gone.zip")))).rejects.toBeInstanceOf(
    BundleDamage,
  );
  expect(pathOfUri(bundleUri("/a b/ü#?%.zip"))).toBe("/a b/ü#?%.zip");
  expect(() => pathOfUri("s3://bucket/x")).toThrow(/file:\/\/\/absolute\/path/);
  for (const name of ["", "..", "a/b", "a\\b", "a\0"]) {
    expect(() => memberName(fenceOf(1), name)).toThrow(/plain file name/);
  }
});

test("more than 65 535 members need zip64, and other tools read them", async () => {
  const writer = await createBundle(join(folder, "many.zip"), { node: "n" });
  const path = source("tiny", "x");
  const count = 65_600;
  for (let i = 0; i < count; i += 1024) {
    const batch = Math.min(1024, count - i);
    await Promise.all(
      Array.from({ length: batch }, (_, j) => writer.append(fenceOf(i + j), note, "o", path)),
    );
  }
  await writer.close();
  const reader = await openBundle(writer.uri);
  expect(reader.salvaged).toBe(false);
  expect([...reader.members()]).toHaveLength(count);
  expect(Buffer.from(await reader.read(reader.find(fenceOf(count - 1))!)).toString()).toBe("x");
  await reader.close();
  otherToolsAccept(writer.path, count);
});

test("closed bundles pass the tests of unzip and python", async () => {
  const { path } = await filled(12, true);
  otherToolsAccept(path, 12);
});

test("an empty bundle closes to an empty zip", async () => {
  const writer = await createBundle(join(folder, "empty.zip"), { node: "n" });
  await writer.close();
  const reader = await openBundle(writer.uri);
  expect(reader.salvaged).toBe(false);
  expect([...reader.members()]).toEqual([]);
  await reader.close();
});

test("headers hold sizes and offsets of 2^32 and more", () => {
  for (const [bytes, at] of [
    [0xffff_fffe, 0xffff_fffe],
    [0xffff_ffff, 12],
    [12, 0xffff_ffff],
    [2 ** 40 + 1, 2 ** 45 + 3],
  ] as const) {
    const name = memberName(fenceOf(2 ** 50 + 1), "big.root");
    const member = { ...fenceOf(2 ** 50 + 1), ...note, node: "n", name, bytes, crc32: 99 };
    const local = encodeLocal({ ...member, offset: 0 });
    const expected = { ...member, offset: at + local.length };
    expect(parseRecord(local, "local", at)?.member).toEqual(expected);
    expect(parseRecord(encodeCentral(expected, at), "central", 0)?.member).toEqual(expected);
  }
});

function otherToolsAccept(path: string, count: number): void {
  let tried = 0;
  const quiet = { stdio: ["ignore", "pipe", "pipe"] as ("ignore" | "pipe")[] };
  for (const [command, args] of [
    ["unzip", ["-tqq", path]],
    [
      "python3",
      [
        "-c",
        "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n" +
          "assert len(z.namelist())==int(sys.argv[2])",
        path,
        String(count),
      ],
    ],
  ] as [string, string[]][]) {
    try {
      execFileSync(command, args, quiet);
      tried++;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  if (tried === 0) console.warn("neither unzip nor python3 is here: no second reader was tried");
}
