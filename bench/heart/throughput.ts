/**
 * Durable exchanges against peers and floors, interleaved: each round lets every contender run once
 * and short, one after the other, so that the disk's and the host's moods meet all alike; ratios
 * are of one round, and the median over the rounds counts.
 */
import { join } from "node:path";
import { type EngineProcess, type Engines, submitStandardTasks } from "./engine.ts";
import { type Figures, median } from "./figures.ts";
import { type LoadResult, load } from "./load.ts";
import { end, freePort, type Place, run, SERVER_CORE, start } from "./machine.ts";
import { type Peer, PeerMissing, startPostgres, startRedis } from "./peers.ts";

/** Compare with all peers, with those that are installed, or with none. */
export type Peers = "all" | "installed" | "none";

export interface ThroughputOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly quick: boolean;
  readonly peers: Peers;
  readonly inline: boolean;
  readonly log: (line: string) => void;
}

/** The finest comes late, when a short look's engine is warm too. */
const CASES = [
  { name: "B=256 contiguous", batch: 256, scatter: false, redis: 20, postgres: null },
  { name: "B=16", batch: 16, scatter: false, redis: 2.5, postgres: 12 },
  { name: "B=1", batch: 1, scatter: false, redis: 1.4, postgres: 7 },
  { name: "B=256 scattered singles", batch: 256, scatter: true, redis: 5, postgres: null },
] as const;

interface Contenders {
  readonly engine: EngineProcess;
  readonly redis: Peer | null;
  readonly postgres: Peer | null;
  readonly echo: string;
}

export async function throughput(
  place: Place,
  figures: Figures,
  engines: Engines,
  options: ThroughputOptions,
): Promise<void> {
  const closers: (() => Promise<void>)[] = [];
  // Beside the engine, which takes as long to start.
  const starting = startPeers(place, options, closers);
  starting.catch(() => {});
  try {
    await engines.use("engine", { inline: options.inline }, async (engine) => {
      const { redis, postgres, missing } = await starting;
      await submitStandardTasks(engine);
      const echo = await startEcho(place, closers);
      const contenders = { engine, redis, postgres, echo };
      // Compiled and warm before the first round counts.
      for (const clients of [64, 1024]) {
        await load(place, {
          contender: "jumbo",
          connect: engine.connect,
          key: engine.key,
          ...{ clients, batch: 1, warmSeconds: 0, seconds: options.quick ? 0.8 : 2 },
        });
      }
      const table = new Table();
      for (let round = 0; round < options.rounds; round++) {
        options.log(`round ${round + 1} of ${options.rounds}`);
        await oneRound(place, contenders, options, table);
      }
      table.tell(figures, contenders);
      // Last: what could be measured without them is told all the same.
      if (missing.length > 0 && options.peers === "all") {
        throw new PeerMissing(missing.join(", "));
      }
    });
  } finally {
    await starting.catch(() => {});
    for (const close of closers.reverse()) await close();
  }
}

interface StartedPeers {
  readonly redis: Peer | null;
  readonly postgres: Peer | null;
  /** Why one is not there. */
  readonly missing: readonly string[];
}

async function startPeers(
  place: Place,
  { peers, quick }: ThroughputOptions,
  closers: (() => Promise<void>)[],
): Promise<StartedPeers> {
  const missing: string[] = [];
  const started = async (start: () => Promise<Peer>): Promise<Peer | null> => {
    if (peers === "none") return null;
    try {
      const peer = await start();
      closers.push(() => peer.stop());
      return peer;
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error;
      missing.push(error.message);
      return null;
    }
  };
  const redis = started(() => startRedis(place));
  const postgres = started(() => startPostgres(place, quick));
  // Both are there or not before anybody may close them.
  await Promise.allSettled([redis, postgres]);
  return { redis: await redis, postgres: await postgres, missing };
}

async function startEcho(place: Place, closers: (() => Promise<void>)[]): Promise<string> {
  const address =
    place.transport === "tcp"
      ? `tcp:127.0.0.1:${await freePort()}`
      : `unix:${join(place.dir, "echo.sock")}`;
  const child = start([join(place.programs, "heart-echo"), address], { core: SERVER_CORE });
  closers.push(() => end(child));
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  return address;
}

