/**
 * The MPI pilot as a few ranks on this machine, by each MPI that is installed: once and stream
 * payloads give byte for byte what the TypeScript pilot gives; TLS and a proxy's CONNECT; a killed
 * rank, which the others survive. Slurm and everything slow: `npm run test:hpc`.
 */
import { writeFileSync } from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CLI, countResult, countTask, NativeBed } from "./bed.ts";
import { startProxy } from "./proxy.ts";
import { ECHO, hasTls, MPIS, missingOf, RANKS, Ranks } from "./ranks.ts";

const LINES = 90;
const STREAMED = 600;
const SURVIVED = 400;

for (const mpi of MPIS) {
  const why = missingOf(mpi);
  if (why !== "") console.warn(`SKIPPED: the pilot with ${mpi.name} (${why})`);
  else if (!hasTls(mpi))
    console.warn(`SKIPPED: TLS with ${mpi.name} (apt-get install libssl-dev, then build again)`);
}
const here = MPIS.filter((mpi) => missingOf(mpi) === "");

describe.skipIf(here.length === 0)("the pilot over MPI", { timeout: 180_000 }, () => {
  let bed: NativeBed;
  let server: Server | null = null;
  const launched: Ranks[] = [];

  /** Each range has its slice of the lines, and its file's seed. */
  const onceTask = (name: string) => ({
    name,
    seed: 7,
    input: { files: [join(bed.folder, "in.jsonl")] },
    eventsPerRange: 3,
    payload: {
      command: [
        ...["sh", "-c", 'sed "s/}$/,\\"seed\\":\\"$2\\"}/" "$1" > "$3"', "x"],
        ...["{slice}", "{seed}", "{output}"],
      ],
    },
    output: { name: `${name}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
  });
  const streamTask = (name: string, count: number, sleepMs = 0) => ({
    name,
    input: { count },
    losses: 20,
    payload: { mode: "stream", command: [ECHO, "--sleep", String(sleepMs)] },
    output: { name: `${name}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
  });

  beforeAll(async () => {
    bed = new NativeBed();
    const lines = Array.from({ length: LINES }, (_, i) => `{"i":${i},"text":"\u00e4 '$x'"}\n`);
    writeFileSync(join(bed.folder, "in.jsonl"), lines.join(""));
    await bed.startEngine("--listen", "127.0.0.1:0", "tls://127.0.0.1:0");
    // What is right: the other pilot's word.
    const start = ["pilot", "start", "--access", bed.accessPath, "--slots", "2"];
    const work = ["--work", bed.folder, "--bundles", join(bed.folder, "bundles")];
    const other = bed.start(process.execPath, [CLI, ...start, ...work]);
    const once = await bed.submit(onceTask("once"));
    const stream = await bed.submit(streamTask("stream", STREAMED));
    expect((await bed.wait(once)).state, bed.logs()).toBe("done");
    expect((await bed.wait(stream)).state, bed.logs()).toBe("done");
    await other.kill("SIGTERM");
  }, 120_000);

  afterEach(async () => {
    for (const ranks of launched.splice(0)) ranks.kill();
    await bed.until("no session left", async () => (await bed.pilots()).length === 0);
  });
  afterAll(async () => {
    server?.close();
    await bed.close();
  });

  const launch = (mpi: (typeof MPIS)[number], access: string, ...flags: string[]) => {
    const ranks = new Ranks(bed, mpi, access, flags);
    launched.push(ranks);
    return ranks;
  };

  /** One session for all ranks: a launcher of another MPI would make each a world of one. */
  const joined = (ranks: Ranks) =>
    bed.until(`one session of ${RANKS} nodes`, async () => {
      if (ranks.launcher.child.exitCode !== null) throw new Error(ranks.launcher.text);
      const pilots = await bed.pilots();
      return pilots.length === 1 && pilots[0]?.nodes.length === RANKS;
    });

  const left = async (ranks: Ranks) => {
    ranks.signal(0, "SIGTERM");
    const { code, text } = await ranks.launcher.ended;
    await bed.until("no process left", () => ranks.processes().length === 0);
    return { code, text };
  };

  describe.each(here.map((mpi) => [mpi.name, mpi.launcher, mpi] as const))(
    "%s by %s",
    (...[, , mpi]) => {
      it("does each range once, and its bytes are the TypeScript pilot's", async () => {
        const ranks = launch(mpi, bed.accessPath);
        await joined(ranks);
        const once = await bed.submit(onceTask(`${mpi.name}-once`));
        const stream = await bed.submit(streamTask(`${mpi.name}-stream`, STREAMED));
        expect(await bed.wait(once), ranks.launcher.text).toMatchObject({
          state: "done",
          attempts: LINES / 3,
        });
        expect(await bed.wait(stream), ranks.launcher.text).toMatchObject({
          state: "done",
          attempts: STREAMED,
        });
        expect(bed.result(`${mpi.name}-once.jsonl`)).toBe(bed.result("once.jsonl"));
        expect(bed.result(`${mpi.name}-stream.jsonl`)).toBe(bed.result("stream.jsonl"));
        await bed.jumbo("verify", String(stream));
        const { code, text } = await left(ranks);
        expect(code, text).toBe(0);
      });

      it.skipIf(!hasTls(mpi))("speaks TLS through a proxy, which sees no key", async () => {
        const proxy = await startProxy();
        server = proxy.server;
        const [address = ""] = bed.addresses("tls://");
        const access = bed.accessWith("tls", { pilots: [address], proxy: proxy.place });
        const ranks = launch(mpi, access);
        await joined(ranks);
        const id = await bed.submit(countTask(`${mpi.name}-tls`, 30));
        expect((await bed.wait(id)).state, ranks.launcher.text).toBe("done");
        expect(bed.result(`${mpi.name}-tls.jsonl`)).toBe(countResult(30));
        expect((await left(ranks)).code).toBe(0);
        const line = `CONNECT ${address.slice("tls://".length)} HTTP/1.1`;
        expect([...new Set(proxy.asked)]).toEqual([line]);
        const sent = Buffer.concat(proxy.seen);
        expect(sent.length).toBeGreaterThan(0);
        expect(sent.includes(bed.access().pilotKey)).toBe(false);
        server.close();
      });

      it("goes on without a rank that is killed: nothing is missing, nothing twice", async () => {
        const ranks = launch(mpi, bed.accessPath, "--rank-silence", "5s");
        await joined(ranks);
        const id = await bed.submit(streamTask(`${mpi.name}-killed`, SURVIVED, 20));
        await bed.done(id, SURVIVED / 8);
        ranks.signal(1, "SIGKILL");
        expect((await bed.wait(id)).state, ranks.launcher.text).toBe("done");
        expect(ranks.ranks()).toEqual([0, 2]);
        expect(bed.result(`${mpi.name}-killed.jsonl`)).toBe(countResult(SURVIVED));
        await bed.jumbo("verify", String(id));
        const { text } = await left(ranks);
        expect(text).toContain("rank 1 on ");
        expect(text).toContain("is dropped");
      });
    },
  );
});
