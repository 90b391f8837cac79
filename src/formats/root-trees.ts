/**
 * ROOT TTree input by jsroot: events are entries. Of several cycles of one key the highest counts
 * (lower ones are backups that ROOT leaves behind); several trees need `tree`, which may lie in
 * directories (`dir/events`) and may name its cycle (`events;3`).
 *
 * RNTuple is refused: jsroot 7.11.2 reads 450 of 1 000 entries of one without an error.
 *
 * ROOT reads whole baskets, so ranges smaller than a cluster read some of them several times;
 * `clusters` lets `explain` say so. Where the tree has an auto-flush in entries it gives the
 * clusters; else they are the entries at which some branch begins a new basket.
 */
import { closeSync } from "node:fs";
import { FileProxy, openFile, type RootFile, type RootKey } from "jsroot/io";
import { JumboError } from "../base/index.ts";
import { type BinaryScan, hasMagic, requireNumbered } from "./binary-format.ts";
import { inputError, openInput, readFully, sizeOf } from "./input-file.ts";
import type { PreparedInput, ScanOptions } from "./types.ts";

const TREE_CLASSES = new Set(["TTree", "TNtuple", "TNtupleD"]);
const RNTUPLE_CLASSES = new Set(["ROOT::RNTuple", "ROOT::Experimental::RNTuple"]);
const FOLDER_CLASSES = new Set(["TDirectory", "TDirectoryFile"]);
/** Folders inside folders that are looked into. */
const DEPTH_MAX = 8;

/** Throws JumboError, or anything else for a file that jsroot can't read. */
export async function scanTrees(input: PreparedInput, options: ScanOptions): Promise<BinaryScan> {
  checkComplete(input.path);
  const proxy = new LocalFile(input.path);
  try {
    const file = await openFile(proxy);
    if (!file) throw new Error("jsroot could not open it");
    const listing: Listing = { trees: new Map(), ntuples: [] };
    await listTrees(file, "", file.fKeys, listing, DEPTH_MAX);
    const name = chooseTree(input.source, options.tree, listing);
    const cycle = name.includes(";") ? "" : `;${listing.trees.get(name)}`;
    const tree = (await file.readObject(name + cycle)) as RootTree | null;
    const events = tree?.fEntries;
    if (!tree || typeof events !== "number" || !(events >= 0)) {
      throw new Error(`its tree ${name} can't be read`);
    }
    requireNumbered(input, events);
    return { variant: "", events, tree: name, clusters: clusterStarts(tree), notes: [] };
  } finally {
    proxy.closeFile();
  }
}

interface RootBranch {
  readonly fWriteBasket: number;
  readonly fBasketEntry: ArrayLike<number> | null;
  readonly fBranches?: { readonly arr: readonly RootBranch[] };
}

interface RootTree {
  readonly fEntries: number;
  readonly fAutoFlush?: number;
  readonly fClusterRangeEnd?: ArrayLike<number>;
  readonly fClusterSize?: ArrayLike<number>;
  readonly fBranches: { readonly arr: readonly RootBranch[] };
}

interface Listing {
  /** Path of a tree -> its highest cycle, in the file's order. */
  readonly trees: Map<string, number>;
  readonly ntuples: string[];
}

/** jsroot's way to a local file: reads by offset, so that a large file is never in memory. */
class LocalFile extends FileProxy {
  readonly #path: string;
  #fd: number | null = null;

  constructor(path: string) {
    super();
    this.#path = path;
  }

  override async openFile(): Promise<boolean> {
    this.#fd = openInput(this.#path);
    return true;
  }

  override getFileName(): string {
    return this.#path;
  }

  override getFileSize(): number {
    return this.#fd === null ? 0 : sizeOf(this.#fd);
  }

