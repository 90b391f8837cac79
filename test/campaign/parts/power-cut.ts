/** Power cuts of a recorded run: 0 lost, 0 corrupt; without syncs, some must be lost. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  Child,
  compileShim,
  inLanes,
  LANES,
  type Part,
  type PartResult,
  program,
  workFolder,
} from "../part.ts";

const CHUNK = 250;
const CONTROL_IMAGES = 500;

interface Told {
  images: number;
  lost: number;
  corrupt: number;
  absent: number;
  refused: number;
  problems: string[];
}

export const part: Part = {
  what: "power cuts with torn 512-byte sectors, recovered by openStore; a control without syncs",
  count: 5_000,
  async run({ seed, count }): Promise<PartResult> {
    const root = workFolder();
    const images = workFolder("memory");
    const shim = compileShim("record-io", root);
    if (shim === "") return { counts: {}, violations: [], skipped: "no C compiler (cc)" };
    const log = join(root, "log");
    const dir = join(root, "recorded");
    mkdirSync(dir);
    const env = { LD_PRELOAD: shim, RECORD_LOG: log };
    // Lives that close in order, and two that are killed: what comes next takes their tail in.
    for (const [lives, end] of [
      ["2", "killed"],
      ["1", "killed"],
      ["2", ""],
    ] as const) {
      const writer = await new Child([program("store-writer"), dir, lives, "80", end], env).end;
      const isRight = end === "killed" ? writer.signal === "SIGKILL" : writer.code === 0;
      if (!isRight || !existsSync(log)) throw new Error(`no log: ${writer.stderr}`);
    }
    const sums: Told = { images: 0, lost: 0, corrupt: 0, absent: 0, refused: 0, problems: [] };
    const control: Told = { images: 0, lost: 0, corrupt: 0, absent: 0, refused: 0, problems: [] };
    const violations: string[] = [];
    const chunks: { mode: string; seed: number; size: number; into: Told }[] = [];
    for (let at = 0; at < count; at += CHUNK) {
      const size = Math.min(CHUNK, count - at);
      chunks.push({ mode: "synced", seed: seed + at, size, into: sums });
    }
    for (let at = 0; at < CONTROL_IMAGES; at += CHUNK) {
      chunks.push({ mode: "nosync", seed: seed + at, size: CHUNK, into: control });
    }
    await inLanes(chunks, LANES, async ({ mode, seed: from, size, into }) => {
      const folder = join(images, `${mode}-${from}`);
      mkdirSync(folder);
      const args = [program("power-cut-images"), log, folder, String(from), String(size), mode];
      const { code, signal, stdout, stderr } = await new Child(args, {}, 600_000).end;
      if (code !== 0) {
        if (mode === "nosync") into.corrupt++;
        else violations.push(`images from seed ${from}: ended with ${code ?? signal} ${stderr}`);
        return;
      }
      const told = JSON.parse(stdout) as Told;
      for (const key of ["images", "lost", "corrupt", "absent", "refused"] as const) {
        into[key] += told[key];
      }
      into.problems.push(...told.problems);
    });
    if (sums.lost + sums.corrupt + sums.refused > 0) violations.push(...sums.problems);
    const failed = control.lost + control.corrupt + control.refused;
    if (failed === 0) violations.push("the control without syncs lost nothing");
    const { problems: _, ...counts } = sums;
    return { counts: { ...counts, "of the control failed": failed }, violations };
  },
};
