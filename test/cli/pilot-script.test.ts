/** What `pilot script` prints: every launcher's form, no secret, and a shell that takes it. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { pilotScript, type ScriptOptions } from "../../src/fleet/index.ts";

const OPTIONS: ScriptOptions = {
  queue: "main",
  nodes: 4,
  walltimeSeconds: 5400,
  mpi: "openmpi",
  launcher: "srun",
  access: "/shared/it's here/access.json",
  bundles: "/shared/bundles",
  pilot: "/opt/jumbo-pilot",
  slots: 16,
  account: "",
  noticeSeconds: 120,
  nodesPerStep: 0,
};

describe("pilot script", () => {
  it.each([
    ["openmpi", "srun", "--mpi=pmix", "--signal=TERM@120"],
    ["mpich", "srun", "--mpi=pmi2", "--signal=TERM@120"],
    ["openmpi", "mpirun", "--enable-recovery", "--signal=B:TERM@120"],
    ["mpich", "mpirun", "-disable-auto-cleanup", "--signal=B:TERM@120"],
  ] as const)("starts %s by %s so that ranks outlive each other", (mpi, launcher, flag, signal) => {
    const script = pilotScript({ ...OPTIONS, mpi, launcher });
    expect(script).toContain(flag);
    expect(script).toContain(signal);
    expect(script).toContain("#SBATCH --time=0-01:30:00");
    execFileSync("bash", ["-n"], { input: script });
  });

  it("starts several steps, each a session of its own", () => {
    const script = pilotScript({ ...OPTIONS, nodesPerStep: 2 });
    expect(script).toContain("seq 2");
    expect(script).toContain("srun --nodes=2 --ntasks=2 ");
    execFileSync("bash", ["-n"], { input: script });
  });

  it("says by a file what USR1 means where the launcher sends it for other reasons too", () => {
    const script = (mpi: "openmpi" | "mpich") =>
      pilotScript({ ...OPTIONS, mpi, launcher: "mpirun" });
    expect(script("mpich")).toContain('--drain-file "$drain"');
    expect(script("openmpi")).not.toContain("--drain-file");
  });

  it("hands the path on byte for byte", () => {
    const line = pilotScript(OPTIONS)
      .split("\n")
      .find((each) => each.startsWith("access="));
    const path = execFileSync("bash", ["-c", `${line}\nprintf %s "$access"`]).toString();
    expect(path).toBe(OPTIONS.access);
  });

  it.each([
    [{ nodesPerStep: 8 }, "--steps-per"],
    [{ nodesPerStep: 2, launcher: "mpirun" as const }, "--steps-per"],
    [{ queue: "a b" }, "--queue"],
    [{ account: "x\ny" }, "--account"],
  ])("refuses what can't work: %o", (change, flag) => {
    expect(() => pilotScript({ ...OPTIONS, ...change })).toThrow(flag);
  });
});
