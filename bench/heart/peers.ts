/**
 * The peers of the run, as Debian packages them, each in a fresh folder on a free port, on the
 * servers' core, and made as fast as their durable form allows:
 *
 *   Redis        Streams with a consumer group; AOF, appendfsync always; XACK + XREADGROUP pipelined
 *   PostgreSQL   a table of ranges; one statement ends a batch and takes the next with FOR UPDATE
 *                SKIP LOCKED, prepared, over pgbench; the best of several client counts
 */
import { type ChildProcess, execFileSync } from "node:child_process";
import { chownSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { load } from "./load.ts";
import {
  end,
  freePort,
  freshDir,
  LOAD_CORE,
  type Place,
  run,
  SERVER_CORE,
  start,
  until,
} from "./machine.ts";

export class PeerMissing extends Error {}

export interface Peer {
  readonly name: string;
  /** Durable ranges a second with batches of `batch`. */
  measure(batch: number, seconds: number): Promise<number>;
  stop(): Promise<void>;
}

// -- Redis ---------------------------------------------------------------------------------------

const ENTRIES_PER_FILL = 50_000;

export async function startRedis(place: Place): Promise<Peer> {
  const program = "/usr/bin/redis-server";
  if (!existsSync(program)) throw new PeerMissing("redis-server is not installed");
  const dir = freshDir(place, "redis");
  const socket = join(dir, "redis.sock");
  const port = place.transport === "tcp" ? await freePort() : 0;
  const connect = port > 0 ? `tcp:127.0.0.1:${port}` : `unix:${socket}`;
  const child = start(
    [
      program,
      ...["--port", String(port), "--bind", "127.0.0.1", "--unixsocket", socket],
      ...["--dir", dir, "--save", ""],
      ...["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"],
    ],
    { core: SERVER_CORE, env: place.environment },
  );
  await until("Redis", 20, () => {
    if (child.exitCode !== null) throw new PeerMissing("redis-server could not be started");
    return existsSync(socket);
  });
  const stream = new Stream(socket);
  return {
    name: "Redis Streams",
    measure: (batch, seconds) => stream.measure(place, connect, batch, seconds),
    stop: () => end(child),
  };
}

/** A stream that is filled as far as it must be, and read from its begin by each measurement. */
class Stream {
  readonly #socket: string;
  /** Ranges a second that it may have to last for. */
  #most = 300_000;
  #fills = 0;

  constructor(socket: string) {
    this.#socket = socket;
  }

  async measure(place: Place, connect: string, batch: number, seconds: number): Promise<number> {
    const warmSeconds = 0.3;
    const perSecond = Math.min(this.#most, 60_000 * batch);
    await this.#ready((seconds + warmSeconds) * perSecond * 1.25 + 64 * batch);
    const result = await load(place, {
      contender: "redis",
      connect,
      clients: 64,
      batch,
      warmSeconds,
      seconds,
    });
    this.#most = Math.max(this.#most, result.rangesPerSecond * 1.2);
    return result.rangesPerSecond;
  }

  /** Short explicit ids; flushed once, at the end. The consumer group is new. */
  async #ready(entries: number): Promise<void> {
    const lua =
      "for i=1,tonumber(ARGV[2]) do " +
      "redis.call('XADD',KEYS[1],(ARGV[1]*ARGV[2]+i)..'-0','r',ARGV[1]*ARGV[2]+i) end";
    const socket = this.#socket;
    await redis(socket, ["CONFIG", "SET", "appendfsync", "no"]);
    for (; this.#fills * ENTRIES_PER_FILL < entries; this.#fills++) {
      const size = String(ENTRIES_PER_FILL);
      await redis(socket, ["EVAL", lua, "1", "ranges", String(this.#fills), size]);
    }
    await redis(socket, ["XGROUP", "DESTROY", "ranges", "pilots"]);
    await redis(socket, ["XGROUP", "CREATE", "ranges", "pilots", "0"]);
    await redis(socket, ["CONFIG", "SET", "appendfsync", "always"]);
  }
}

/** One command; rejects on an error reply. */
function redis(path: string, words: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    const text = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");
    socket.write(`*${words.length}\r\n${text}`);
    socket.once("data", (chunk) => {
      socket.destroy();
      const answer = chunk.toString("latin1");
      if (answer.startsWith("-")) reject(new Error(`${words[0]}: ${answer}`));
      else resolve();
    });
    socket.on("error", reject);
  });
}

// -- PostgreSQL ----------------------------------------------------------------------------------

const SETTINGS = {
  fsync: "on",
  synchronous_commit: "on",
  shared_buffers: "512MB",
  max_wal_size: "8GB",
  checkpoint_timeout: "30min",
  listen_addresses: "127.0.0.1",
  max_connections: "80",
};
/** Far more than a run takes. */
const ROWS = 3_000_000;
const ROWS_QUICK = 100_000;
const ROWS_QUICK_EACH = 25_000;

export async function startPostgres(place: Place, quick: boolean): Promise<Peer> {
  const bin = postgresPrograms();
  const dir = freshDir(place, "postgres");
  const user = postgresUser(place, dir);
  const data = join(dir, "data");
  const sockets = dir;
  const port = await freePort();
  const env = place.environment;
  const initdb = [join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "bench", "-N"];
  // Beside the engine's start, which has the servers' core.
  await run(initdb, { core: LOAD_CORE, user, cwd: dir });
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = start(
    [join(bin, "postgres"), "-D", data, "-k", sockets, "-p", String(port), ...settings],
    { core: SERVER_CORE, env, user, cwd: dir },
  );
  const host = place.transport === "tcp" ? "127.0.0.1" : sockets;
  const parts = { bin, sockets, host, port, user, dir };
  try {
    await until("PostgreSQL", 30, () => {
      if (child.exitCode !== null) throw new PeerMissing("PostgreSQL could not be started");
      return existsSync(join(sockets, `.s.PGSQL.${port}`));
    });
    await untilAnswers(parts);
    await query(parts, TABLE);
  } catch (error) {
    await end(child, "SIGINT");
    throw error;
  }
  const clients = new Map<number, number>();
  return {
    name: "PostgreSQL",
    measure: async (batch, seconds) => {
      const fill = fillOf(quick ? Math.min(ROWS_QUICK, ROWS_QUICK_EACH * batch) : ROWS);
      let best = quick ? CLIENTS_QUICK : clients.get(batch);
      if (best === undefined) {
        await query(parts, fill);
        best = await bestClients(parts, batch, seconds);
        clients.set(batch, best);
      }
      await query(parts, fill);
      return pgbench(parts, batch, best, seconds);
    },
    stop: () => stopPostgres(child),
  };
}

interface PostgresParts {
  readonly bin: string;
  readonly sockets: string;
  /** Where pgbench connects. */
  readonly host: string;
  readonly port: number;
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  readonly dir: string;
}

function stopPostgres(child: ChildProcess): Promise<void> {
  return end(child, "SIGINT");
}

function postgresPrograms(): string {
  const base = "/usr/lib/postgresql";
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  for (const version of versions) {
    const bin = join(base, version, "bin");
    if (existsSync(join(bin, "postgres")) && existsSync(join(bin, "pgbench"))) return bin;
  }
  throw new PeerMissing("postgresql is not installed");
}

/** PostgreSQL refuses to run as root: then it runs as the user of its package. */
function postgresUser(
  place: Place,
  dir: string,
): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"]).toString());
  const user = { uid: id("-u"), gid: id("-g") };
  chownSync(dir, user.uid, user.gid);
  execFileSync("chmod", ["0711", place.dir]);
  return user;
}

const TABLE =
  "CREATE TABLE ranges (id bigint PRIMARY KEY, state smallint NOT NULL, attempts smallint NOT NULL," +
  " pilot int, expires timestamptz, bundle int) WITH (fillfactor = 60);" +
  "CREATE INDEX ready ON ranges (id) WHERE state = 0;";

function fillOf(rows: number): string {
  return (
    "TRUNCATE ranges;" +
    `INSERT INTO ranges SELECT i, 0, 0, NULL, NULL, NULL FROM generate_series(1, ${rows}) i;` +
    "ANALYZE ranges;"
  );
}

/** What a pilot's exchange is: its last batch is done, the next ready ones are its own. */
function exchangeScript(batch: number): string {
  return (
    "WITH done AS (UPDATE ranges SET state = 2, bundle = :client_id WHERE id = ANY(:ids::bigint[]))," +
    ` picked AS (SELECT id FROM ranges WHERE state = 0 ORDER BY id LIMIT ${batch}` +
    " FOR UPDATE SKIP LOCKED)," +
    " taken AS (UPDATE ranges r SET state = 1, attempts = attempts + 1, pilot = :client_id," +
    " expires = now() + interval '30 s' FROM picked WHERE r.id = picked.id RETURNING r.id)" +
    " SELECT array_agg(id) AS ids FROM taken \\gset\n"
  );
}

const CLIENTS = [4, 8, 16, 32];
const CLIENTS_QUICK = 8;

async function bestClients(parts: PostgresParts, batch: number, seconds: number): Promise<number> {
  let best = 0;
  let most = 0;
  for (const count of CLIENTS) {
    const rate = await pgbench(parts, batch, count, Math.min(1, seconds));
    if (rate > most) [best, most] = [count, rate];
  }
  return best;
}

async function pgbench(
  parts: PostgresParts,
  batch: number,
  clients: number,
  seconds: number,
): Promise<number> {
  const script = join(parts.dir, `exchange-${batch}.sql`);
  writeFileSync(script, exchangeScript(batch), { mode: 0o644 });
  const whole = String(Math.max(1, Math.round(seconds)));
  const output = await run(
    [
      join(parts.bin, "pgbench"),
      ...["-h", parts.host, "-p", String(parts.port), "-U", "bench", "-n", "-M", "prepared"],
      ...["-c", String(clients), "-j", "1", "-T", whole, "-D", "ids={}", "-f", script, "postgres"],
    ],
    { core: LOAD_CORE, cwd: parts.dir, user: parts.user },
  );
  const match = /tps = ([\d.]+)/.exec(output);
  if (!match) throw new Error(`pgbench told no rate: ${output}`);
  return Number(match[1]) * batch;
}

async function untilAnswers(parts: PostgresParts): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      return await query(parts, "SELECT 1");
    } catch (error) {
      if (i === 100) throw new PeerMissing(`PostgreSQL does not answer: ${String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function query(parts: PostgresParts, sql: string): Promise<void> {
  const where = ["-h", parts.sockets, "-p", String(parts.port), "-U", "bench", "-d", "postgres"];
  const command = [join(parts.bin, "psql"), "-q", "-v", "ON_ERROR_STOP=1", ...where, "-c", sql];
  await run(command, { core: null, cwd: parts.dir, user: parts.user });
}
