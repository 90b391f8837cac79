/** Slurm's host lists: `n[1,3-4],m0[08-10]`, several brackets a name, and back to one argument. */
import { JumboError } from "../base/index.ts";

const NODES_MAX = 1_000_000;

/** Names in the order of the list. Throws JumboError("usage") on anything else than a host list. */
export function expandNodeList(text: string): string[] {
  const names: string[] = [];
  for (const item of splitOutside(text)) {
    for (const name of expandName(item)) {
      names.push(name);
      if (names.length > NODES_MAX) throw notAList(text, `more than ${NODES_MAX} names`);
    }
  }
  return names;
}

/** Splits at commas that are in no bracket. */
function splitOutside(text: string): string[] {
  const items: string[] = [];
  let from = 0;
  let depth = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === "[") depth++;
    else if (character === "]") depth--;
    else if (at === text.length || (character === "," && depth === 0)) {
      if (at > from) items.push(text.slice(from, at));
      from = at + 1;
    }
    if (depth < 0 || depth > 1) throw notAList(text, "its brackets don't match");
  }
  if (depth !== 0) throw notAList(text, "its brackets don't match");
  return items;
}

function expandName(item: string): string[] {
  const open = item.indexOf("[");
  if (open < 0) return [item];
  const close = item.indexOf("]", open);
  const head = item.slice(0, open);
  const tails = expandName(item.slice(close + 1));
  const names: string[] = [];
  for (const part of item.slice(open + 1, close).split(",")) {
    for (const number of expandPart(part, item)) {
      for (const tail of tails) names.push(head + number + tail);
    }
  }
  return names;
}

/** `08-10` -> 08, 09, 10: as wide as the first number is written. */
function expandPart(part: string, item: string): string[] {
  const match = /^(\d+)(?:-(\d+))?$/.exec(part);
  if (!match) throw notAList(item, `"${part}" is no number or range`);
  const [, low, high = low] = match as unknown as [string, string, string | undefined];
  const count = Number(high) - Number(low) + 1;
  if (!(count >= 1 && count <= NODES_MAX)) throw notAList(item, `"${part}" is no rising range`);
  return Array.from({ length: count }, (_, index) =>
    String(Number(low) + index).padStart(low.length, "0"),
  );
}

function notAList(text: string, why: string): JumboError {
  return new JumboError("usage", `node list "${text.slice(0, 200)}" is not understood (${why})`);
}
