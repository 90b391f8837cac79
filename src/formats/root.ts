/** ROOT input, recognised here; jsroot is loaded for the first file that needs it. */
import { binaryFormat, hasMagic } from "./binary-format.ts";

export const root = binaryFormat({
  name: "root",
  recognise: (_path, head) => hasMagic(head, "root"),
  scan: async (input, options) => (await import("./root-trees.ts")).scanTrees(input, options),
});
