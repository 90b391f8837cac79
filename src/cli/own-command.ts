/** The argv with which this very program is started again, from its source or from its build. */
import { fileURLToPath } from "node:url";

export function jumboCommand(): string[] {
  return [process.execPath, fileURLToPath(new URL("./jumbo.mjs", import.meta.url))];
}
