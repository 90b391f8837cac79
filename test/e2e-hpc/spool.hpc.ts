/**
 * A node whose network cable is pulled works through the spool folder: its pilot's frames are files
 * on the shared file system, carried by a relay on the login host, which is killed on the way.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AccessFile } from "../../src/base/index.ts";
import { Bed } from "./bed.ts";
import { BUILD, CLUSTER, cluster, ended, outside, ROOT, start, tryOn, until } from "./cluster.ts";

const why = outside();
if (why !== "") console.warn(`SKIPPED: a node without a network (${why})`);
const RANGES = 300;
const NODE = "n1";

describe.skipIf(why !== "")("a node without a network", () => {
  let bed: Bed;
  const relays: ChildProcess[] = [];
  beforeAll(async () => {
    bed = await Bed.open("spool");
    await cluster("node", NODE, "cut");
  });
  afterAll(async () => {
    for (const relay of relays) relay.kill("SIGKILL");
    await tryOn(NODE, "pkill", "-KILL", "jumbo-pilot");
    await cluster("node", NODE, "heal");
    await bed.close();
  });

  const spool = () => `${bed.folder}/spool`;
  const log = (name: string) => readFileSync(`${bed.folder}/${name}.log`, "utf8");

  async function startRelay(): Promise<void> {
    writeFileSync(`${bed.folder}/relay.log`, "");
    const cli = [process.execPath, `${ROOT}/src/cli/jumbo.mjs`, "pilot", "relay"];
    const place = ["--store", bed.store, "--folder", spool()];
    relays.push(start(`${bed.folder}/relay.log`, ...cli, ...place));
    await until("a relay", 60, () => log("relay").includes("relay in "));
  }

  function startPilot(name: string, ...flags: string[]): ChildProcess {
    const out = openSync(`${bed.folder}/${name}.log`, "a");
    const pilot = [`${BUILD}/serial/jumbo-pilot`, "--slots", "2", "--bundles", bed.bundles];
    const child = spawn(CLUSTER, ["exec", NODE, "--", ...pilot, ...flags], {
      stdio: ["ignore", out, out],
    });
    closeSync(out);
    return child;
  }

  it("can't reach the engine's port, and works by files, also over the death of the relay", async () => {
    // The hosts are namespaces of one kernel: the engine's unix socket is seen on all of them.
    const access = JSON.parse(readFileSync(`${bed.store}/access.json`, "utf8")) as AccessFile;
    const pilots = access.pilots.filter((address) => !address.startsWith("unix:"));
    writeFileSync(`${bed.folder}/direct.json`, JSON.stringify({ ...access, pilots }));
    const direct = ["--access", `${bed.folder}/direct.json`, "--give-up", "2s"];
    const alone = startPilot("alone", ...direct);
    await until("the end of the pilot without a relay", 60, () => ended(alone));
    expect(log("alone")).toContain("no engine for 2 s");

    await startRelay();
    const script = 'sleep 0.02; echo "{\\"i\\":$1}" > "$2"';
    const id = await bed.submit({
      name: "spooled",
      input: { count: RANGES },
      payload: { command: ["sh", "-c", script, "x", "{skip}", "{output}"] },
      output: { name: "spooled.jsonl", merge: "jsonl", recordsPerEvent: 1 },
    });
    const pilot = startPilot("pilot", "--access", `${spool()}/access.json`);
    const done = async () => (await bed.show(id))?.ranges.done ?? 0;
    await until("some ranges", 60, async () => (await done()) > 0);
    relays[0]?.kill("SIGKILL");
    const before = await done();
    await startRelay();
    await until("more ranges", 60, async () => (await done()) > before);
    await bed.jumbo("wait", id);
    await bed.jumbo("verify", id);
    const expected = Array.from({ length: RANGES }, (_, i) => `{"i":${i}}\n`).join("");
    expect(bed.result("spooled.jsonl")).toBe(expected);
    await tryOn(NODE, "pkill", "-TERM", "jumbo-pilot");
    await until("the pilot's end", 60, () => ended(pilot));
    await until("the pilot's folder to go", 60, () =>
      readdirSync(spool()).every((name) => !name.startsWith("c-")),
    );
  });
});
