/**
 * Looks for every planted bug: `node run.ts SEEDS [FIRST-BUG:COUNT]`. Prints one JSON line a bug:
 * {bug, seed, found} with the first seed that found it, or seed 0.
 */
import "./plant.ts";
import { PLANTED } from "./bugs.ts";

const seeds = Number(process.argv[2] ?? 1_000);
const [from = 0, count = PLANTED.length] = (process.argv[3] ?? "")
  .split(":")
  .filter(Boolean)
  .map(Number);

for (let i = from; i < Math.min(from + count, PLANTED.length); i++) {
  const { History } = (await import(
    `../history.ts?planted=${i}`
  )) as typeof import("../history.ts");
  let found = "";
  let seed = 0;
  for (let s = 1; s <= seeds && found === ""; s++) {
    try {
      new History(s).run();
    } catch (error) {
      found = (error as Error).message.split("\n")[0] as string;
      seed = s;
    }
  }
  console.log(JSON.stringify({ bug: PLANTED[i]?.name, seed, found }));
}
