/** Reads branches of a ROOT tree with jsroot, as a payload in JavaScript does. */
import { readFileSync } from "node:fs";
import { openFile } from "jsroot/io";
import { TSelector, treeProcess } from "jsroot/tree";

export type RootRow = Record<string, number | bigint | ArrayLike<number>>;

/** Entries [first, first + count) of the named branches, by name. */
export async function readTree(
  path: string,
  tree: string,
  branches: readonly string[],
  first: number,
  count: number,
): Promise<RootRow[]> {
  const file = await openFile(new Uint8Array(readFileSync(path)).buffer);
  if (!file) throw new Error(`${path} is no ROOT file`);
  const object = await file.readObject(tree);
  const selector = new TSelector();
  for (const name of branches) selector.addBranch(name, name);
  const rows: RootRow[] = [];
  selector.Process = () => {
    const row: RootRow = {};
    for (const name of branches) {
      const value = selector.tgtobj[name];
      row[name] = typeof value === "object" ? Array.from(value as ArrayLike<number>) : value;
    }
    rows.push(row);
  };
  if (count > 0) await treeProcess(object, selector, { firstentry: first, numentries: count });
  return rows;
}
