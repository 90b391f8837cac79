/** Every planted bug must be found; `--count` is the number of seeds that a bug may hide in. */
import { inLanes, LANES, linesOf, type Part, type PartResult } from "../part.ts";

export const part: Part = {
  what: "bugs planted into the production text, each to be found by a checker",
  count: 1_000,
  async run({ count }): Promise<PartResult> {
    const { PLANTED } = await import("../../sim/planted/bugs.ts");
    const violations: string[] = [];
    let found = 0;
    let latest = 0;
    const halves = Array.from({ length: LANES }, (_, lane) => lane);
    const size = Math.ceil(PLANTED.length / LANES);
    await inLanes(halves, LANES, async (lane) => {
      const args = [String(count), `${lane * size}:${size}`];
      for (const line of await linesOf("test/sim/planted/run.ts", args)) {
        const { bug, seed } = JSON.parse(line) as { bug: string; seed: number };
        if (seed > 0) found++;
        else violations.push(`"${bug}" hid in ${count} seeds`);
        latest = Math.max(latest, seed);
      }
    });
    return { counts: { planted: PLANTED.length, found, "is the latest seed": latest }, violations };
  },
};
