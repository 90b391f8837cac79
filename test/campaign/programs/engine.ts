/**
 * A bare engine for the campaign: `node engine.ts DIR ADDRESS [RANGES [LEASE-MS]]`. Core and
 * gateway are the production ones; the task is a count with the null payload, made at the first
 * start. At each start it holds what DIR/acks.json says was acknowledged ([task, range, lease]
 * triples) against its books, and says `up EPOCH verified N` or `LOST ...`.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, exitNow, JumboError, parsePilotAddress } from "../../../src/base/index.ts";
import { type EngineClient, startEngine } from "../../../src/broker/index.ts";
import { startGateway } from "../../../src/gateway/index.ts";
import { STATE } from "../../../src/ledger/index.ts";
import { countTask } from "../../sim/sim-tasks.ts";

const RUNS_PER_PAGE = 100_000;

/** Number of acknowledged ranges, or throws at the first that the books don't show as done. */
async function verify(client: EngineClient, path: string): Promise<number> {
  if (!existsSync(path)) return 0;
  const acks = JSON.parse(readFileSync(path, "utf8")) as [number, number, number][];
  const byTask = new Map<number, Map<number, number>>();
  for (const [task, range, lease] of acks) {
    const ranges = byTask.get(task) ?? new Map<number, number>();
    byTask.set(task, ranges.set(range, lease));
  }
  for (const [task, ranges] of byTask) {
    for (let from = 0; from >= 0 && ranges.size > 0; ) {
      const page = await client.ask("ranges", { task, from, runsMax: RUNS_PER_PAGE });
      for (let i = 0; i < page.first.length && ranges.size > 0; i++) {
        if (page.state[i] !== STATE.done) continue;
        const first = page.first[i] as number;
        for (let k = 0; k < (page.count[i] as number); k++) {
          const lease = ranges.get(first + k);
          if (lease === undefined) continue;
          if (lease !== page.lease[i]) throw new Error(`range ${first + k} has another lease`);
          ranges.delete(first + k);
        }
      }
      from = page.next;
    }
    for (const range of ranges.keys()) throw new Error(`acknowledged range ${range} is not done`);
  }
  return acks.length;
}

const [dir = "", address = "", rangesText = "100000000", termText = "30000"] =
  process.argv.slice(2);
try {
  const leaseTermMs = Number(termText);
  const heartbeatMs = Math.min(5_000, Math.floor(leaseTermMs / 4));
  const engine = await startEngine({
    storeDir: join(dir, "store"),
    inline: true,
    core: { leaseTermMs, heartbeatMs, disconnectGraceMs: Math.min(3_000, leaseTermMs) },
  });
  engine.client.onEvent((event) => {
    if (event.type !== "failstop") return;
    console.log(`failstop ${event.message}`);
    exitNow(EXIT.storeIo);
  });
  await engine.client.ask("setPilotKeys", { keys: ["campaign"] });
  const terms = { attempts: 100, losses: 100, priority: 0, owner: "campaign" };
  const { spec, files } = countTask("load", Number(rangesText), terms);
  const payload = { ...spec.payload, command: [":null"] };
  await engine.client.ask("submit", { spec: { ...spec, payload }, files });
  const verified = await verify(engine.client, join(dir, "acks.json"));
  const listen = address.split(",").map(parsePilotAddress);
  const gateway = await startGateway(engine.port, { listen, pilotKey: () => "00" });
  console.log(`up ${engine.epoch} verified ${verified} at ${gateway.addresses.join(" ")}`);
  process.once("SIGTERM", async () => {
    await gateway.close();
    await engine.stop();
    process.exit(0);
  });
} catch (error) {
  console.log(`LOST ${(error as Error).message}`);
  process.exit(error instanceof JumboError ? error.exitCode : 1);
}
