/** The demo's payloads: physics that holds by construction, any cut alike, the protocol. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { analyse, dileptonMass, eventsOf } from "../../examples/drell-yan/analyse.ts";
import { FOOTER, HEADER, lheText } from "../../examples/drell-yan/generate.ts";
import { eventRandom, splitmix64 } from "../../examples/lib/seeds.ts";
import { splitmix64At } from "../../src/base/index.ts";

const SEED = "11400714819323198485";
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "jumbo-examples-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the Drell-Yan generator", () => {
  it("writes the same events however they are cut", () => {
    const whole = lheText(0, 60, SEED);
    let pieces = HEADER;
    for (const [start, count] of [
      [0, 1],
      [1, 7],
      [8, 52],
    ] as const) {
      pieces += lheText(start, count, SEED).slice(HEADER.length, -FOOTER.length);
    }
    expect(pieces + FOOTER).toBe(whole);
  });

  it("conserves momentum at both vertices and keeps particles on their mass shell", () => {
    for (const event of eventsOf(lheText(0, 200, SEED))) {
      const rows = event.trim().split("\n").slice(1);
      const p = rows.map((row) => row.trim().split(/\s+/).slice(6, 11).map(Number));
      for (let axis = 0; axis < 4; axis++) {
        const incoming = p[0]![axis]! + p[1]![axis]!;
        expect(Math.abs(incoming - p[2]![axis]!)).toBeLessThan(1e-6);
        expect(Math.abs(p[3]![axis]! + p[4]![axis]! - p[2]![axis]!)).toBeLessThan(1e-6);
      }
      for (const [px, py, pz, energy, mass] of p as [number, number, number, number, number][]) {
        const scale = energy ** 2;
        expect(Math.abs(scale - px ** 2 - py ** 2 - pz ** 2 - mass ** 2)).toBeLessThan(
          1e-8 * scale,
        );
      }
    }
  });

  it("peaks at the Z mass with a tail on both sides", () => {
    const masses = eventsOf(lheText(0, 4000, SEED)).map((event) => dileptonMass(event) ?? 0);
    const near = masses.filter((mass) => Math.abs(mass - 91.1876) < 2.4952 / 2).length;
    // Half of a Breit-Wigner lies within half a width: 0.85 * 0.5 of all, and a little continuum.
    expect(near / masses.length).toBeGreaterThan(0.39);
    expect(near / masses.length).toBeLessThan(0.47);
    expect(Math.min(...masses)).toBeGreaterThanOrEqual(40 - 1e-6);
    expect(Math.max(...masses)).toBeLessThanOrEqual(200 + 1e-6);
  });

  it("draws from the engine's per-event seeds", () => {
    for (const event of [0, 1, 12_345]) {
      expect(splitmix64(BigInt(SEED), event)).toBe(splitmix64At(BigInt(SEED), event));
    }
    expect(eventRandom(SEED, 3)()).not.toBe(eventRandom(SEED, 4)());
  });
});

describe("the analysis", () => {
  it("numbers its lines by entry and finds the generated masses", () => {
    const lhe = lheText(10, 5, SEED);
    const { text, events } = analyse(lhe, 10);
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { entry0: number; mll: number });
    expect(events).toBe(5);
    expect(lines.map((line) => line.entry0)).toEqual([10, 11, 12, 13, 14]);
    const scales = eventsOf(lhe).map((event) => Number(event.trim().split(/\s+/)[3]));
    lines.forEach((line, i) => void expect(line.mll).toBeCloseTo(scales[i]!, 4));
  });

  it("says null of an event without a lepton pair", () => {
    expect(dileptonMass("1 1 1 1 1 1\n21 1 0 0 0 0 0 0 5 5 0 0 9\n")).toBeNull();
  });
});

describe("a stream payload", () => {
  it("greets, answers each range, fails what it can't do, and ends at stop", async () => {
    const path = fileURLToPath(new URL("../../examples/drell-yan/generate.ts", import.meta.url));
    const child = spawn(process.execPath, [path], { stdio: ["pipe", "pipe", "inherit"] });
    const output = join(folder, "one.lhe");
    const range = { id: "1.0", file: "", start: 2, count: 3, seed: SEED, output };
    child.stdin.write(`${JSON.stringify({ range })}\n`);
    const bad = { ...range, id: "1.1", output: join(folder, "missing", "x.lhe") };
    child.stdin.write(`${JSON.stringify({ range: bad })}\n{"stop":{}}\n`);
    const said: Record<string, { id?: string; events?: number; fatal?: boolean }>[] = [];
    for await (const line of createInterface({ input: child.stdout })) said.push(JSON.parse(line));
    const done = said.find((message) => message["done"])!["done"]!;
    const failed = said.find((message) => message["failed"])!["failed"]!;
    expect(said[0]).toEqual({ hello: { protocol: 1, slots: 1 } });
    expect(said[1]).toEqual({ ready: 1 });
    expect(done).toMatchObject({ id: "1.0", events: 3 });
    expect(failed).toMatchObject({ id: "1.1", fatal: false });
    expect(readFileSync(output, "utf8")).toBe(lheText(2, 3, SEED));
  });
});
