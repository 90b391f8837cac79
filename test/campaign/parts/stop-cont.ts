/**
 * SIGSTOP of a real pilot past its lease, then SIGCONT: its ranges go to another pilot; the frozen
 * one comes back, is told the truth about what it held, and the result is right all the same.
 */
import { join } from "node:path";
import { SeededRandom } from "../../../src/base/index.ts";
import { jumbo, type Part, type PartResult, sleep, workFolder } from "../part.ts";
import { isRight, smallTask } from "../small-task.ts";

const LEASE = "2s";
const STOPPED_MS = 4_500;

export const part: Part = {
  what: "SIGSTOP of a pilot past its lease, then SIGCONT",
  count: 5,
  async run({ seed, count }): Promise<PartResult> {
    const random = new SeededRandom(seed);
    const violations: string[] = [];
    let seconds = 0;
    for (let round = 0; round < count; round++) {
      const dir = workFolder();
      const store = join(dir, "store");
      const engine = jumbo([
        "serve",
        "--http",
        "127.0.0.1:0",
        "--store",
        store,
        "--lease-term",
        LEASE,
        "--listen",
        `unix:${dir}/s`,
      ]);
      const access = join(store, "access.json");
      try {
        await engine.saying(/access/);
        const pilots = [0, 1].map((i) =>
          jumbo([
            "pilot",
            "start",
            "--access",
            access,
            "--slots",
            "1",
            "--bundles",
            join(dir, `b${i}`),
          ]),
        );
        const task = smallTask(dir, { slow: true });
        const submitted = await jumbo(["submit", task, "--access", access, "--results", dir]).end;
        if (submitted.code !== 0) throw new Error(`submit: ${submitted.stderr}`);
        await sleep(300 + 900 * random.nextUnit());
        pilots[0]?.kill("SIGSTOP");
        await sleep(STOPPED_MS);
        pilots[0]?.kill("SIGCONT");
        const waited = await jumbo(["wait", "small", "--access", access]).end;
        seconds = Math.max(seconds, waited.seconds);
        if (waited.code !== 0)
          violations.push(`round ${round}: wait: ${waited.stderr.slice(-300)}`);
        else if (!isRight(dir)) violations.push(`round ${round}: a wrong result`);
        for (const pilot of pilots) pilot.kill("SIGTERM");
        await Promise.all(pilots.map(({ end }) => end));
      } catch (error) {
        violations.push(`round ${round}: ${(error as Error).message.slice(-500)}`);
      } finally {
        engine.kill("SIGTERM");
        await engine.end;
      }
    }
    return {
      counts: { rounds: count, "s at most from SIGCONT to the end": Math.ceil(seconds) },
      violations,
    };
  },
};
