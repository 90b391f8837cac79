/**
 * The demonstration, `npm run demo`: a generator makes 20 000 events in pieces, an analysis reads
 * them in pieces, a pilot is killed in the middle on purpose, and the certificate at the end proves
 * that every event is in the result exactly once all the same.
 *
 * It uses what `jumbo run` uses: a store, two pilot processes, merge, verify. Results lie in out/
 * beside this file.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatCount } from "../../src/base/index.ts";
import type { TaskView } from "../../src/broker/index.ts";
import {
  createHistogram,
  eventMapSvg,
  fillHistogram,
  spectrumSvg,
  terminalHistogram,
  wantsColour,
} from "../../src/cli/plot/index.ts";
import { Progress } from "../../src/cli/progress.ts";
import { type RunResult, runTask } from "../../src/cli/run.ts";
import { abortOnSignals, onFailStop } from "../../src/cli/signals.ts";
import { eventMapOf, formatCertificate } from "../../src/merge/index.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = join(here, "out");
const PILOTS = 2;
const Z_MASS_GEV = 91.1876;
/** The pilot dies once so much of the first task is done. */
const KILL_AT_SHARE = 0.4;
const MAP_CELLS_MAX = 400;

const progress = new Progress(false);
const signal = abortOnSignals();
const say = (text: string) => progress.say(text);

async function run(taskFile: string, onView: (view: TaskView, pids: readonly number[]) => void) {
  const result = await runTask(
    join(here, taskFile),
    {
      store: join(out, "store"),
      results: out,
      pilots: PILOTS,
      slots: 1,
      inline: false,
      keepBundles: false,
    },
    {
      log: say,
      signal,
      onFailStop,
      onView: (view, pids) => {
        progress.show(view);
        onView(view, pids);
      },
    },
  );
  progress.clear();
  return result;
}

/** Kills one of the pilots, once, without notice: as a node's power cut or a preemption would. */
function killer(): (view: TaskView, pids: readonly number[]) => void {
  let killed = false;
  return (view, pids) => {
    const victim = pids[0];
    if (killed || victim === undefined || view.events.done < KILL_AT_SHARE * view.events.total)
      return;
    killed = true;
    process.kill(victim, "SIGKILL");
    say(
      `  *** kill -9 of pilot process ${victim} on purpose, ${formatCount(view.events.done)} events into the run ***`,
    );
  };
}

function masses(): number[] {
  const text = readFileSync(join(out, "dilepton-mass.jsonl"), "utf8").trimEnd();
  return text.split("\n").map((line) => (JSON.parse(line) as { mll: number }).mll);
}

async function draw(generated: RunResult): Promise<void> {
  const spectrum = createHistogram(60, 120, 60);
  for (const mass of masses()) fillHistogram(spectrum, mass);
  const columns = Math.min(100, process.stdout.columns ?? 80);
  const colour = wantsColour(process.stdout, process.env);
  const title = "dilepton mass, toy pp -> Z/gamma* -> l+ l-";
  process.stdout.write(
    `\n${terminalHistogram(spectrum, { title, unit: "GeV", columns, colour, noun: "events" })}\n`,
  );
  const spectrumPath = join(out, "spectrum.svg");
  writeFileSync(
    spectrumPath,
    spectrumSvg(spectrum, {
      title: "Dilepton mass",
      subtitle: "toy model: Breit-Wigner on a falling continuum, 20 000 events",
      quantity: "m(ℓℓ)",
      unit: "GeV",
      noun: "events",
      mark: { at: Z_MASS_GEV, text: "Z" },
    }),
  );
  const mapPath = join(out, "event-map.svg");
  const map = await eventMapOf(generated.view.manifest, MAP_CELLS_MAX);
  writeFileSync(mapPath, eventMapSvg(map, { title: "Who generated which events" }));
  process.stdout.write(`spectrum   ${spectrumPath}\nevent map  ${mapPath}\n\n`);
}

const beganMs = performance.now();
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
say("1. generate 20 000 events in 200 ranges, on two pilots");
const generated = await run("generate.yaml", killer());
say(`2. analyse them: ${generated.view.files[0]?.path}`);
const analysed = await run("analyse.yaml", () => {});
await draw(generated);
let proven = true;
for (const { certificate } of [generated, analysed]) {
  if (!certificate) continue;
  process.stdout.write(`${formatCertificate(certificate)}\n\n`);
  proven &&= certificate.ok;
}
const starts = generated.view.attempts;
const again = starts - generated.view.ranges.total;
process.stdout.write(
  `the killed pilot cost ${again} range(s) a second start; the result has every event once\n`,
);
process.stdout.write(`${((performance.now() - beganMs) / 1000).toFixed(1)} s in all\n`);
process.exit(proven && generated.view.state === "done" && analysed.view.state === "done" ? 0 : 1);
