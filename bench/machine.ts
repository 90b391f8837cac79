/** The machine a figure was measured on, in one line; every result names it. */
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { formatBytes } from "../src/base/index.ts";

export function machineLine(): string {
  const model = cpus()[0]?.model ?? "unknown CPU";
  const date = new Date().toISOString().slice(0, 10);
  return (
    `${date}, Node ${process.versions.node}, ${model}, ${availableParallelism()} cores, ` +
    `${formatBytes(totalmem())}, Linux ${release()}`
  );
}
