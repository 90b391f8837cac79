/**
 * Ways from a native pilot to the engine: TLS with the store's key and an allocation's, an HTTP
 * proxy (of our own here), the spool folder of a relay; each over a real engine.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  CLI,
  countResult,
  countTask,
  hasTls,
  isBuilt,
  NativeBed,
  type Started,
  skipLoudly,
} from "./bed.ts";
import { startProxy } from "./proxy.ts";

skipLoudly("ways of the native pilot to the engine");

describe.skipIf(!isBuilt)("a native pilot", { timeout: 120_000 }, () => {
  let bed: NativeBed;
  const servers: Server[] = [];
  beforeEach(() => {
    bed = new NativeBed();
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) server.close();
    await bed.close();
  });

  async function proxy(answer?: string) {
    const started = await startProxy(answer);
    servers.push(started.server);
    return started;
  }

  it.skipIf(!hasTls)(
    "speaks TLS 1.3 with an allocation's key, and sees its owner's tasks only",
    async () => {
      await bed.startEngine("--listen", "tls://127.0.0.1:0");
      const path = join(bed.folder, "ann", "access.json");
      await bed.jumbo("token", "create", "--owner", "ann", "--pilot", path, "--cores", "2");
      expect(statSync(path).mode & 0o777).toBe(0o400);
      const file = readFileSync(path, "utf8");
      expect(file).not.toContain(bed.access().pilotKey);
      expect(JSON.parse(file)).toMatchObject({ token: "", http: "" });
      const access = { ...JSON.parse(file), pilots: bed.addresses("tls://") };
      const bobs = await bed.submit({ ...countTask("bobs", 2), owner: "bob" });
      const anns = await bed.submit({ ...countTask("anns", 20), owner: "ann" });
      bed.pilot(bed.accessWith("ann", access));
      expect((await bed.wait(anns)).state).toBe("done");
      expect(bed.result("anns.jsonl")).toBe(countResult(20));
      expect((await bed.show(bobs)).attempts).toBe(0);
    },
  );

  it.skipIf(!hasTls)(
    "goes through a proxy's CONNECT, which sees no key where TLS is inside",
    async () => {
      await bed.startEngine("--listen", "tls://127.0.0.1:0", "127.0.0.1:0");
      const { place, asked, seen } = await proxy();
      const tls = { pilots: bed.addresses("tls://") };
      const id = await bed.submit(countTask("proxied", 10));
      const first = bed.pilot(bed.accessWith("tls", { ...tls, proxy: place }));
      expect((await bed.wait(id)).state).toBe("done");
      expect((await first.kill("SIGTERM")).code).toBe(0);
      expect(bed.result("proxied.jsonl")).toBe(countResult(10));
      expect(asked[0]).toBe(
        `CONNECT ${bed.addresses("tls://")[0]?.slice("tls://".length)} HTTP/1.1`,
      );
      const { pilotKey } = bed.access();
      expect(Buffer.concat(seen).includes(pilotKey)).toBe(false);
      // The same from the environment, and in clear: then it does see the key.
      const again = await bed.submit(countTask("again", 2));
      const plain = bed.accessWith("plain", {
        pilots: bed.addresses("tcp://"),
        proxy: "nowhere:1",
      });
      bed.pilot(plain, [], { JUMBO_PROXY: `http://${place}/` });
      expect((await bed.wait(again)).state).toBe("done");
      expect(Buffer.concat(seen).includes(pilotKey)).toBe(true);
    },
  );

  it("tells what a proxy says that gives no tunnel", async () => {
    await bed.startEngine("--listen", "127.0.0.1:0");
    const { place } = await proxy("HTTP/1.1 403 Forbidden");
    const access = bed.accessWith("no", { pilots: bed.addresses("tcp://"), proxy: place });
    const { code, text } = await bed.pilot(access, ["--give-up", "1s"]).ended;
    expect(code).toBe(5);
    expect(text).toContain("the proxy gives no tunnel (it answered HTTP/1.1 403 Forbidden)");
  });

  describe("behind a relay", () => {
    const spool = () => join(bed.folder, "spool");
    const inSpool = () => readdirSync(spool()).filter((name) => name.startsWith("c-"));

    async function relay(): Promise<Started> {
      const args = [CLI, "pilot", "relay", "--store", bed.store, "--folder", spool()];
      const started = bed.start(process.execPath, args);
      await bed.until("a relay", () => started.text.includes("relay in "));
      return started;
    }

    it("works as over a socket, and nothing is left behind", async () => {
      await bed.startEngine("--lease-term", "4s");
      const served = await relay();
      const access = join(spool(), "access.json");
      expect(statSync(access).mode & 0o777).toBe(0o400);
      const id = await bed.submit(countTask("relayed", 50));
      const pilot = bed.pilot(access);
      expect((await bed.wait(id)).state).toBe("done");
      expect(bed.result("relayed.jsonl")).toBe(countResult(50));
      expect((await bed.show(id)).attempts).toBe(50);
      expect((await pilot.kill("SIGTERM")).code, pilot.text).toBe(0);
      await bed.until("the folder of the ended pilot to go", () => inSpool().length === 0);
      expect((await served.kill("SIGTERM")).code).toBe(0);
      expect(readdirSync(spool())).toEqual([]);
    });

    it("loses and doubles nothing when relay, engine and pilot are killed in turn", async () => {
      const ranges = 160;
      await bed.startEngine("--lease-term", "4s");
      let served = await relay();
      const access = join(spool(), "access.json");
      const id = await bed.submit(countTask("killed", ranges, 0.1));
      let pilot = bed.pilot(access);
      await bed.done(id, 10);
      await served.kill();
      served = await relay();
      await bed.done(id, 30);
      await bed.engine?.kill();
      await bed.startEngine("--lease-term", "4s");
      await bed.done(id, 60);
      await pilot.kill();
      pilot = bed.pilot(access);
      await bed.done(id, 90);
      await served.kill();
      served = await relay();
      expect((await bed.wait(id)).state).toBe("done");
      await bed.jumbo("verify", String(id));
      expect(bed.result("killed.jsonl")).toBe(countResult(ranges));
      // Two slots: no more than two ranges were running when the pilot was killed.
      const { attempts } = await bed.show(id);
      expect(attempts).toBeGreaterThanOrEqual(ranges);
      expect(attempts).toBeLessThanOrEqual(ranges + 2);
      await pilot.kill("SIGTERM");
      await bed.until("the folders of all pilots to go", () => inSpool().length === 0);
    });

    it("is told when a second relay comes to the folder, and what has to be closed to others", async () => {
      await bed.startEngine();
      await relay();
      const second = [CLI, "pilot", "relay", "--store", bed.store, "--folder"];
      const refused = await bed.start(process.execPath, [...second, spool()]).ended;
      expect(refused.code).toBe(7);
      expect(refused.text).toContain("another relay serves");
      const open = join(bed.folder, "open");
      mkdirSync(open, { mode: 0o755 });
      const { code, text } = await bed.start(process.execPath, [...second, open]).ended;
      expect(code).toBe(2);
      expect(text).toContain("open to others");
      const access = bed.accessWith("open", { pilots: [`spool://${open}`] });
      const pilot = await bed.pilot(access, ["--give-up", "1s"]).ended;
      expect(pilot.code).toBe(5);
      expect(pilot.text).toContain("open to others");
      expect(existsSync(join(open, "access.json"))).toBe(false);
    });

    it("is told that there is no relay", async () => {
      await bed.startEngine();
      const served = await relay();
      const access = bed.accessWith("alone", { pilots: [`spool://${spool()}`] });
      await served.kill();
      const { code, text } = await bed.pilot(access, ["--give-up", "1s"]).ended;
      expect(code).toBe(5);
      expect(text).toContain("no relay has answered");
      expect(inSpool()).toEqual([]);
    });
  });
});
