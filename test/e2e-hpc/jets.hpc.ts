/** Real events through every launcher: Durham jets of 100 events, one range each, equal FastJet's. */
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bed, LAUNCHERS } from "./bed.ts";
import { BUILD, ended, outside, SHARED, until } from "./cluster.ts";

const why = outside() || (existsSync(`${BUILD}/serial/jumbo-jets`) ? "" : "no jumbo-jets");
if (why !== "") console.warn(`SKIPPED: jets on the cluster (${why})`);

interface Jet {
  rap: number;
  phi: number;
  pt: number;
}

describe.skipIf(why !== "")("jets over 4 nodes of 16 slots", () => {
  let bed: Bed;
  beforeAll(async () => {
    bed = await Bed.open("jets");
  });
  afterAll(async () => {
    await bed.close();
  });

  const reference = () =>
    JSON.parse(
      readFileSync(`${SHARED}/data/jet-collections-fastjet-njets3-Durham-eeH.json`, "utf8"),
    ) as { jets: Jet[] }[];

  it.each(LAUNCHERS.flatMap((launcher) => [[launcher, "once"] as const, [launcher, "stream"]]))(
    "%s, %s: every event once, every jet to 1e-9",
    async (launcher, mode) => {
      const name = `${mode}-${launcher.replace(".", "-")}`;
      const jets = `${BUILD}/serial/jumbo-jets`;
      const place = ["--file", "{file}", "--offset", "{offset}", "--bytes", "{bytes}"];
      const once = [...place, "--start", "{start}", "--seed", "{seed}", "--output", "{output}"];
      const task = await bed.submit({
        name,
        input: { files: [`${SHARED}/data/hepmc/events.eeH.hepmc3`] },
        payload:
          mode === "once" ? { command: [jets, ...once] } : { mode, command: [jets, "--stream"] },
        output: { name: `${name}.jsonl`, merge: "jsonl", recordsPerEvent: 1 },
      });
      const pilot = bed.launch(launcher, ["--slots", "16"]);
      await bed.jumbo("wait", task);
      await bed.jumbo("verify", task);
      await bed.cancelJobs();
      await until("the launcher's end", 30, () => ended(pilot));
      const events = bed
        .result(`${name}.jsonl`)
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { event: number; jets: Jet[] });
      expect(events.map((each) => each.event)).toEqual(reference().map((_, i) => i));
      let worst = 0;
      for (const [i, { jets: expected }] of reference().entries()) {
        for (const [k, jet] of expected.entries()) {
          for (const key of ["rap", "phi", "pt"] as const) {
            const found = events[i]?.jets[k]?.[key] ?? Number.NaN;
            worst = Math.max(worst, Math.abs(jet[key] - found));
          }
        }
      }
      expect(worst).toBeLessThan(1e-9);
    },
  );
});
