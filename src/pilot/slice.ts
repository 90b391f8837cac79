/**
 * Writes {slice}: header + the range's bytes + footer, a small valid file of the input's own
 * format. The engine sends header and footer as a recipe of literal bytes and file offsets.
 */
import { type FileHandle, open } from "node:fs/promises";
import { basename, join } from "node:path";
import type { SlicePiece } from "../wire/index.ts";
import type { RangeWork } from "./work.ts";

const CHUNK_BYTES = 1024 * 1024;

/** Path of the written slice. Throws the file system's error, or one on an input that is shorter. */
export async function writeSlice(work: RangeWork): Promise<string> {
  const { file } = work;
  // Programs look at extensions, so the input's name stays at the end.
  let name = `slice-${basename(file.path)}`;
  while (name === work.task.outputName) name = `_${name}`;
  const path = join(work.folder, name);
  const source = await open(file.path, "r");
  try {
    const target = await open(path, "wx");
    try {
      for (const piece of file.header) await writePiece(piece, source, target);
      await writePiece([work.offset, work.bytes], source, target);
      for (const piece of file.footer) await writePiece(piece, source, target);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
  return path;
}

async function writePiece(
  piece: SlicePiece,
  source: FileHandle,
  target: FileHandle,
): Promise<void> {
  if (piece instanceof Uint8Array) {
    await target.writeFile(piece);
    return;
  }
  const [offset, length] = piece;
  const chunk = Buffer.allocUnsafe(Math.min(length, CHUNK_BYTES));
  for (let done = 0; done < length; ) {
    const wanted = Math.min(length - done, chunk.length);
    const { bytesRead } = await source.read(chunk, 0, wanted, offset + done);
    if (bytesRead === 0) throw new Error(`the input ends before byte ${offset + length}`);
    await target.writeFile(chunk.subarray(0, bytesRead));
    done += bytesRead;
  }
}
