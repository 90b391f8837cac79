/**
 * Arrow IPC input, file ("ARROW1" ... footer) and stream variant: events are rows, counted from the
 * headers of the record batches; clusters are record batches. arrow-walk.ts knows the framing.
 */
import { closeSync } from "node:fs";
import { binaryFormat, requireNumbered } from "./binary-format.ts";
import { openInput, readFully } from "./input-file.ts";

export const arrow = binaryFormat({
  name: "arrow",
  recognise: (_path, head) => isArrow(head),
  async scan(input) {
    const { walkArrow } = await import("./arrow-walk.ts");
    const fd = openInput(input.path);
    try {
      const walk = walkArrow((offset, length) => readFully(fd, offset, length), input.sizeBytes);
      const { variant, rows: events, starts: clusters } = walk;
      requireNumbered(input, events);
      const notes = variant === "stream" && !walk.hasEnd ? ["stream without its end mark"] : [];
      return { variant, events, tree: "", clusters, notes };
    } finally {
      closeSync(fd);
    }
  },
});

function isArrow(head: Uint8Array): boolean {
  const text = Buffer.from(head.subarray(0, 6)).toString("latin1");
  return text === "ARROW1" || (head.length >= 8 && head.subarray(0, 4).every((b) => b === 0xff));
}
