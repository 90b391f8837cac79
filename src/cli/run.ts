/**
 * `jumbo run TASK.yaml`: everything in one process tree. Validates, scans, opens the engine over
 * the store (a temporary one unless --store keeps it), starts local pilots, waits for the merge and
 * verifies the result. On the same store the same task continues where it was killed; the same name
 * with other content is a conflict.
 *
 * The task is validated and scanned before the engine opens, so that a wrong one stores nothing and
 * a store's folder that was not there is not left behind.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { JumboError } from "../base/index.ts";
import { type JobPool, openPool, type TaskView } from "../broker/index.ts";
import { type Certificate, verifyManifest } from "../merge/index.ts";
import { scanTask, weighTask } from "../scan/index.ts";
import { checkAgainstScan, loadTaskFile, type TaskFile, type TaskSpec } from "../task/index.ts";
import { watchDiskSpace } from "./disk-space.ts";
import { type House, openHouse, scratchOf } from "./house.ts";
import { LOCAL_PILOTS, LocalPilots } from "./local-pilots.ts";

/**
 * Shorter than that of `serve`: no network lies between, so a local pilot that is silent hangs. Of
 * those that have ended the engine is told.
 */
const LEASE_TERM_MS = 10_000;

export interface RunOptions {
  /** null: a temporary store that ends with the run. */
  readonly store: string | null;
  readonly results: string;
  readonly pilots: number;
  /** Slots of each pilot; 0: the machine's cores shared among the pilots. */
  readonly slots: number;
  readonly inline: boolean;
  readonly keepBundles: boolean;
}

export interface RunHooks {
  readonly log: (line: string) => void;
  /** Each change of the task, with the process ids of the local pilots. */
  readonly onView: (view: TaskView, pilotPids: readonly number[]) => void;
  /** Aborting ends the run with `interrupted`; the store keeps what is done. */
  readonly signal: AbortSignal;
  readonly onFailStop: (message: string) => void;
}

export interface RunResult {
  readonly view: TaskView;
  readonly certificate: Certificate | null;
}

export async function runTask(
  taskFile: string,
  options: RunOptions,
  hooks: RunHooks,
): Promise<RunResult> {
  const spec = loadTaskFile(taskFile, { results: resolve(options.results) });
  const storeDir = options.store
    ? resolve(options.store)
    : mkdtempSync(join(tmpdir(), "jumbo-run-"));
  const temporary = options.store === null;
  const pool = openPool();
  let house: House | null = null;
  try {
    const scanned = await scanFirst(spec, storeDir, temporary, pool);
    house = await openHouse({
      storeDir,
      scratchDir: null,
      pool,
      inline: options.inline,
      listen: [],
      http: null,
      keepBundles: options.keepBundles,
      leaseTermMs: LEASE_TERM_MS,
      log: hooks.log,
      onFailStop: hooks.onFailStop,
    });
    return await runInside(house, spec, scanned, storeDir, options, hooks);
  } finally {
    await house?.close();
    await pool.close();
    if (temporary) rmSync(storeDir, { recursive: true, force: true });
  }
}

interface Scanned {
  readonly files: TaskFile[];
  readonly weights: Float32Array | null;
}

async function scanFirst(
  spec: TaskSpec,
  storeDir: string,
  temporary: boolean,
  pool: JobPool,
): Promise<Scanned> {
  const isNew = !existsSync(storeDir);
  try {
    const scratch = scratchOf(storeDir, null);
    mkdirSync(scratch, { recursive: true });
    const files = await scanTask(spec, { scratch, pool });
    checkAgainstScan(spec, files);
    return { files, weights: await weighTask(spec, files) };
  } catch (error) {
    if (isNew && !temporary) rmSync(storeDir, { recursive: true, force: true });
    throw error;
  }
}

async function runInside(
  house: House,
  spec: TaskSpec,
  scanned: Scanned,
  storeDir: string,
  options: RunOptions,
  hooks: RunHooks,
): Promise<RunResult> {
  const { client } = house.engine;
  const { task, existed } = await client.ask("submit", { spec, ...scanned });
  if (existed) hooks.log(`task "${spec.name}" is known to this store and continues`);
  // Those of a run that was killed ended with it: what they held need not wait for their leases.
  const ended = (prefix: string) => client.ask("pilotsEnded", { prefix });
  await ended(LOCAL_PILOTS);
  const slots = options.slots || Math.max(1, Math.floor(availableParallelism() / options.pilots));
  const pilots = new LocalPilots({
    accessPath: house.accessPath,
    pilots: options.pilots,
    slotsPerPilot: slots,
    bundlesDir: join(storeDir, "bundles"),
    // An engine that has stopped needs no word of it.
    onEnded: (pilotId) => void ended(pilotId).catch(() => {}),
    log: hooks.log,
  });
  const unsubscribe = client.onEvent((event) => {
    if (event.type === "task" && event.view.id === task) hooks.onView(event.view, pilots.pids);
  });
  const unwatch = watchDiskSpace(storeDir, hooks.log);
  try {
    const before = await client.ask("show", { task });
    if (before.state === "open") pilots.start();
    const view = await Promise.race([
      client.ask("wait", { task, timeoutMs: 0 }),
      aborted(hooks.signal),
    ]);
    hooks.onView(view, pilots.pids);
    await pilots.stop();
    const certificate = view.manifest === "" ? null : await verifyManifest(view.manifest);
    return { view, certificate };
  } finally {
    unwatch();
    unsubscribe();
    await pilots.stop();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = () =>
      reject(
        new JumboError(
          "interrupted",
          "interrupted by a signal (what is done is kept in the store, if --store was given) run it again to continue",
        ),
      );
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
