/**
 * A Slurm site for tests: the recorded commands of test/fakes/slurm, copied into a folder of their
 * own that comes first on the PATH. What the site says is changed by writing its records anew.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const RECORDS = resolve(import.meta.dirname, "../fakes/slurm");
/** When the records were made. */
export const RECORDED_SECONDS = 1_795_374_892;

export const recorded = (name: string) => readFileSync(join(RECORDS, name), "utf8");

export interface FakeJob {
  readonly id: number;
  readonly name: string;
  readonly state: string;
  readonly start?: number;
  readonly end?: number;
  /** Raw wait status. */
  readonly exit?: number;
}

export class FakeSite {
  readonly folder: string = mkdtempSync(join(tmpdir(), "jumbo-fleet-"));
  readonly #path = process.env["PATH"] ?? "";

  constructor() {
    cpSync(RECORDS, this.folder, { recursive: true });
    for (const name of ["sinfo", "squeue", "scontrol", "sbatch", "scancel", "srun"]) {
      chmodSync(join(this.folder, name), 0o755);
    }
    process.env["PATH"] = `${this.folder}:${this.#path}`;
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  remove(name: string): void {
    rmSync(join(this.folder, name), { force: true });
  }

  /** All four nodes idle, nothing waits, no reservation. */
  becomeEmpty(): void {
    const sinfo = JSON.parse(recorded("sinfo.json"));
    for (const node of sinfo.nodes) {
      Object.assign(node, { state: "idle", state_flags: [], alloc_cpus: 0, idle_cpus: node.cpus });
    }
    this.write("sinfo.json", JSON.stringify(sinfo));
    this.write("start.txt", "");
    this.write("res.txt", "No reservations in the system\n");
    this.jobs([]);
  }

  jobs(jobs: readonly FakeJob[]): void {
    const rows = jobs.map(({ id, name, state, start = 0, end = 0, exit = 0 }) => ({
      job_id: id,
      name,
      partition: "main",
      job_state: state,
      state_reason: "None",
      exit_code: exit,
      start_time: start,
      end_time: end,
    }));
    this.write("squeue.json", JSON.stringify({ meta: {}, errors: [], jobs: rows }));
  }

  /** Arguments of each sbatch that went through, by job id. */
  submitted(): Map<number, string[]> {
    const found = new Map<number, string[]>();
    for (let id = 101; existsSync(join(this.folder, `submitted.${id}`)); id++) {
      found.set(id, this.lines(`submitted.${id}`));
    }
    return found;
  }

  lines(name: string): string[] {
    const path = join(this.folder, name);
    return existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
  }

  close(): void {
    process.env["PATH"] = this.#path;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The value of `--key=value` among sbatch's arguments. */
export function optionOf(words: readonly string[], key: string): string {
  const found = words.find((word) => word.startsWith(`--${key}=`));
  return found === undefined ? "" : found.slice(key.length + 3);
}
