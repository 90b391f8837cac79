/**
 * The wall clock of an engine under load jumps by an hour, forth and back, again and again: no lease
 * may expire early. Whatever is granted again would show as a second grant of a range whose lease
 * its live pilot still holds, and as verdicts that refuse.
 */
import { existsSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Load } from "../load.ts";
import { Child, type Part, type PartResult, program, sleep, workFolder } from "../part.ts";

const LIBRARIES = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib/faketime/libfaketime.so.1",
];
const JUMP_EVERY_MS = 300;

export const part: Part = {
  what: "wall clock jumps of an hour while pilots hold leases",
  count: 40,
  async run({ count }): Promise<PartResult> {
    const library = LIBRARIES.find((path) => existsSync(path));
    if (!library) return { counts: {}, violations: [], skipped: "no libfaketime" };
    const dir = workFolder("memory");
    const socket = join(dir, "s");
    const offset = join(dir, "offset");
    writeFileSync(offset, "+0");
    const env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: offset,
      FAKETIME_NO_CACHE: "1",
      // Only the wall clock jumps: the kernel's monotonic clock never does.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    const args = [program("engine"), dir, `unix:${socket}`, "100000000", "4000"];
    const engine = new Child(args, env, 600_000);
    await engine.saying(/^up /m);
    const load = new Load({ pilots: 4, want: 4, connect: () => connect(socket) });
    // One that holds what it was granted, heard by its heartbeats only.
    const holder = new Load({
      pilots: 1,
      want: 64,
      name: "holder",
      holds: true,
      connect: () => connect(socket),
    });
    holder.start();
    load.start();
    for (let jump = 0; jump < count && !engine.ended; jump++) {
      writeFileSync(offset, jump % 2 === 0 ? "+3600" : "-3600");
      await sleep(JUMP_EVERY_MS);
    }
    const before = load.acknowledged.size;
    await sleep(500);
    const violations = [...load.violations, ...holder.violations];
    if (engine.ended) violations.push(`the engine ended: ${engine.stdout}${engine.stderr}`);
    else if (load.acknowledged.size === before) violations.push("the load stands still");
    for (const range of holder.held) {
      if (load.granted.has(range)) violations.push(`${range} is held and was granted again`);
    }
    if (holder.held.size === 0) violations.push("the holder was granted nothing");
    load.stop();
    holder.stop();
    engine.kill();
    await engine.end;
    return {
      counts: { jumps: count, "ranges held through them": holder.held.size, acknowledged: before },
      violations,
    };
  },
};
