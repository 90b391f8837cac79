/** The Slurm provisioner against recorded commands: what it reads, and what it hands to sbatch. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SETTING_DEFAULTS } from "../../src/fleet/settings.ts";
import { runSiteCommand } from "../../src/fleet/site-command.ts";
import { SlurmProvisioner } from "../../src/fleet/slurm.ts";
import { FakeSite, optionOf, RECORDED_SECONDS } from "./fake-site.ts";

let site: FakeSite;
let folder: string;
beforeEach(() => {
  site = new FakeSite();
  folder = mkdtempSync(join(tmpdir(), "jumbo-job it's-"));
});
afterEach(() => {
  site.close();
  rmSync(folder, { recursive: true, force: true });
});

function provisioner(more: object = {}): SlurmProvisioner {
  return new SlurmProvisioner({
    queue: "hpc",
    settings: {
      ...SETTING_DEFAULTS,
      kind: "slurm",
      partition: "main",
      folder,
      slots: 3,
      arguments: ["--account=physics"],
      ...more,
    },
    pilot: { argv: [join(site.folder, "pilot")] },
    nowSeconds: () => RECORDED_SECONDS,
    log: () => {},
  });
}

const request = (nodes: string[]) => ({
  allocation: "a1",
  jobName: "jumbo-hpc-a1",
  nodes,
  seconds: 900,
  folder,
  accessPath: join(folder, "access.json"),
  bundlesDir: join(folder, "bundles"),
});

describe("slurm", () => {
  it("sees the recorded holes to the second", async () => {
    const sight = await provisioner().look();
    expect(sight.nowSeconds).toBe(RECORDED_SECONDS);
    expect(sight.nodes.map((node) => [node.name, node.endsSeconds - sight.nowSeconds])).toEqual([
      ["n3", 961],
      ["n4", 961],
    ]);
    expect(sight.limits.walltimeSecondsMax).toBe(86_400);
  });

  it("says in words that a site command failed or is not there", async () => {
    const closed = provisioner({ partition: "nothere" });
    await expect(closed.look()).rejects.toThrow(/`scontrol` failed \(/);
    const missing = runSiteCommand(["jumbo-has-no-such-command"]);
    await expect(missing).rejects.toThrow(/there is no such program on the PATH/);
  });

  it("submits by argv, on the hole's nodes, in whole minutes, without our environment", async () => {
    process.env["JUMBO_TEST_SECRET"] = "s3cret";
    try {
      expect(await provisioner().submit(request(["n3", "n4"]))).toBe("101");
    } finally {
      delete process.env["JUMBO_TEST_SECRET"];
    }
    const words = site.submitted().get(101) ?? [];
    expect(words.slice(0, 4)).toEqual([
      "--parsable",
      "--partition=main",
      "--nodes=2",
      "--nodelist=n3,n4",
    ]);
    expect(optionOf(words, "time")).toBe("15");
    expect(optionOf(words, "job-name")).toBe("jumbo-hpc-a1");
    expect(words).toContain("--account=physics");
    expect(words).toContain("--exclusive");
    expect(words.at(-1)).toBe(join(folder, "job.sh"));
    expect(site.lines("environment.101").join("\n")).not.toContain("s3cret");
  });

  it("writes a script that starts a pilot with the seconds that are really left", async () => {
    await provisioner().submit(request(["n3"]));
    const script = join(folder, "job.sh");
    expect(statSync(script).mode & 0o777).toBe(0o700);
    site.write("pilot", '#!/bin/sh\nprintf "%s\\n" "$@"\n');
    execFileSync("chmod", ["755", join(site.folder, "pilot")]);
    const run = () => {
      const env = { ...process.env, SLURM_JOB_ID: "101", SLURM_JOB_NUM_NODES: "1" };
      return execFileSync("/bin/bash", [script], { encoding: "utf8", env }).split("\n");
    };
    site.write("end.txt", String(Math.floor(Date.now() / 1000) + 300));
    const said = run();
    const option = (name: string) => said[said.indexOf(`--${name}`) + 1];
    expect(said.slice(0, 2)).toEqual(["pilot", "start"]);
    expect(option("access")).toBe(join(folder, "access.json"));
    expect(option("bundles")).toBe(join(folder, "bundles"));
    expect([option("queue"), option("allocation"), option("slots")]).toEqual(["hpc", "a1", "3"]);
    expect([option("id"), option("generation")]).toEqual(["hpc-101-0", "1"]);
    expect(option("slurm-job")).toBe("101");
    // KillWait is 5 s: what drains must be over before.
    expect(option("drain")).toBe("3");
    expect(Number(option("walltime"))).toBeGreaterThan(285);
    expect(Number(option("walltime"))).toBeLessThanOrEqual(295);
    // Where squeue can't be asked, the walltime that was submitted counts.
    site.write("end.txt", "N/A");
    expect(run()[said.indexOf("--walltime") + 1]).toBe("895");
  });

  it.each([
    ["openmpi", "srun", "--mpi=pmix"],
    ["mpich", "srun", "--mpi=pmi2"],
    ["openmpi", "mpirun", "--enable-recovery"],
    ["mpich", "mpirun", "-disable-auto-cleanup"],
  ] as const)("starts one MPI pilot over all nodes: %s by %s", async (mpi, launcher, flag) => {
    const program = join(site.folder, "pilot");
    site.write("pilot", '#!/bin/sh\nprintf "%s\\n" "$@"\n');
    execFileSync("chmod", ["755", program]);
    for (const name of ["mpirun.openmpi", "mpirun.mpich"]) {
      // Its options stand before the program, each with at most one value.
      const text = `#!/bin/sh\nwhile [ "$1" != ${program} ]; do shift; done\nexec "$@"\n`;
      site.write(name, text);
      execFileSync("chmod", ["755", join(site.folder, name)]);
    }
    const queue = provisioner({ pilot: "mpi", mpi, launcher, program });
    writeFileSync(join(folder, "access.json"), "{}", { mode: 0o400 });
    await queue.submit(request(["n3", "n4"]));
    const script = join(folder, "job.sh");
    expect(readFileSync(script, "utf8")).toContain(flag);
    expect(readFileSync(script, "utf8")).not.toContain("#SBATCH");
    const env = { ...process.env, SLURM_JOB_ID: "101", SLURM_JOB_NUM_NODES: "2" };
    const said = execFileSync("/bin/bash", [script], { encoding: "utf8", env }).split("\n");
    const option = (name: string) => said[said.indexOf(`--${name}`) + 1];
    expect(option("access")).toBe(join(folder, "access.json"));
    expect(option("bundles")).toBe(join(folder, "bundles"));
    expect([option("queue"), option("allocation"), option("id")]).toEqual(["hpc", "a1", "hpc-101"]);
    expect([option("slots"), option("drain")]).toEqual(["3", "3"]);
    // It asks Slurm for the end by itself.
    expect(said).not.toContain("--walltime");
  });

  it("refuses to submit an MPI pilot that is not there", async () => {
    const program = join(folder, "no-such-pilot");
    const refused = provisioner({ pilot: "mpi", program }).submit(request(["n3"]));
    await expect(refused).rejects.toThrow(/no-such-pilot.*npm run build:native/s);
    expect(site.submitted().size).toBe(0);
  });

  it("passes the site's no on", async () => {
    site.write("refuse", "sbatch: error: Batch job submission failed: Invalid account\n");
    const refused = provisioner().submit(request(["n3"]));
    await expect(refused).rejects.toMatchObject({ code: "refused" });
    await expect(refused).rejects.toThrow(/Invalid account/);
  });

  it("finds states by id, by name, in the controller's memory, or not at all", async () => {
    const slurm = provisioner();
    writeFileSync(join(site.folder, "squeue.json"), '{"jobs": []}');
    const [known, ...none] = await slurm.states([
      { jobId: "4", name: "jumbo-q-1" },
      { jobId: "999", name: "gone" },
      { jobId: "", name: "never" },
      { jobId: "4", name: "another job of that number" },
    ]);
    expect(known).toMatchObject({ jobId: "4", phase: "ended", state: "FAILED", exitCode: 3 });
    expect(none).toEqual([]);
    site.jobs([{ id: 7, name: "jumbo-hpc-x", state: "PENDING" }]);
    expect(await slurm.states([{ jobId: "", name: "jumbo-hpc-x" }])).toMatchObject([
      { jobId: "7", phase: "pending" },
    ]);
  });

  it("cancels by id", async () => {
    await provisioner().cancel("101");
    expect(site.lines("cancelled")).toEqual(["101"]);
  });
});
