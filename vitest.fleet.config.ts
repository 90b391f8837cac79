/** The slow suite on a real Slurm cluster (`npm run test:fleet`): one file at a time, minutes long. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/fleet/**/*.cluster.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
