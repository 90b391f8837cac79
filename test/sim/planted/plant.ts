/**
 * Module hooks that load one planted bug: `import("...?planted=N")` gives a module graph of its own
 * in which the bug's file reads otherwise. The query is handed on to every module of the tree that
 * is imported from there, so graphs with different bugs live side by side in one process.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { PLANTED } from "./bugs.ts";

const ROOT = new URL("../../../", import.meta.url).href;
const QUERY = /\?planted=(\d+)$/;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    const query = QUERY.exec(context.parentURL ?? "")?.[0];
    const ours = found.url.startsWith(ROOT) && !found.url.includes("/node_modules/");
    return query && ours && !QUERY.test(found.url) ? { ...found, url: found.url + query } : found;
  },
  load(url, context, next) {
    const number = QUERY.exec(url)?.[1];
    const bug = number === undefined ? undefined : PLANTED[Number(number)];
    if (!bug || !url.startsWith(`${ROOT}${bug.file}?`)) return next(url, context);
    const path = fileURLToPath(url.slice(0, url.indexOf("?")));
    return { ...next(url, context), source: planted(readFileSync(path, "utf8"), bug) };
  },
});

function planted(source: string, bug: { name: string; file: string; from: string; to: string }) {
  const parts = source.split(bug.from);
  if (parts.length !== 2) {
    throw new Error(
      `planted bug "${bug.name}" fits ${bug.file} ${parts.length - 1} times, not once`,
    );
  }
  return parts.join(bug.to);
}
