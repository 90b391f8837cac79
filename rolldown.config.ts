/**
 * `npm run build`: the package in dist/, to be installed without the clone. Each thread's program is
 * a few files instead of hundreds, whose loading is a third of a start; all of them lie in one
 * folder, so that what they find beside themselves (workers, package.json) lies the same way as in
 * src/cli. Libraries are inside but for those with native code or files of their own that they
 * start (lmdb, msgpackr, piscina), and those that are asked for by name when they are first needed
 * (src/task/libraries.ts); jsroot could not be installed as a dependency at all, because it asks for
 * native modules that only a root package can leave out.
 */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Plugin } from "rolldown";

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly [key: string]: unknown;
}

/** Installed beside the package, as their own packages. */
const OUTSIDE = ["ajv", "lmdb", "msgpackr", "piscina", "yaml"];
/** Below the package's folder; `--dir FOLDER/lib/cli` makes the package in another FOLDER. */
const PROGRAMS = "lib/cli";

function packageFiles(): Plugin {
  return {
    name: "package-files",
    writeBundle({ dir }) {
      const programs = dir ?? `dist/${PROGRAMS}`;
      const root = join(programs, "..", "..");
      const { name, version, description, license, type, dependencies } = JSON.parse(
        readFileSync("package.json", "utf8"),
      ) as Manifest;
      const outside = OUTSIDE.map((library) => [library, dependencies[library]]);
      const manifest = {
        ...{ name, version, description, license, type },
        engines: { node: ">=22.18" },
        bin: { jumbo: `${PROGRAMS}/jumbo.mjs` },
        dependencies: Object.fromEntries(outside),
      };
      writeFileSync(join(root, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
      copyFileSync("src/cli/jumbo.mjs", join(programs, "jumbo.mjs"));
      for (const file of ["README.md", "LICENSE"]) copyFileSync(file, join(root, file));
    },
  };
}

export default defineConfig({
  input: {
    main: "src/cli/main.ts",
    "core-worker": "src/broker/core-worker.ts",
    "merge-worker": "src/merge/merge-worker.ts",
    "scan-worker": "src/scan/scan-worker.ts",
  },
  platform: "node",
  external: OUTSIDE,
  plugins: [packageFiles()],
  output: {
    dir: `dist/${PROGRAMS}`,
    cleanDir: true,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
    comments: { legal: true },
  },
});
