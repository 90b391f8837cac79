/** Parquet input by hyparquet: events are rows, counted from the footer; clusters: row groups. */
import { closeSync } from "node:fs";
import { binaryFormat, hasMagic, requireNumbered } from "./binary-format.ts";
import { openInput, readFully } from "./input-file.ts";

export const parquet = binaryFormat({
  name: "parquet",
  recognise: (_path, head) => hasMagic(head, "PAR1"),
  async scan(input) {
    const { parquetMetadataAsync } = await import("hyparquet");
    const fd = openInput(input.path);
    try {
      const metadata = await parquetMetadataAsync({
        byteLength: input.sizeBytes,
        slice(start, end = input.sizeBytes) {
          const bytes = readFully(fd, start, end - start);
          return new Uint8Array(bytes).buffer;
        },
      });
      const clusters: number[] = [];
      let events = 0;
      for (const group of metadata.row_groups) {
        clusters.push(events);
        events += Number(group.num_rows);
      }
      if (BigInt(events) !== metadata.num_rows) {
        throw new Error(`its row groups hold ${events} rows, its footer says ${metadata.num_rows}`);
      }
      requireNumbered(input, events);
      return { variant: "", events, tree: "", clusters, notes: [] };
    } finally {
      closeSync(fd);
    }
  },
});