/** Values by name, one a round. */
class Table {
  readonly #values = new Map<string, number[]>();

  put(name: string, value: number): void {
    const list = this.#values.get(name) ?? [];
    this.#values.set(name, list);
    list.push(value);
  }

  of(name: string): number[] {
    return this.#values.get(name) ?? [];
  }

  /** Median over rounds of a/b. */
  ratio(above: string, below: string): number {
    const divisors = this.of(below);
    return median(this.of(above).map((value, round) => value / (divisors[round] as number)));
  }

  tell(figures: Figures, peers: Pick<Contenders, "redis" | "postgres">): void {
    for (const { name, redis, postgres } of CASES) {
      figures.add(`64 pilots, ${name}: durable ranges`, median(this.of(name)), "1/s");
      const over = (peer: string) => this.ratio(name, `${name} ${peer}`);
      if (peers.redis) {
        figures.add(`64 pilots, ${name}: / Redis Streams, AOF always`, over("redis"), "x", {
          atLeast: redis,
        });
      }
      if (peers.postgres && postgres !== null) {
        const goal = { atLeast: postgres };
        figures.add(`64 pilots, ${name}: / PostgreSQL SKIP LOCKED`, over("postgres"), "x", goal);
      }
    }
    const many = median(this.of("many"));
    figures.add("1 024 pilots, B=1: durable exchanges", many, "1/s");
    figures.add("1 024 pilots, B=1: / C epoll echo", this.ratio("many", "echo"), "x", {
      atLeast: 0.5,
    });
    const floor = median(this.of("flush"));
    figures.add("floor: 4 KiB overwrite + fdatasync, p50", floor, "ms");
    const beyond = this.of("one p50").map((p50, i) => p50 - 2 * (this.of("flush")[i] as number));
    figures.add("one pilot, p50", median(this.of("one p50")), "ms");
    figures.add("one pilot, p50 beyond 2 flushes", median(beyond), "ms", { atMost: 0.25 });
    figures.add("64 pilots, B=1: p50", median(this.of("p50")), "ms");
    figures.add("64 pilots, B=1: p99 / p50", this.ratio("p99", "p50"), "x", { atMost: 2.5 });
  }
}

async function oneRound(
  place: Place,
  contenders: Contenders,
  options: ThroughputOptions,
  table: Table,
): Promise<void> {
  const { engine, redis, postgres, echo } = contenders;
  const { seconds, warmSeconds } = options;
  const jumbo = async (clients: number, batch: number, scatter: boolean): Promise<LoadResult> => {
    await submitStandardTasks(engine);
    return load(place, {
      contender: "jumbo",
      connect: engine.connect,
      key: engine.key,
      ...{ clients, batch, scatter, warmSeconds, seconds },
    });
  };
  const peers = new Map<number, { redis: number; postgres: number }>();
  for (const { name, batch, scatter, postgres: goal } of CASES) {
    const result = await jumbo(64, batch, scatter);
    table.put(name, result.rangesPerSecond);
    if (batch === 1) {
      table.put("p50", result.p50Ms);
      table.put("p99", result.p99Ms);
    }
    // Contiguous or scattered is one and the same to the peers.
    let beside = peers.get(batch);
    if (beside === undefined) {
      beside = {
        redis: redis ? await redis.measure(batch, seconds) : Number.NaN,
        postgres: postgres && goal !== null ? await postgres.measure(batch, seconds) : Number.NaN,
      };
      peers.set(batch, beside);
    }
    table.put(`${name} redis`, beside.redis);
    table.put(`${name} postgres`, beside.postgres);
  }
  table.put("many", (await jumbo(1024, 1, false)).exchangesPerSecond);
  const echoed = await load(place, {
    contender: "echo",
    connect: echo,
    ...{ clients: 1024, batch: 1, warmSeconds: 0.2, seconds: Math.min(1, seconds) },
  });
  table.put("echo", echoed.exchangesPerSecond);
  const flush = await run(
    [join(place.programs, "heart-flush"), join(place.dir, "floor"), String(Math.min(0.5, seconds))],
    {
      core: SERVER_CORE,
      env: place.environment,
    },
  );
  table.put("flush", (JSON.parse(flush) as { p50Ms: number }).p50Ms);
  table.put("one p50", (await jumbo(1, 1, false)).p50Ms);
}
