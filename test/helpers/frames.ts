import type { FrameBatch } from "../../src/broker/index.ts";

/** Calls `visit` for each frame of a batch, in order. */
export function forEachFrame(
  batch: FrameBatch,
  visit: (connection: number, frame: Uint8Array) => void,
): void {
  let begin = 0;
  for (let i = 0; i < batch.ends.length; i++) {
    const end = batch.ends[i] as number;
    visit(batch.connections[i] as number, batch.bytes.subarray(begin, end));
    begin = end;
  }
}
