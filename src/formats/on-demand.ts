/**
 * What needs the Arrow library, which takes longer to load than an engine to start: it is loaded
 * when the first of these is called.
 */
import type { ManifestReader, ManifestTarget, ManifestWriter } from "./arrow-manifest.ts";
import type { ManifestDictionaries } from "./manifest-columns.ts";
import type { RangeRows, RangeStreamNames } from "./range-rows.ts";

/** Throws JumboError("input_unreadable") if `path` is no manifest, "not_found" if it is missing. */
export async function openManifest(path: string): Promise<ManifestReader> {
  return await (await import("./arrow-manifest.ts")).openManifest(path);
}

/** The caller makes durable what was written. */
export async function createManifest(
  target: ManifestTarget,
  metadata: Map<string, string>,
  dictionaries: ManifestDictionaries,
): Promise<ManifestWriter> {
  const { ManifestWriter: Writer } = await import("./arrow-manifest.ts");
  return new Writer(target, metadata, dictionaries);
}

/** Each batch of rows may be reused once the generator asks for the next one. */
export async function* arrowRanges(
  batches: AsyncIterable<RangeRows>,
  names: RangeStreamNames,
): AsyncGenerator<Uint8Array> {
  yield* (await import("./arrow-ranges.ts")).arrowRanges(batches, names);
}
