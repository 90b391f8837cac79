/**
 * `npm run bench [-- NAME...]`: runs the micro-benchmarks and the end-to-end bench one after the
 * other, each in its own process, and keeps what they print under bench/results/ with the machine
 * they ran on. Names: wire, ledger, core, store, recovery, end-to-end. Figures are ratios to a floor
 * of the same run; absolute times only inform.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readArguments } from "./arguments.ts";
import { machineLine } from "./machine.ts";

const BENCHES = {
  wire: "wire/codec.bench.ts",
  ledger: "ledger/ledger.bench.ts",
  core: "core/exchange.bench.ts",
  store: "store/commit.bench.ts",
  recovery: "store/recovery.bench.ts",
  "end-to-end": "end-to-end/run.bench.ts",
} as const;

const results = fileURLToPath(new URL("./results/", import.meta.url));
const { positionals: wanted } = readArguments(import.meta.url, { allowPositionals: true });
const unknown = wanted.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`no bench ${unknown.join(", ")} (known: ${Object.keys(BENCHES).join(", ")})`);
  process.exit(2);
}
mkdirSync(results, { recursive: true });
let failed = 0;
for (const [name, file] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stdout.write(`\n== ${name}\n`);
  const { code, text } = await run(fileURLToPath(new URL(file, import.meta.url)));
  if (code !== 0) failed++;
  else writeFileSync(`${results}${name}.txt`, `${machineLine()}\n\n${text}`);
}
process.exit(failed === 0 ? 0 : 1);

function run(path: string): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--expose-gc", path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      process.stdout.write(chunk);
    });
    child.once("exit", (code) => resolve({ code: code ?? 1, text }));
  });
}
