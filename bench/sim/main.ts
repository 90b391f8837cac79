/**
 * The scheduling yardsticks in virtual time:
 *
 *   npm run bench:sim -- [--scenario NAME,...] [--policy P] [--hints none|10|30|60|perfect]
 *                        [--law gamma|lognormal|empirical|empirical-mixed] [--cv X]
 *                        [--seed N] [--seeds K] [--quick] [--json FILE] [--plots DIR]
 *
 * Prints every figure against its goal and exits 1 if one is missed. The engine's side is the
 * production ledger, shaper and codec; see docs/internals/scheduling.md for what is modelled.
 */
import { writeFileSync } from "node:fs";
import { readArguments } from "../arguments.ts";
import { LAWS, type LawName } from "./draws.ts";
import { plotInto } from "./plots.ts";
import { POLICIES, type PolicyName } from "./policies.ts";
import { FigureReport } from "./report.ts";
import { dispatchScenario, startScenario, wallScenario } from "./scenarios/dispatch.ts";
import { edgeScenario, forecastScenario } from "./scenarios/edge.ts";
import { oddNodeScenario, spotScenario } from "./scenarios/faults.ts";
import { gridScenario } from "./scenarios/grid.ts";
import { holesScenario } from "./scenarios/holes.ts";
import { tailScenario } from "./scenarios/tail.ts";
import type { Settings, Spread } from "./settings.ts";

type Scenario = (settings: Settings, report: FigureReport) => void;

const SCENARIOS: Record<string, Scenario> = {
  edge: edgeScenario,
  forecast: forecastScenario,
  A: (settings, report) => tailScenario("A", settings, report),
  B: (settings, report) => tailScenario("B", settings, report),
  C: (settings, report) => tailScenario("C", settings, report),
  dispatch: dispatchScenario,
  start: startScenario,
  wall: wallScenario,
  spot: spotScenario,
  odd: oddNodeScenario,
  holes: holesScenario,
  grid: gridScenario,
};

const HINTS: Record<string, Spread> = {
  none: null,
  "10": 0.1,
  "30": 0.3,
  "60": 0.6,
  perfect: 0,
};

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

function main(): void {
  const config = {
    options: {
      scenario: { type: "string", default: Object.keys(SCENARIOS).join(",") },
      policy: { type: "string" },
      hints: { type: "string" },
      law: { type: "string", default: "gamma" },
      cv: { type: "string" },
      seed: { type: "string", default: "1" },
      seeds: { type: "string" },
      json: { type: "string" },
      plots: { type: "string", default: "" },
      quick: { type: "boolean", default: false },
    },
  } as const;
  const { values } = readArguments(import.meta.url, config, ["seed", "seeds", "cv"]);
  const policy = values.policy ?? null;
  if (policy !== null && !(POLICIES as readonly string[]).includes(policy)) {
    fail(`--policy ${policy} (there is no such policy) use one of ${POLICIES.join(", ")}`);
  }
  if (values.hints !== undefined && !(values.hints in HINTS)) {
    fail(`--hints ${values.hints} (not known) use one of ${Object.keys(HINTS).join(", ")}`);
  }
  if (!(LAWS as readonly string[]).includes(values.law)) {
    fail(`--law ${values.law} (not known) use one of ${LAWS.join(", ")}`);
  }
  const settings: Settings = {
    quick: values.quick,
    seed: Number(values.seed),
    seeds: Number(values.seeds ?? (values.quick ? 2 : 5)),
    policy: policy as PolicyName | null,
    hints: values.hints === undefined ? undefined : HINTS[values.hints]!,
    law: values.law as LawName,
    cv: values.cv === undefined ? null : Number(values.cv),
  };
  plotInto(values.plots);
  const report = new FigureReport(settings.seed, settings.law);
  for (const name of values.scenario.split(",")) {
    const scenario = SCENARIOS[name];
    if (!scenario) fail(`--scenario ${name} (not known) use ${Object.keys(SCENARIOS).join(", ")}`);
    console.log(`\n${name}: law ${settings.law}, seed ${settings.seed}, ${settings.seeds} seeds`);
    const begin = performance.now();
    scenario(settings, report);
    console.log(`  (${((performance.now() - begin) / 1000).toFixed(1)} s)`);
  }
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  const { user, system } = process.cpuUsage();
  console.log(
    `\nCPU time: user ${(user / 1e6).toFixed(1)} s, system ${(system / 1e6).toFixed(1)} s`,
  );
  console.log(report.missed === 0 ? "\nevery goal is met" : `\n${report.missed} goals are missed`);
  process.exitCode = report.missed === 0 ? 0 : 1;
}

main();
