/**
 * A small generator of pp -> Z/gamma* -> l+ l- at 13 TeV, as an LHE file (Les Houches Accord,
 * hep-ph/0609017). A toy: the README beside it says what is in it and what is not.
 *
 *   stream   node generate.ts [--milliseconds-per-event X]
 *   once     node generate.ts once START COUNT SEED OUTPUT
 *
 * Event i is a function of the file's seed and i alone, so the merged file is the same bytes
 * however the work was cut and whoever did it.
 */
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { eventRandom } from "../lib/seeds.ts";
import { runStream } from "../lib/stream-payload.ts";

// GeV throughout.
const BEAM = 6500;
const Z_MASS = 91.1876;
const Z_WIDTH = 2.4952;
const MASS_MIN = 40;
const MASS_MAX = 200;
/** Share of events drawn from the resonance, the rest from the continuum ~ m^-3. */
const RESONANCE_SHARE = 0.85;
/** Nominal, for the init block: pb. */
const CROSS_SECTION = 2000;
const LEPTONS = [
  { id: 11, mass: 0.000510999 },
  { id: 13, mass: 0.105658 },
] as const;

export const HEADER = `<LesHouchesEvents version="1.0">
<header>
pp -> Z/gamma* -> l+ l- at 13 TeV, toy model of examples/drell-yan
</header>
<init>
2212 2212 ${number(BEAM)} ${number(BEAM)} 0 0 0 0 3 1
${number(CROSS_SECTION)} ${number(0)} ${number(1)} 1
</init>
`;
export const FOOTER = "</LesHouchesEvents>\n";

function number(value: number): string {
  return (value < 0 ? "" : " ") + value.toExponential(10);
}

type Momentum = readonly [x: number, y: number, z: number, energy: number, mass: number];

function particle(
  id: number,
  status: number,
  mothers: readonly [number, number],
  colours: readonly [number, number],
  momentum: Momentum,
): string {
  const numbers = momentum.map(number).join(" ");
  return `${id} ${status} ${mothers.join(" ")} ${colours.join(" ")} ${numbers} 0. 9.\n`;
}

/** Breit-Wigner in s, or the falling continuum; both by inversion inside the mass window. */
function drawMass(random: () => number): number {
  const chosen = random();
  const u = random();
  if (chosen >= RESONANCE_SHARE) {
    const low = MASS_MIN ** -2;
    return (low + u * (MASS_MAX ** -2 - low)) ** -0.5;
  }
  const angle = (mass: number): number => Math.atan((mass ** 2 - Z_MASS ** 2) / (Z_MASS * Z_WIDTH));
  const at = angle(MASS_MIN) + u * (angle(MASS_MAX) - angle(MASS_MIN));
  return Math.sqrt(Z_MASS ** 2 + Z_MASS * Z_WIDTH * Math.tan(at));
}

/** cos(theta) from 1 + cos^2: the real root of c^3 + 3c = 8u - 4 (Cardano). */
function drawCosine(u: number): number {
  const half = 4 * u - 2;
  const root = Math.sqrt(half * half + 1);
  return Math.cbrt(half + root) + Math.cbrt(half - root);
}

/** One `<event>` block. Transverse momentum is 0: leading order, without a parton shower. */
export function eventText(random: () => number): string {
  const mass = drawMass(random);
  const rapidityMax = Math.log((2 * BEAM) / mass);
  const rapidity = rapidityMax * (random() + random() - 1) * 0.6;
  const flavour = [2, 1, 2, 1, 3][Math.floor(random() * 5)] as number;
  const quarkIsForward = random() < 0.5;
  const lepton = random() < 0.5 ? LEPTONS[0] : LEPTONS[1];
  const cosine = drawCosine(random());
  const azimuth = 2 * Math.PI * random();

  const forward = (mass / 2) * Math.exp(rapidity);
  const backward = (mass / 2) * Math.exp(-rapidity);
  const energy = forward + backward;
  const along = forward - backward;

  // In the rest frame, then boosted along the beam with gamma = E/m and gamma beta = pz/m.
  const momentum = Math.sqrt((mass / 2) ** 2 - lepton.mass ** 2);
  const sine = Math.sqrt(Math.max(0, 1 - cosine * cosine));
  const x = momentum * sine * Math.cos(azimuth);
  const y = momentum * sine * Math.sin(azimuth);
  const z = momentum * cosine * (quarkIsForward ? 1 : -1);
  const boostedZ = (z * energy + (mass / 2) * along) / mass;
  const boostedEnergy = ((mass / 2) * energy + z * along) / mass;

  const [first, second] = quarkIsForward ? [flavour, -flavour] : [-flavour, flavour];
  const colour = (id: number): [number, number] => (id > 0 ? [501, 0] : [0, 501]);
  const none = [0, 0] as const;
  const antiZ = along - boostedZ;
  const antiEnergy = energy - boostedEnergy;
  return [
    "<event>\n",
    `5 1 ${number(1)} ${number(mass)} ${number(0.0078125)} ${number(0.118)}\n`,
    particle(first, -1, none, colour(first), [0, 0, forward, forward, 0]),
    particle(second, -1, none, colour(second), [0, 0, -backward, backward, 0]),
    particle(23, 2, [1, 2], none, [0, 0, along, energy, mass]),
    particle(lepton.id, 1, [3, 3], none, [x, y, boostedZ, boostedEnergy, lepton.mass]),
    particle(-lepton.id, 1, [3, 3], none, [-x, -y, antiZ, antiEnergy, lepton.mass]),
    "</event>\n",
  ].join("");
}

/** A whole LHE file with the events start .. start+count-1 of the file with that seed. */
export function lheText(start: number, count: number, seed: string): string {
  let text = HEADER;
  for (let event = start; event < start + count; event++) {
    text += eventText(eventRandom(seed, event));
  }
  return text + FOOTER;
}

async function main(argv: readonly string[]): Promise<void> {
  if (argv[0] === "once") {
    const [, start, count, seed, output] = argv as [string, string, string, string, string];
    await writeFile(output, lheText(Number(start), Number(count), seed));
    return;
  }
  const millisecondsPerEvent = argv[0] === "--milliseconds-per-event" ? Number(argv[1]) : 0;
  await runStream(async (range) => {
    if (millisecondsPerEvent > 0) await sleep(millisecondsPerEvent * range.count);
    await writeFile(range.output, lheText(range.start, range.count, range.seed));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
