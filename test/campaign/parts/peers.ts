/**
 * 1 000 stuck peers on the pilots' port (connected and silent, or reading nothing of what they ask
 * for) and slow loris on both ports (a frame, a request, byte by byte). Others go on: their p99
 * stays below twice that without them, the engine's memory grows by less than 128 MB, and every
 * slow connection is ended by a limit. Those that hurt live in a process of their own
 * (programs/stuck-peers.ts), apart from the load that is measured.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Load } from "../load.ts";
import { Child, jumbo, type Part, type PartResult, program, sleep, workFolder } from "../part.ts";
import { countTaskFile } from "../small-task.ts";

const MEASURED_MS = 4_000;
const RSS_MB_MAX = 128;
/** What is slow must be gone by then: the longest limit of a first frame or request, and slack. */
const ENDED_MS = 75_000;

export const part: Part = {
  what: "stuck peers and slow loris on both ports",
  count: 1_000,
  async run({ count }): Promise<PartResult> {
    const dir = workFolder();
    const store = join(dir, "store");
    const flags = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    const engine = jumbo(["serve", "--store", store, ...flags], {}, 600_000);
    await engine.saying(/access/);
    const access = join(store, "access.json");
    const known = JSON.parse(readFileSync(access, "utf8")) as {
      pilots: string[];
      http: string;
      pilotKey: string;
    };
    const tcp = known.pilots.find((address) => address.startsWith("tcp://")) as string;
    const pilotPort = Number(new URL(tcp).port);
    const httpPort = Number(new URL(known.http).port);
    const submit = await jumbo(["submit", countTaskFile(dir), "--access", access]).end;
    if (submit.code !== 0) throw new Error(`submit: ${submit.stderr}`);
    const dial = () => connect(pilotPort, "127.0.0.1");
    const load = new Load({ pilots: 4, want: 4, credential: known.pilotKey, connect: dial });
    load.start();
    await sleep(1_500);
    const alone = await p99Over(load, MEASURED_MS);
    const rssBefore = rssMb(engine.process.pid as number);
    const args = [program("stuck-peers"), ...[count, pilotPort, httpPort].map(String)];
    const peers = new Child(args, { PILOT_KEY: known.pilotKey }, 600_000);
    const [, slow] = await peers.saying(/^dialled (\d+)/m);
    await sleep(1_000);
    const beside = await p99Over(load, MEASURED_MS);
    const rssAfter = rssMb(engine.process.pid as number);
    const began = performance.now();
    while (stillSlow(peers, Number(slow)) > 0 && performance.now() - began < ENDED_MS) {
      await sleep(200);
    }
    const left = stillSlow(peers, Number(slow));
    const violations = [...load.violations];
    if (engine.ended) violations.push(`the engine ended: ${engine.stderr.slice(-400)}`);
    if (beside > 2 * alone)
      violations.push(`p99 ${beside.toFixed(2)} ms, alone ${alone.toFixed(2)}`);
    if (rssAfter - rssBefore > RSS_MB_MAX)
      violations.push(`memory grew by ${rssAfter - rssBefore} MB`);
    if (left > 0) violations.push(`${left} slow connections are open after ${ENDED_MS / 1000} s`);
    peers.kill();
    await peers.end;
    load.stop();
    engine.kill("SIGTERM");
    await engine.end;
    return {
      counts: {
        stuck: count,
        "slow loris": Number(slow),
        "ms p99 alone": alone.toFixed(2),
        "ms p99 beside them": beside.toFixed(2),
        "MB more": rssAfter - rssBefore,
      },
      violations,
    };
  },
};

/** Slow connections that the engine has not ended yet. */
function stillSlow(peers: Child, atFirst: number): number {
  return Number(
    peers.stdout
      .match(/^slow \d+$/gm)
      ?.at(-1)
      ?.slice(5) ?? atFirst,
  );
}

async function p99Over(load: Load, ms: number): Promise<number> {
  load.roundTripsMs.length = 0;
  await sleep(ms);
  const sorted = [...load.roundTripsMs].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.POSITIVE_INFINITY;
}

export function rssMb(pid: number): number {
  const line = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
}
