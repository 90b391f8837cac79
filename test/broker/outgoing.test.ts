/** What leaves together, and in which order, whatever waits. */
import { beforeEach, describe, expect, it } from "vitest";
import { Outgoing } from "../../src/broker/outgoing.ts";
import { type FromCore, unpacked } from "../../src/broker/port.ts";
import { forEachFrame } from "../helpers/frames.ts";

let batches: [number, number][][];
let closed: number[];
let outgoing: Outgoing;

beforeEach(() => {
  batches = [];
  closed = [];
  outgoing = new Outgoing((sent: ArrayBuffer | FromCore) => {
    const isBare = sent instanceof ArrayBuffer;
    const frames = isBare ? unpacked(sent) : sent.frames;
    const list: [number, number][] = [];
    if (frames) forEachFrame(frames, (to, frame) => list.push([to, frame[0] as number]));
    if (!isBare) closed.push(...sent.close);
    batches.push(list);
  });
});

const frame = (byte: number) => Uint8Array.of(byte);
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe("what the core sends", () => {
  it("leaves in one batch a turn", async () => {
    outgoing.send(1, frame(10), false);
    outgoing.send(2, frame(20), false);
    await turn();
    expect(batches).toEqual([
      [
        [1, 10],
        [2, 20],
      ],
    ]);
  });

  it("does not wait while few pilots speak", async () => {
    outgoing.framesCame(1);
    outgoing.send(1, frame(10), true);
    await turn();
    expect(batches).toEqual([[[1, 10]]]);
  });

  it("waits, where many speak, for the next frame to the same pilot", async () => {
    outgoing.framesCame(64);
    outgoing.send(1, frame(10), true);
    outgoing.send(2, frame(20), true);
    outgoing.send(2, frame(21), false);
    outgoing.send(1, frame(11), false);
    await turn();
    expect(batches).toEqual([
      [
        [2, 20],
        [2, 21],
        [1, 10],
        [1, 11],
      ],
    ]);
  });

  it("waits a moment only", async () => {
    outgoing.framesCame(64);
    outgoing.send(1, frame(10), true);
    outgoing.send(1, frame(11), true);
    await until(() => batches.length > 0);
    expect(batches).toEqual([
      [
        [1, 10],
        [1, 11],
      ],
    ]);
  });

  it("closes a connection after what waits for it", async () => {
    outgoing.framesCame(64);
    outgoing.send(1, frame(10), true);
    outgoing.close(1);
    await turn();
    expect(batches).toEqual([[[1, 10]]]);
    expect(closed).toEqual([1]);
  });
});
