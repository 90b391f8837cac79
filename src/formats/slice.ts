/**
 * The reference of what a slice is: header pieces + the bytes of consecutive events + footer
 * pieces. Pilots do the same from the recipe they are sent.
 */
import { closeSync } from "node:fs";
import { assert } from "../base/index.ts";
import { inputError, openInput, readFully } from "./input-file.ts";
import type { SlicePiece } from "./types.ts";

export interface SliceRecipe {
  readonly path: string;
  readonly header: readonly SlicePiece[];
  readonly footer: readonly SlicePiece[];
}

/** The slice with the file's bytes [begin, end). Throws `input_unreadable` if the file is short. */
export function sliceBytes(recipe: SliceRecipe, begin: number, end: number): Uint8Array {
  assert(0 <= begin && begin <= end, `slice ${begin}..${end}`);
  const fd = openInput(recipe.path);
  try {
    const body: SlicePiece = [begin, end - begin];
    return Buffer.concat(
      [...recipe.header, body, ...recipe.footer].map((piece) => pieceBytes(fd, recipe.path, piece)),
    );
  } finally {
    closeSync(fd);
  }
}

function pieceBytes(fd: number, path: string, piece: SlicePiece): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  const [offset, length] = piece;
  const bytes = readFully(fd, offset, length);
  if (bytes.length !== length) {
    throw inputError(
      path,
      `ends at byte ${offset + bytes.length}`,
      `bytes up to ${offset + length} were there when it was scanned`,
      "put the original file back",
    );
  }
  return bytes;
}
