/** The argv with which this very program is started again, from its source or from its build. */
import { fileURLToPath } from "node:url";

export function jumboCommand(): string[] {
  const entry = import.meta.url.endsWith(".ts") ? "./jumbo.mjs" : "./main.js";
  return [process.execPath, fileURLToPath(new URL(entry, import.meta.url))];
}
