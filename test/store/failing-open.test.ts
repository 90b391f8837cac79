/**
 * The first opening of a store, with each of its file calls failing once: LMDB answers a failed open
 * of its own by SIGSEGV, so every call that may fail must be one of ours.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openStore } from "../../src/store/index.ts";
import { inLanes, removeFoldersAfterwards, runChild, temporaryFolder } from "./support.ts";

removeFoldersAfterwards();

const source = fileURLToPath(new URL("../campaign/shims/fail-io.c", import.meta.url));

const TIMEOUT_MS = 180_000;

test("a call that fails while a store is made ends in words", {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const folder = temporaryFolder("fast");
  const shim = join(folder, "fail-io.so");
  const compiled = spawnSync("cc", ["-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"]);
  if (compiled.status !== 0) {
    console.warn("SKIPPED: failing disks need a C compiler (cc) to build the shim");
    context.skip();
  }
  const open = async (at: number) => {
    const below = join(folder, `at-${at}`);
    mkdirSync(below);
    const counter = join(folder, `counter-${at}`);
    writeFileSync(counter, Buffer.alloc(4096));
    const dir = join(below, "store");
    const end = await runChild(["open", dir], {
      LD_PRELOAD: shim,
      FAIL_COUNTER: counter,
      FAIL_BELOW: below,
      FAIL_AT: String(at),
      FAIL_HOW: "ENOSPC",
    });
    return { dir, end, calls: Number(readFileSync(counter).readBigUInt64LE(0)) };
  };
  const whole = await open(0);
  expect(whole.end.output).toContain("whole");
  expect(whole.calls).toBeGreaterThan(8);
  const numbers = Array.from({ length: whole.calls }, (_, i) => i + 1);
  await inLanes(numbers, 2, async (at) => {
    const { dir, end } = await open(at);
    const said = `call ${at}: ${end.signal} ${end.output}`;
    expect(said).toMatch(/: null .*(store_io|whole)/);
    const { store } = await openStore(dir);
    await store.close();
  });
});
