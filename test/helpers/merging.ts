/** Merges parts in memory. */
import { type MergeKind, mergeRule } from "../../src/formats/index.ts";

/** Parts r0, r1, ... merged; all bytes of the result. */
export async function mergeParts(
  kind: MergeKind,
  parts: readonly Uint8Array[],
  name?: string,
): Promise<Buffer> {
  const written: Uint8Array[] = [];
  const merger = (await mergeRule(kind)).open({
    // A copy: a target may get bytes whose buffer is used again.
    write: (bytes) => void written.push(new Uint8Array(bytes)),
  });
  for (const [i, bytes] of parts.entries()) {
    await merger.add({ label: `r${i}`, bytes, ...(name === undefined ? {} : { name }) });
  }
  await merger.finish();
  return Buffer.concat(written);
}

/** The same for latin1 text. */
export async function mergeTexts(kind: MergeKind, parts: readonly string[]): Promise<string> {
  const bytes = parts.map((text) => Buffer.from(text, "latin1"));
  return (await mergeParts(kind, bytes)).toString("latin1");
}
