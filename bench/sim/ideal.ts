/**
 * The yardstick that a real dispatcher is compared with: one queue, no latency, ranges in index
 * order, each to the slot that is free first.
 */
export function idealFifoSeconds(
  times: Float32Array,
  nodes: readonly { slots: number; speed: number }[],
): number {
  const slots = nodes.reduce((sum, node) => sum + node.slots, 0);
  const ends = new Float64Array(slots);
  const speeds = new Float64Array(slots);
  let at = 0;
  for (const node of nodes) {
    speeds.fill(node.speed, at, at + node.slots);
    at += node.slots;
  }
  let makespan = 0;
  for (const time of times) {
    const speed = speeds[0]!;
    const end = ends[0]! + time * speed;
    if (end > makespan) makespan = end;
    sinkRoot(ends, speeds, end, speed);
  }
  return makespan;
}

function sinkRoot(ends: Float64Array, speeds: Float64Array, end: number, speed: number): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= ends.length) break;
    if (child + 1 < ends.length && ends[child + 1]! < ends[child]!) child++;
    if (ends[child]! >= end) break;
    ends[at] = ends[child]!;
    speeds[at] = speeds[child]!;
    at = child;
  }
  ends[at] = end;
  speeds[at] = speed;
}
