/** The slow suite on a real Slurm cluster: `npm run test:hpc`. One case after the other. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: `${import.meta.dirname}/../..`,
    include: ["test/e2e-hpc/**/*.hpc.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 120_000,
  },
});