  override async readBuffer(position: number, size: number): Promise<DataView | null> {
    if (this.#fd === null) return null;
    const bytes = readFully(this.#fd, position, size);
    return new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
  }

  override closeFile(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

/** A file that ends before the end its header states lost its keys or its last baskets. */
function checkComplete(path: string): void {
  const fd = openInput(path);
  try {
    const head = readFully(fd, 0, 20);
    if (head.length < 20 || !hasMagic(head, "root")) throw new Error("it does not begin with root");
    const isLarge = head.readUInt32BE(4) >= 1_000_000;
    const end = isLarge ? Number(head.readBigUInt64BE(12)) : head.readUInt32BE(12);
    if (sizeOf(fd) < end) throw new Error(`its header states ${end} bytes, it has ${sizeOf(fd)}`);
  } finally {
    closeSync(fd);
  }
}

async function listTrees(
  file: RootFile,
  folder: string,
  keys: readonly RootKey[],
  listing: Listing,
  depthLeft: number,
): Promise<void> {
  for (const { fName, fCycle, fClassName } of keys) {
    const name = folder + fName;
    if (TREE_CLASSES.has(fClassName)) {
      listing.trees.set(name, Math.max(fCycle, listing.trees.get(name) ?? 0));
    } else if (RNTUPLE_CLASSES.has(fClassName)) {
      listing.ntuples.push(name);
    } else if (FOLDER_CLASSES.has(fClassName) && depthLeft > 0) {
      const inner = (await file.readObject(name)) as { fKeys?: readonly RootKey[] } | null;
      await listTrees(file, `${name}/`, inner?.fKeys ?? [], listing, depthLeft - 1);
    }
  }
}

/** Name of the tree to count, as payloads get it: with a cycle only where the task names one. */
function chooseTree(source: string, wanted: string, listing: Listing): string {
  const names = [...listing.trees.keys()];
  const bare = wanted.replace(/;\d+$/, "");
  if (listing.ntuples.includes(bare) || (names.length === 0 && listing.ntuples.length > 0)) {
    throw inputError(
      source,
      `holds its events as RNTuple ${bare || listing.ntuples.join(", ")}`,
      "the ROOT reader at hand drops entries of RNTuples without an error",
      "write them as a TTree",
    );
  }
  const list = [...names, ...listing.ntuples.map((name) => `${name} (RNTuple)`)].join(", ");
  if (wanted !== "") {
    if (!listing.trees.has(bare)) {
      const right = list === "" ? "it holds no tree at all" : `it holds ${list}`;
      throw inputError(source, `has no tree "${wanted}"`, "input.tree names it", right);
    }
    return wanted;
  }
  if (names.length === 0) {
    throw inputError(source, "holds no tree", "events are entries of a TTree", "check the file");
  }
  if (names.length + listing.ntuples.length > 1) {
    throw new JumboError(
      "task_invalid",
      `input.tree is not set (${source} holds several trees: ${list}) name the one with the events`,
      { subject: "input.tree" },
    );
  }
  return names[0] as string;
}

function clusterStarts(tree: RootTree): number[] {
  const autoFlush = tree.fAutoFlush ?? 0;
  const starts = new Set<number>();
  if (autoFlush > 0) {
    let entry = 0;
    const ends = tree.fClusterRangeEnd ?? [];
    for (let i = 0; i < ends.length; i++) {
      const size = Math.max(1, tree.fClusterSize?.[i] || autoFlush);
      for (; entry <= (ends[i] as number); entry += size) starts.add(entry);
      entry = (ends[i] as number) + 1;
    }
    for (; entry < tree.fEntries; entry += autoFlush) starts.add(entry);
  } else {
    addBasketStarts(tree.fBranches.arr, tree.fEntries, starts);
  }
  if (tree.fEntries > 0) starts.add(0);
  return [...starts].sort((a, b) => a - b);
}

function addBasketStarts(branches: readonly RootBranch[], entries: number, to: Set<number>): void {
  for (const branch of branches) {
    for (let i = 0; i < branch.fWriteBasket; i++) {
      const entry = branch.fBasketEntry?.[i] ?? 0;
      if (entry < entries) to.add(entry);
    }
    if (branch.fBranches) addBasketStarts(branch.fBranches.arr, entries, to);
  }
}
