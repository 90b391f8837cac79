/**
 * The engine dies while ranges run: the pilot finishes them, waits as long as it was told to, and
 * gives up with every report in its spool; the next pilot delivers them under its name, once.
 */
import { mkdirSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { countResult, countTask, isBuilt, NativeBed, skipLoudly } from "./bed.ts";

skipLoudly("the spool of reports");

describe.skipIf(!isBuilt)("reports that find no engine", { timeout: 120_000 }, () => {
  let bed: NativeBed;
  beforeEach(() => {
    bed = new NativeBed();
    mkdirSync(join(bed.folder, "bundles"));
  });
  afterEach(async () => {
    await bed.close();
  });

  const spools = () =>
    readdirSync(join(bed.folder, "bundles")).filter((name) => name.endsWith(".spool"));
  const serve = () => bed.startEngine("--lease-term", "60s", "--listen", "127.0.0.1:0");

  /** Ranges that begin at once and end when the gate is opened, so that the engine dies meanwhile. */
  function gated(count: number): Record<string, unknown> {
    const gate = join(bed.folder, "gate");
    const script = `while [ ! -e "${gate}" ]; do sleep 0.05; done; echo "{\\"i\\":$1}" > "$2"`;
    const task = countTask("gated", count);
    const payload = { command: ["sh", "-c", script, "x", "{skip}", "{output}"] };
    return { ...task, payload };
  }
  const openGate = () => mkdirSync(join(bed.folder, "gate"));

  it("wait in a file when the pilot gives up, and the next pilot delivers them once", async () => {
    await serve();
    const id = await bed.submit(gated(2));
    const first = bed.pilot(bed.accessPath, ["--give-up", "1s"]);
    await bed.until("two running ranges", async () => (await bed.show(id)).attempts === 2);
    await bed.engine?.kill();
    openGate();
    const { code, text } = await first.ended;
    expect(code, text).toBe(5);
    expect(text).toContain("no engine for 1 s");
    expect(text).toContain("the next pilot delivers them");
    expect(spools()).toHaveLength(1);
    await serve();
    // It has no work of its own to do: what is done, the first pilot has done.
    const second = bed.pilot(bed.accessPath);
    expect((await bed.wait(id)).state).toBe("done");
    await bed.until("the spool to go", () => spools().length === 0);
    expect((await bed.show(id)).attempts).toBe(2);
    expect(bed.result("gated.jsonl")).toBe(countResult(2));
    expect(second.text).toContain("is delivered: 2 done, 0 of no use any more");
    // A third one finds nothing.
    await second.kill("SIGTERM");
    const third = bed.pilot(bed.accessPath);
    await third.kill("SIGTERM");
    expect(third.text).not.toContain("delivering");
  });

  it("of a pilot that was killed are delivered once nobody has renewed them for 30 s", async () => {
    // The file is written once the engine is away for longer than a lease lasts.
    await bed.startEngine("--lease-term", "2s", "--listen", "127.0.0.1:0");
    const id = await bed.submit(gated(2));
    const first = bed.pilot(bed.accessPath);
    await bed.until("two running ranges", async () => (await bed.show(id)).attempts === 2);
    await bed.engine?.kill();
    openGate();
    await bed.until("a spool", () => spools().length === 1);
    await first.kill();
    const [spool] = spools();
    const then = Date.now() / 1000 - 60;
    utimesSync(join(bed.folder, "bundles", spool as string), then, then);
    await serve();
    const second = bed.pilot(bed.accessPath);
    expect((await bed.wait(id)).state).toBe("done");
    await bed.until("the spool to go", () => spools().length === 0);
    expect(second.text).toContain("is delivered: ");
    expect(bed.result("gated.jsonl")).toBe(countResult(2));
  });

  it("that somebody else has done meanwhile count for nothing", async () => {
    await bed.startEngine("--lease-term", "2s", "--listen", "127.0.0.1:0");
    const id = await bed.submit(gated(2));
    const first = bed.pilot(bed.accessPath, ["--give-up", "1s"]);
    await bed.until("two running ranges", async () => (await bed.show(id)).attempts === 2);
    await bed.engine?.kill();
    openGate();
    expect((await first.ended).code).toBe(5);
    await bed.startEngine("--lease-term", "2s", "--listen", "127.0.0.1:0");
    const away = ["--bundles", join(bed.folder, "elsewhere")];
    const other = bed.pilot(bed.accessPath, away);
    expect((await bed.wait(id)).state).toBe("done");
    await other.kill("SIGTERM");
    expect(spools()).toHaveLength(1);
    const second = bed.pilot(bed.accessPath);
    await bed.until("the spool to go", () => spools().length === 0);
    expect(second.text).toContain("is delivered: 0 done, 2 of no use any more");
    expect(bed.result("gated.jsonl")).toBe(countResult(2));
  });
});
