/**
 * Puts the rooms around a started core: listeners for pilots, merge, HTTP API, queues, and the
 * access file by which others find them.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  type AccessFile,
  isLocal,
  JumboError,
  type PilotAddress,
  readAccessFile,
  writeAccessFile,
} from "../base/index.ts";
import type { Engine } from "../broker/index.ts";
import { Fleet } from "../fleet/index.ts";
import { type Gateway, startGateway } from "../gateway/index.ts";
import { authenticate, createToken, type HttpServer, prepareHttp } from "../http/index.ts";
import { MERGE_WORKER, MergeCoordinator } from "../merge/index.ts";
import { scanTask, weighTask } from "../scan/index.ts";
import type { TaskSpec } from "../task/index.ts";
import { type House, type HouseOptions, scratchOf } from "./house.ts";
import { jumboCommand } from "./own-command.ts";
import { VERSION } from "./version.ts";

const PILOT_KEY = "pilot key";
/** A unix socket's path is short on every system; a deep store gets one in the temporary folder. */
const SOCKET_PATH_BYTES_MAX = 100;

/**
 * Prepares what it can while the core is `starting`. Ends the core if anything of it can't be
 * opened; throws what `starting` throws.
 */
export async function furnish(starting: Promise<Engine>, options: HouseOptions): Promise<House> {
  const preparing = options.http ? prepareHttp({ version: VERSION }) : null;
  // Its failure is looked at below, where the core can be ended.
  preparing?.catch(() => {});
  const engine = await starting;
  const storeDir = resolve(options.storeDir);
  const { pool } = options;
  engine.client.onEvent((event) => {
    if (event.type === "failstop") options.onFailStop(event.message);
  });
  const closers: (() => Promise<void>)[] = [() => engine.stop()];
  const close = async () => {
    for (const end of closers.splice(0)) await end();
  };
  try {
    const scratchDir = scratchOf(storeDir, options.scratchDir);
    mkdirSync(scratchDir, { recursive: true });
    const scan = (spec: TaskSpec) => scanTask(spec, { scratch: scratchDir, pool });
    const pilotKey = await secretOf(engine, PILOT_KEY, () => randomBytes(32).toString("hex"));
    await engine.client.ask("setPilotKeys", { keys: [pilotKey] });
    warnOfClearText(options);
    const gateway = await openGateway(engine, storeDir, options.listen, pilotKey);
    closers.unshift(() => gateway.close());
    const merge = new MergeCoordinator(engine.client, {
      runJob: (job) => pool.run(job, { filename: MERGE_WORKER.href }),
      keepBundles: options.keepBundles,
      log: options.log,
    });
    closers.unshift(() => merge.stop());
    let http: HttpServer | null = null;
    let fleet: Fleet | null = null;
    let token = "";
    if (options.http && preparing) {
      fleet = makeFleet(engine, storeDir, options.log);
      token = await ownerToken(engine, storeDir);
      http = await (await preparing).serve(engine.client, {
        ...options.http,
        scan,
        weigh: weighTask,
        gateway: () => gateway.counters,
        fleet,
      });
      const server = http;
      closers.unshift(() => server.close());
    }
    const access: AccessFile = {
      schema: "access/1",
      engineId: engine.engineId,
      pid: process.pid,
      http: http?.url ?? "",
      pilots: gateway.addresses,
      token,
      pilotKey,
    };
    const accessPath = join(storeDir, "access.json");
    writeAccessFile(accessPath, access, 0o600);
    await merge.start();
    if (fleet) {
      const queues = fleet;
      closers.unshift(() => queues.stop());
      await fleet.start();
    }
    return { engine, access, accessPath, scratchDir, scan, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Reads a secret from the store, or makes it at the first start. */
async function secretOf(
  engine: Engine,
  key: string,
  make: () => string | Promise<string>,
): Promise<string> {
  const { value } = await engine.client.ask("getMeta", { key });
  if (value !== null) return value;
  const made = await make();
  await engine.client.ask("putMeta", { key, value: made });
  return made;
}

/** The store keeps only a token's hash: the token itself lives in the access file, or is new. */
async function ownerToken(engine: Engine, storeDir: string): Promise<string> {
  try {
    const { token } = readAccessFile(join(storeDir, "access.json"));
    if (await authenticate(engine.client, token)) return token;
  } catch (error) {
    if (!(error instanceof JumboError)) throw error;
  }
  const owner = process.env["USER"] || "owner";
  return (await createToken(engine.client, { owner, scope: "admin", expiresWallMs: 0 })).token;
}

/** The pilot key crosses plain TCP in clear: fine on loopback or a trusted network only. */
function warnOfClearText({ listen, log }: HouseOptions): void {
  for (const address of listen) {
    if (address.kind !== "tcp" || isLocal(address)) continue;
    log(
      `warning: pilots' key crosses tcp://${address.host} in clear; tls:// needs no certificates`,
    );
  }
}

/** The queues of a serving engine; their jobs start this same program on their nodes. */
function makeFleet(engine: Engine, storeDir: string, log: (line: string) => void): Fleet {
  return new Fleet({
    client: engine.client,
    accessPath: join(storeDir, "access.json"),
    pilot: { argv: jumboCommand() },
    log,
  });
}

async function openGateway(
  engine: Engine,
  storeDir: string,
  listen: readonly PilotAddress[],
  pilotKey: string,
): Promise<Gateway> {
  const inStore = join(storeDir, "pilots.sock");
  const path =
    Buffer.byteLength(inStore) <= SOCKET_PATH_BYTES_MAX
      ? inStore
      : join(tmpdir(), `jumbo-${engine.engineId.slice(0, 12)}.sock`);
  return await startGateway(engine.port, {
    listen: [{ kind: "unix", path }, ...listen],
    pilotKey: () => pilotKey,
  });
}
