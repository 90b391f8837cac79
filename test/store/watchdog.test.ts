import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStore } from "../../src/store/index.ts";
import { removeFoldersAfterwards, startChild, temporaryFolder } from "./support.ts";

removeFoldersAfterwards();

async function until(output: () => string, word: string): Promise<void> {
  while (!output().includes(word)) await new Promise((wake) => setTimeout(wake, 5));
}

test("a commit that hangs ends as a failure, and the process with 74, in time", async () => {
  const dir = temporaryFolder();
  const engine = startChild(["hang", dir]);
  await until(engine.output, "ready");
  // Another process sits on LMDB's write lock: the same to us as a disk that never answers.
  const holder = startChild(["hold", join(dir, "store.mdb")]);
  try {
    await until(holder.output, "held");
    const began = performance.now();
    writeFileSync(join(dir, "go"), "");
    const deadline = setTimeout(() => engine.child.kill("SIGKILL"), 8_000);
    const end = await engine.end;
    clearTimeout(deadline);
    expect(end.output).toContain("failed space=false");
    expect(end.output).toContain("a commit did not end within 300 ms");
    expect(end.output).toContain("failed again");
    expect(`${end.code} ${end.signal}`).toBe("74 null");
    expect(performance.now() - began).toBeLessThan(5_000);
  } finally {
    holder.child.kill("SIGKILL");
    await holder.end;
  }
  const again = await openStore(dir);
  expect(again.recovered.lastSequence).toBe(0);
  await again.store.close();
});
