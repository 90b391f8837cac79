/**
 * The engine of the soak: `node --expose-gc soak-engine.ts DIR ADDRESS RANGES`. Core and gateway are
 * the production ones. One task, done over and over: when its last range is done, every bundle that
 * holds outputs of it is given up, as if its disk were lost, and all ranges open again. The books
 * therefore stay of one size, and memory that grows is lost memory.
 *
 * On SIGUSR2 it collects its garbage and says `memory {...}`: bytes that are alive after that.
 */
import { join } from "node:path";
import { EXIT, exitNow, parsePilotAddress } from "../../../src/base/index.ts";
import { startEngine } from "../../../src/broker/index.ts";
import { startGateway } from "../../../src/gateway/index.ts";
import { countTask } from "../../sim/sim-tasks.ts";

const BUNDLES_AT_ONCE = 256;

const [dir = "", address = "", ranges = "4000000"] = process.argv.slice(2);
const engine = await startEngine({ storeDir: join(dir, "store"), inline: true });
const { client } = engine;
await client.ask("setPilotKeys", { keys: ["campaign"] });
const terms = { attempts: 100, losses: 100, priority: 0, owner: "campaign" };
const { spec, files } = countTask("soak", Number(ranges), terms);
const payload = { ...spec.payload, command: [":null"] };
const { task } = await client.ask("submit", { spec: { ...spec, payload }, files });
let cycles = 0;
let given = 0;

client.onEvent((event) => {
  if (event.type === "failstop") {
    console.log(`failstop ${event.message}`);
    exitNow(EXIT.storeIo);
  }
  if (event.type === "mergeable" && event.task === task) void again();
});

/** Gives up what was used since the last time. */
async function again(): Promise<void> {
  cycles++;
  for (;;) {
    const ids = Array.from({ length: BUNDLES_AT_ONCE }, (_, i) => given + 1 + i);
    const known = await client.ask("bundles", { ids });
    for (const { id, state } of known) {
      given = id;
      if (state === "lost") continue;
      await client.ask("reopenBundle", { task, bundle: id, why: "the soak starts again" });
    }
    if (known.length < BUNDLES_AT_ONCE) return;
  }
}

process.on("SIGUSR2", () => {
  // Twice: what the first collection finalises, the second one frees.
  globalThis.gc?.();
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  console.log(`memory ${JSON.stringify({ cycles, rss, heapUsed, external })}`);
});
const listen = address.split(",").map(parsePilotAddress);
const gateway = await startGateway(engine.port, { listen, pilotKey: () => "00" });
console.log(`up ${engine.epoch}`);
process.once("SIGTERM", async () => {
  await gateway.close();
  await engine.stop();
  process.exit(0);
});
