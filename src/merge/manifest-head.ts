/**
 * What stands in a manifest's metadata: everything that `verify` needs besides the rows. Key
 * `jumbo.manifest` of the Arrow schema's metadata, one JSON document; its form is fixed by
 * docs/reference/manifest.md.
 */
import { JumboError } from "../base/index.ts";

export const MANIFEST_SCHEMA = "manifest/1";
export const METADATA_KEY = "jumbo.manifest";

export interface ManifestInput {
  /** As the task names it; "" for a count task. */
  readonly source: string;
  readonly format: string;
  readonly tree: string;
  readonly events: number;
  /** sha256 of the input file, hex; "" for a count task. */
  readonly sha256: string;
}

export interface ManifestOutput {
  /** Relative to the manifest's folder, so that a result can be moved as a whole. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly firstRange: number;
  readonly ranges: number;
}

export interface Tally {
  readonly ranges: number;
  readonly events: number;
}

export interface ManifestHead {
  readonly schema: typeof MANIFEST_SCHEMA;
  readonly task: {
    readonly id: number;
    readonly name: string;
    readonly contentHash: string;
    readonly merge: string;
    readonly eventsPerRange: number;
    readonly ranges: number;
    readonly events: number;
  };
  readonly counts: { readonly merged: Tally; readonly failed: Tally };
  readonly inputs: readonly ManifestInput[];
  readonly outputs: readonly ManifestOutput[];
}

export function headMetadata(head: ManifestHead): Map<string, string> {
  return new Map([[METADATA_KEY, JSON.stringify(head)]]);
}

/** Throws JumboError("input_unreadable") if the metadata is absent or of another version. */
export function headOf(metadata: ReadonlyMap<string, string>, path: string): ManifestHead {
  const text = metadata.get(METADATA_KEY);
  let head: Partial<ManifestHead> = {};
  try {
    head = JSON.parse(text ?? "{}") as Partial<ManifestHead>;
  } catch {
    // Told below: a text that is no JSON has no schema either.
  }
  if (
    head.schema !== MANIFEST_SCHEMA ||
    !head.task ||
    !head.counts ||
    !Array.isArray(head.inputs) ||
    !Array.isArray(head.outputs)
  ) {
    throw new JumboError(
      "input_unreadable",
      `${path} has no ${MANIFEST_SCHEMA} in its metadata (it was not written by this version) ` +
        "name the NAME.manifest.arrow that the merge wrote",
      { subject: path },
    );
  }
  return head as ManifestHead;
}
