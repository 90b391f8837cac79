/** How the native pilot ends when it can't even begin: one clear line, and a code for each cause. */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { credentialOf, identityOf, pilotKeyOf } from "../../src/base/index.ts";
import { encodeFrame, type Welcome } from "../../src/wire/index.ts";
import { hasTls, isBuilt, NativeBed, PILOT, skipLoudly } from "./bed.ts";

skipLoudly("how the native pilot ends");

describe.skipIf(!isBuilt)("jumbo-pilot", { timeout: 120_000 }, () => {
  let bed: NativeBed;
  beforeAll(async () => {
    bed = new NativeBed();
    await bed.startEngine("--listen", "127.0.0.1:0", "tls://127.0.0.1:0");
  });
  afterAll(async () => {
    await bed.close();
  });

  const endOf = (...args: string[]) => bed.start(PILOT, args).ended;

  /** The line that says why: the others have a time and say what went on. */
  const complaints = (text: string) =>
    text.split("\n").filter((line) => line.startsWith("jumbo-pilot: "));

  it("--help tells flags and exit codes, and --version what it has; both end with 0", async () => {
    const help = await endOf("--help");
    expect(help.code).toBe(0);
    expect(help.text).toContain("--access FILE");
    for (const code of [0, 2, 3, 4, 5, 7, 8, 74, 130]) {
      expect(help.text).toMatch(new RegExp(`\\b${code} [a-z]`));
    }
    const version = await endOf("--version");
    expect(version.code).toBe(0);
    expect(version.text).toMatch(/^jumbo-pilot \S+, protocol 1, MPI: .*, TLS: \S+/);
  });

  it.each([
    [["--no-such"], "unknown flag --no-such"],
    [["--slots"], "--slots has no value"],
    [["--slots", "none"], '--slots "none" is not understood'],
    [["--slots=0"], '--slots "0" is not understood'],
    [["--walltime", "soon"], '--walltime "soon" is not understood'],
    [["--access", "x", "--rank-silence", "1"], "--rank-silence is too short"],
    [[], "no engine is named"],
  ])("2: %o", async (args, text) => {
    const ended = await endOf(...args);
    expect(ended.code).toBe(2);
    expect(ended.text).toContain(text);
    expect(ended.text.trim().split("\n")).toHaveLength(1);
  });

  it("2: an access file that is none", async () => {
    const path = join(bed.folder, "no-access.json");
    writeFileSync(path, "{}");
    const ended = await endOf("--access", path);
    expect(ended.code).toBe(2);
    expect(ended.text).toContain("is not of schema access/1");
    expect(ended.text.trim().split("\n")).toHaveLength(1);
  });

  it("3: no access file", async () => {
    const ended = await endOf("--access", "/no/such/file");
    expect(ended.code).toBe(3);
    expect(ended.text).toContain("no access file at /no/such/file (No such file or directory)");
    expect(ended.text.trim().split("\n")).toHaveLength(1);
  });

  const possible = ([kind]: readonly [string, ...unknown[]]) => hasTls || kind !== "tls://";

  it.each(
    (
      [
        ["tcp://", "the pilot's credential is not known here"],
        ["tls://", "the engine does not accept the key"],
      ] as const
    ).filter(possible),
  )("4: a wrong key over %s", async (kind, text) => {
    const change = { pilots: bed.addresses(kind), pilotKey: "ab".repeat(32) };
    const { code, text: told } = await bed.pilot(bed.accessWith("wrong", change)).ended;
    expect(code, told).toBe(4);
    expect(complaints(told)).toHaveLength(1);
    expect(complaints(told)[0]).toContain(text);
  });

  it.each(
    (
      [
        ["tcp://", { notAfterSeconds: 1 }, "the pilot's key has ended at 1970-01-01T00:00:01Z"],
        ["tls://", { notAfterSeconds: 1 }, "the pilot's key has ended at 1970-01-01T00:00:01Z"],
        ["tcp://", { enrolBeforeSeconds: 1 }, "the pilot comes too late"],
        ["tls://", { cores: 1 }, "the pilot offers 2 slots (its key is for 1 cores)"],
      ] as const
    ).filter(possible),
  )("4: the key of an allocation over %s that does not hold: %o", async (kind, change, text) => {
    const far = Math.floor(Date.now() / 1000) + 3_600;
    const terms = { allocation: "1", queue: "", owner: "", cores: 0 };
    const ends = { enrolBeforeSeconds: far, notAfterSeconds: far };
    const pilotIdentity = identityOf({ ...terms, ...ends, ...change });
    const pilotKey = pilotKeyOf(bed.access().pilotKey, pilotIdentity) as string;
    const pilots = bed.addresses(kind);
    const access = bed.accessWith("ended", { pilots, pilotKey, pilotIdentity });
    const { code, text: told } = await bed.pilot(access).ended;
    expect(code, told).toBe(4);
    expect(complaints(told)).toHaveLength(1);
    expect(complaints(told)[0]).toContain(text);
    expect(told).not.toContain(pilotKey);
    expect(told).not.toContain(credentialOf({ pilotIdentity, pilotKey }));
  });

  it.each([
    ["nobody listens", "tcp://127.0.0.1:1", "Connection refused"],
    [
      "TLS where nobody listens",
      "tls://127.0.0.1:1",
      hasTls ? "Connection refused" : "this pilot was built without TLS",
    ],
    ["no such socket", "unix:/no/such/socket", "No such file or directory"],
    ["no such folder", "spool:///no/such/folder", "no spool folder"],
  ])("5: %s", async (_what, address, text) => {
    const access = bed.accessWith("nowhere", { pilots: [address] });
    const { code, text: told } = await bed.pilot(access, ["--give-up", "1s"]).ended;
    expect(code, told).toBe(5);
    expect(complaints(told)).toHaveLength(1);
    expect(complaints(told)[0]).toContain("no engine for 1 s");
    expect(told).toContain(text);
  });

  it("5: plain text where the engine wants TLS, and TLS where it wants plain text", async () => {
    const swap = (from: string, to: string) =>
      bed.addresses(from).map((address) => address.replace(from, to));
    for (const pilots of [swap("tls://", "tcp://"), swap("tcp://", "tls://")]) {
      const access = bed.accessWith("swapped", { pilots });
      const { code, text } = await bed.pilot(access, ["--give-up", "1s"]).ended;
      expect(code, text).toBe(5);
      expect(complaints(text)).toHaveLength(1);
    }
  });

  it("7: a process of a higher generation comes with its identity, or has come before", async () => {
    const started = (generation: number) =>
      bed.pilot(bed.accessPath, ["--id", "twin", "--generation", String(generation)]);
    const one = async () => {
      await bed.until("the session", async () => (await bed.pilots()).length === 1);
    };
    const first = started(2);
    await one();
    const second = started(3);
    const replaced = await first.ended;
    expect(replaced.code, replaced.text).toBe(7);
    expect(complaints(replaced.text)).toHaveLength(1);
    expect(complaints(replaced.text)[0]).toContain("the pilot came back on another connection");
    await one();
    const { code, text } = await started(2).ended;
    expect(code, text).toBe(7);
    expect(complaints(text)).toHaveLength(1);
    expect(complaints(text)[0]).toContain("has been taken over by generation 3");
    expect((await second.kill("SIGTERM")).code, second.text).toBe(0);
  });

  it("74: outputs can't be kept", async () => {
    const blocked = join(bed.folder, "file");
    writeFileSync(blocked, "");
    const args = ["--access", bed.accessPath, "--bundles", join(blocked, "bundles")];
    const { code, text } = await endOf(...args, "--work", bed.folder);
    expect(code, text).toBe(74);
    expect(complaints(text)).toHaveLength(1);
  });

  describe("with an engine of another version", () => {
    let server: Server;
    let answer: (socket: Socket) => void;
    beforeAll(async () => {
      server = createServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => answer(socket));
      });
      mkdirSync(join(bed.folder, "other"), { recursive: true });
      const path = join(bed.folder, "other", "engine.sock");
      await new Promise<void>((done) => server.listen(path, done));
    });
    afterAll(() => {
      server.close();
    });
    const access = () => {
      const pilots = [`unix:${join(bed.folder, "other", "engine.sock")}`];
      return bed.accessWith("other", { pilots });
    };

    it("8: it refuses the pilot's", async () => {
      const message = "the pilot speaks protocol version 1 (this engine speaks 2) use its pilot";
      answer = (socket) => socket.end(encodeFrame({ type: "fault", code: "version", message }));
      const { code, text } = await bed.pilot(access()).ended;
      expect(code, text).toBe(8);
      expect(complaints(text)).toEqual([`jumbo-pilot: ${message}`]);
    });

    it("8: it welcomes with its own", async () => {
      const welcome: Welcome = {
        type: "welcome",
        version: 1,
        engineId: "e",
        epoch: 1,
        session: 1,
        heartbeatMs: 1_000,
        leaseTermMs: 10_000,
        frameBytesMax: 4_194_304,
        refused: [],
        grant: { spans: [], tasks: [], files: [], offsets: [] },
      };
      const frame = encodeFrame(welcome);
      // [array of n, type 2, version ...]: the version is the third byte of the payload.
      frame[4 + 2] = 2;
      answer = (socket) => socket.write(frame);
      const { code, text } = await bed.pilot(access()).ended;
      expect(code, text).toBe(8);
      expect(complaints(text)).toHaveLength(1);
      expect(complaints(text)[0]).toContain("version");
    });
  });
});
