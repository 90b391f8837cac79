/** Access files with keys of their own, as `pilot script --folder` and `token create` write them. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { caveatsOf, KEY_SLACK_SECONDS, pilotKeyOf, readAccessFile } from "../../src/base/index.ts";
import { writeAllocationAccess } from "../../src/cli/allocation-access.ts";
import { parseListen } from "../../src/cli/flags.ts";

const KEY = "11".repeat(32);
const TERMS = {
  queue: "main",
  owner: "ann",
  cores: 64,
  enrolSeconds: 3_600,
  walltimeSeconds: 7_200,
  isRemote: true,
};

let folder: string;
let engine: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jumbo-access-"));
  engine = join(folder, "access.json");
  writeEngine("unix:/store/pilots.sock", "tcp://127.0.0.1:7000", "tls://login:7001");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function writeEngine(...pilots: string[]): void {
  const access = { schema: "access/1", engineId: "e", pid: 1, http: "http://127.0.0.1:1", pilots };
  writeFileSync(engine, JSON.stringify({ ...access, token: "secret", pilotKey: KEY }));
}

describe("an access file of an allocation", () => {
  it("has a key for its terms, addresses that nodes reach, no token, and mode 0400", () => {
    const path = join(folder, "job", "access.json");
    const beforeSeconds = Math.floor(Date.now() / 1000);
    writeAllocationAccess(path, engine, TERMS);
    expect(statSync(path).mode & 0o777).toBe(0o400);
    expect(statSync(join(folder, "job")).mode & 0o777).toBe(0o700);
    const { pilotIdentity = "", ...access } = readAccessFile(path);
    expect(access).toMatchObject({ token: "", http: "", pilots: ["tls://login:7001"] });
    expect(access.pilotKey).toBe(pilotKeyOf(KEY, pilotIdentity));
    const caveats = caveatsOf(pilotIdentity);
    expect(caveats).toMatchObject({ queue: "main", owner: "ann", cores: 64 });
    const { enrolBeforeSeconds = 0, notAfterSeconds = 0 } = caveats ?? {};
    expect(enrolBeforeSeconds).toBeGreaterThanOrEqual(beforeSeconds + 3_600);
    expect(notAfterSeconds - enrolBeforeSeconds).toBe(7_200 + KEY_SLACK_SECONDS);
    expect(readFileSync(path, "utf8")).not.toContain(KEY);
  });

  it("differs from each other one, and can replace the one before", () => {
    const path = join(folder, "access-1.json");
    const first = writeAllocationAccess(path, engine, TERMS).pilotKey;
    expect(writeAllocationAccess(path, engine, TERMS).pilotKey).not.toBe(first);
  });

  it("is not made of another allocation's, nor where no node could reach the engine", () => {
    const path = join(folder, "one.json");
    writeAllocationAccess(path, engine, TERMS);
    const other = join(folder, "two.json");
    expect(() => writeAllocationAccess(other, path, TERMS)).toThrow("use the one in the engine");
    writeEngine("unix:/store/pilots.sock", "tcp://127.0.0.1:7000");
    expect(() => writeAllocationAccess(other, engine, TERMS)).toThrow("no compute node");
    expect(writeAllocationAccess(other, engine, { ...TERMS, isRemote: false }).pilots).toHaveLength(
      2,
    );
  });
});

describe("--listen", () => {
  it.each([
    ["127.0.0.1:7", "tcp"],
    ["7", "tcp"],
    ["localhost:7", "tcp"],
    ["[::1]:7", "tcp"],
    ["login:7", "tls"],
    ["0.0.0.0:7", "tls"],
    ["[::]:7", "tls"],
    ["tcp://login:7", "tcp"],
    ["tls://127.0.0.1:7", "tls"],
    ["unix:/x", "unix"],
  ])(
    "%s is %s: plain text leaves this machine only where it is asked for by name",
    (text, kind) => {
      expect(parseListen(text).kind).toBe(kind);
    },
  );
});
