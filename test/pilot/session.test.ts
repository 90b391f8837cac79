import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { expect, test } from "vitest";
import { EXIT, SeededRandom } from "../../src/base/index.ts";
import { openBundle } from "../../src/bundle/index.ts";
import { encodeFrame, type Hello, OUTCOME, type SpanBlock, VERDICT } from "../../src/wire/index.ts";
import { useHarness } from "./harness.ts";

const h = useHarness();
const sh = (script: string, ...args: string[]) => ["sh", "-c", script, "payload", ...args];
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Ranges that wait for a file of their number before they end. */
function gated(events = 20) {
  const script = 'until [ -e "$1.$2" ]; do sleep 0.02; done; echo "$2" > "$3"';
  const command = sh(script, join(h.folder, "gate"), "{range}", "{output}");
  return h.engine.addTask(h.engine.tasks.size + 1, events, { command });
}
const rangesOf = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => first + i);
const openGate = (range: number) => writeFileSync(join(h.folder, `gate.${range}`), "");
const spansOf = (blocks: readonly SpanBlock[]) =>
  blocks
    .flatMap((block) => Array.from(block.first, (first, i) => [first, block.count[i]]))
    .toSorted((a, b) => a[0]! - b[0]!);
const hellos = () => h.engine.of("hello") as Hello[];

test("hello tells who and what it is; the want covers slots and a little more", async () => {
  h.pilot({ slots: 3, queue: "local", allocation: "a1", walltimeSeconds: 1000 });
  await h.engine.until("hello", () => h.engine.sessions === 1);
  expect(hellos()[0]).toMatchObject({
    pilotId: "pilot-under-test",
    generation: 1,
    credential: "00ff",
    queue: "local",
    allocation: "a1",
    nodes: [{ cores: 3, slots: 3, gpus: 0 }],
    held: [],
    freeSlots: 3,
  });
  const { want, secondsLeft } = hellos()[0]!;
  expect(want).toBeGreaterThanOrEqual(3);
  expect(want).toBeLessThanOrEqual(8);
  expect(secondsLeft).toBeGreaterThan(990);
  await h.engine.until("heartbeats", () => h.engine.of("heartbeat").length >= 2);
});

test("the want stays parked: an idle pilot says nothing but heartbeats", async () => {
  const task = h.engine.addTask(1, 10, { command: sh('echo x > "$1"', "{output}") });
  h.pilot();
  await h.engine.until("hello", () => h.engine.sessions === 1);
  await pause(300);
  expect(h.engine.of("exchange")).toHaveLength(0);
  h.engine.offer(task, 0, 4);
  await h.engine.reported(4);
  await pause(300);
  const before = h.engine.of("exchange").length;
  await pause(500);
  expect(h.engine.of("exchange")).toHaveLength(before);
});

test("recall gives back what has not started; with stop what runs as well", async () => {
  const task = gated();
  const span = h.engine.offer(task, 0, 5);
  h.pilot({ slots: 2 });
  await h.engine.until("two starts", () => h.engine.startedRanges().length === 2);
  const held = (first: number, count: number): SpanBlock => ({
    ...span,
    first: [first],
    count: [count],
  });
  h.engine.send({ type: "recall", spans: [held(0, 4)], stop: false });
  await h.engine.reported(2);
  expect(h.engine.reports.map((each) => [each.range, each.outcome])).toEqual([
    [2, OUTCOME.returned],
    [3, OUTCOME.returned],
  ]);
  h.engine.send({ type: "recall", spans: [held(1, 1)], stop: true });
  await h.engine.reported(3);
  expect(h.engine.reports[2]).toMatchObject({ range: 1, outcome: OUTCOME.returned, reason: "" });
  openGate(0);
  openGate(4);
  const rest = (await h.engine.reported(5)).slice(3);
  expect(rest.map((each) => each.outcome)).toEqual([OUTCOME.done, OUTCOME.done]);
});

test("after a lost connection everything held is listed, kept, and reported exactly once", async () => {
  const task = gated();
  h.engine.offer(task, 0, 4);
  const { pilot, ended } = h.pilot({ slots: 2 });
  await h.engine.until("two starts", () => h.engine.startedRanges().length === 2);
  // The report of 0 arrives, its verdict never does.
  h.engine.answersExchanges = false;
  openGate(0);
  await h.engine.reported(1);
  await h.engine.close();
  openGate(1);
  await pause(200);
  h.engine.answersExchanges = true;
  h.engine.verdict = ({ range }) => (range === 0 ? VERDICT.duplicate : VERDICT.accepted);
  const bundlesBefore = h.engine.of("bundle").length;
  await h.engine.listen();
  await h.engine.until("second hello", () => h.engine.sessions === 2);
  expect(spansOf(hellos()[1]!.held)).toEqual([[0, 4]]);
  openGate(2);
  openGate(3);
  await h.engine.until(
    "all ranges",
    () => new Set(h.engine.reports.map((r) => r.range)).size === 4,
  );
  pilot.drain("test", null);
  expect(await ended).toMatchObject({ accepted: 4, unused: 0, exitCode: 0, bundles: 1 });
  expect(h.engine.reports.filter((each) => each.range === 0)).toHaveLength(2);
  for (const range of [1, 2, 3]) {
    expect(h.engine.reports.filter((each) => each.range === range)).toHaveLength(1);
  }
  expect(h.engine.of("bundle").length).toBe(bundlesBefore + 1);
  for (const report of h.engine.reports) {
    expect(await h.engine.output(report)).toBe(`${report.range}\n`);
  }
});

test("through 30 cut connections every range is accepted once, and none is forgotten", async () => {
  const command = sh('echo "$1" > "$2"', "{range}", "{output}");
  const task = h.engine.addTask(1, 100, { command });
  const accepted = new Map<number, number>();
  h.engine.verdict = ({ range, outcome, lease }) => {
    if (outcome === OUTCOME.returned) return VERDICT.accepted;
    const winner = accepted.get(range);
    if (winner !== undefined) return winner === lease ? VERDICT.duplicate : VERDICT.stale;
    accepted.set(range, lease);
    return VERDICT.accepted;
  };
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new SeededRandom(seed);
  // A grant that was cut off never arrived: what a hello does not list goes out again.
  const granted = new Set<number>();
  h.engine.refuse = (held) => {
    const listed = new Set(
      spansOf([...held, ...h.engine.queue]).flatMap(([first, count]) => rangesOf(first!, count!)),
    );
    for (const range of granted) {
      if (listed.has(range) || accepted.has(range)) continue;
      granted.delete(range);
    }
    return [];
  };
  const offer = () => {
    if (h.engine.queue.length > 0) return;
    for (let range = 0, more = 4; range < 100 && more > 0; range++) {
      if (granted.has(range)) continue;
      granted.add(range);
      more--;
      h.engine.offer(task, range, 1);
    }
  };
  const { pilot, ended } = h.pilot({ slots: 2 });
  for (let cuts = 0; accepted.size < 100; ) {
    offer();
    await pause(random.below(12));
    if (cuts < 30 && random.chance(0.5) && h.engine.sessions > cuts) {
      cuts++;
      h.engine.cut();
    }
  }
  pilot.drain("test", null);
  expect({ seed, ...(await ended) }).toMatchObject({ seed, accepted: 100, lost: 0, failed: 0 });
  for (const report of h.engine.reports.filter((each) => each.outcome === OUTCOME.done)) {
    expect(await h.engine.output(report)).toBe(`${report.range}\n`);
  }
});

test("what a welcome refuses is dropped without a word, and its payload is killed", async () => {
  const task = gated();
  h.engine.offer(task, 0, 2);
  h.engine.offer(task, 5, 2);
  const { pilot, ended } = h.pilot({ slots: 2 });
  await h.engine.until("two starts", () => h.engine.startedRanges().length === 2);
  h.engine.refuse = (held) =>
    held.flatMap((block) => [
      {
        ...block,
        size: 1,
        first: [0],
        count: [2],
        attempt: [1],
        grant: [1],
        lease: [block.lease[0]!],
      },
    ]);
  h.engine.cut();
  await h.engine.until("second hello", () => h.engine.sessions === 2);
  openGate(5);
  openGate(6);
  await h.engine.reported(2);
  pilot.drain("test", null);
  expect(await ended).toMatchObject({ accepted: 2, lost: 0, failed: 0 });
  expect(h.engine.reports.map((each) => each.range).sort()).toEqual([5, 6]);
});

test("without an engine what was granted starts for one lease term, then waits", async () => {
  const task = gated();
  h.engine.leaseTermMs = 600;
  h.engine.offer(task, 0, 4);
  h.pilot({ slots: 1 });
  await h.engine.until("a start", () => h.engine.startedRanges().length === 1);
  await h.engine.close();
  openGate(0);
  await h.engine.until("range 1 runs", () =>
    readdirSync(join(h.workDir, "jumbo-pilot-under-test")).some((n) => n.includes("-r1-")),
  );
  await pause(700);
  openGate(1);
  await pause(300);
  expect(readdirSync(join(h.workDir, "jumbo-pilot-under-test"))).toEqual([]);
  for (const range of [2, 3]) openGate(range);
  await h.engine.listen();
  await h.engine.until("the rest", () => h.engine.reports.length === 4);
  expect(h.engine.reports.every((each) => each.outcome === OUTCOME.done)).toBe(true);
});

test("a silent engine is left after two heartbeats and found again", async () => {
  h.engine.answersHeartbeats = false;
  h.engine.heartbeatMs = 100;
  h.pilot();
  await h.engine.until("another session", () => h.engine.sessions >= 2, 3000);
});

test("no engine within the limit ends the pilot as unreachable, payloads killed", async () => {
  const task = gated();
  h.engine.offer(task, 0, 1);
  const { ended } = h.pilot({ giveUpSeconds: 0.5 });
  await h.engine.until("a start", () => h.engine.startedRanges().length === 1);
  await h.engine.close();
  expect(await ended).toMatchObject({ exitCode: EXIT.unreachable });
  expect(readdirSync(h.workDir)).toEqual([]);
});

test("a refusal of the credential is final after a few tries, any other is not", async () => {
  let faults = 0;
  h.engine.greets = (socket) => {
    faults++;
    const code = faults === 1 ? "refused" : "unauthorized";
    socket.on("error", () => {});
    socket.end(encodeFrame({ type: "fault", code, message: "no such key" }));
    return false;
  };
  const { ended } = h.pilot();
  expect(await ended).toMatchObject({ exitCode: EXIT.refused, reason: "no such key" });
  expect(faults).toBe(4);
});

test("the access file is read again, since an engine replaces it", async () => {
  const path = join(h.folder, "access.json");
  writeFileSync(path, JSON.stringify({ ...h.engine.access, pilots: ["unix:/nowhere", "bad"] }));
  h.pilot({ access: path });
  await pause(150);
  expect(h.engine.sessions).toBe(0);
  writeFileSync(path, JSON.stringify({ ...h.engine.access, pilotKey: "abcd" }));
  await h.engine.until("a session", () => h.engine.sessions === 1);
  expect(hellos()[0]?.credential).toBe("abcd");
});

test("TLS 1.3 with the pilot key as external PSK, and none with another key", async () => {
  const key = "11".repeat(32);
  const server = createTlsServer({
    pskCallback: (_socket, identity) =>
      identity === "jumbo" ? (Buffer.from(key, "hex") as never) : null,
    ciphers: "TLS_AES_128_GCM_SHA256",
    minVersion: "TLSv1.3",
  });
  server.on("secureConnection", (socket) => h.engine.serve(socket));
  server.on("tlsClientError", () => {});
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  const access = { ...h.engine.access, pilots: [`tls://127.0.0.1:${port}`], pilotKey: key };
  const wrong = h.pilot({
    access: { ...access, pilotKey: "22".repeat(32) },
    giveUpSeconds: 0.2,
    pilotId: "wrong",
  });
  expect(await wrong.ended).toMatchObject({ exitCode: EXIT.unreachable });
  expect(h.engine.sessions).toBe(0);
  const { pilot, ended } = h.pilot({ access });
  await h.engine.until("a session", () => h.engine.sessions === 1);
  pilot.drain("test", null);
  await ended;
  await new Promise((done) => server.close(done));
});

test("drain returns the unstarted, lets what runs finish, closes the bundle, says bye", async () => {
  const task = gated();
  h.engine.offer(task, 0, 5);
  const { ended } = h.pilot({ slots: 2 });
  await h.engine.until("two starts", () => h.engine.startedRanges().length === 2);
  h.engine.send({ type: "drain", reason: "enough", secondsLeft: -1 });
  await h.engine.reported(3);
  expect(h.engine.reports.every((each) => each.outcome === OUTCOME.returned)).toBe(true);
  h.engine.offer(task, 9, 1);
  openGate(0);
  openGate(1);
  expect(await ended).toMatchObject({ exitCode: 0, accepted: 2, returned: 3, reason: "enough" });
  expect(h.engine.received.at(-1)?.type).toBe("bye");
  const reader = await openBundle(h.engine.bundles.get(1)!);
  expect(reader.salvaged).toBe(false);
  await reader.close();
});

test("what is not done at the drain's deadline is stopped and reported lost", async () => {
  const task = gated();
  h.engine.offer(task, 0, 2);
  const { ended } = h.pilot({ slots: 2 });
  await h.engine.until("two starts", () => h.engine.startedRanges().length === 2);
  openGate(0);
  await h.engine.reported(1);
  h.engine.send({ type: "drain", reason: "preempted", secondsLeft: 0.3 });
  expect(await ended).toMatchObject({ exitCode: 0, accepted: 1, lost: 1 });
  expect(h.engine.reports[1]?.reason).toBe("stopped before its end (preempted)");
});

test("the walltime ends a pilot in time, with everything reported", async () => {
  const task = gated();
  h.engine.offer(task, 0, 3);
  const began = performance.now();
  const { ended } = h.pilot({ slots: 1, walltimeSeconds: 3 });
  await h.engine.until("a start", () => h.engine.startedRanges().length === 1);
  expect(await ended).toMatchObject({ exitCode: 0, lost: 1, returned: 2 });
  expect(performance.now() - began).toBeLessThan(3000);
  expect(h.engine.reports.find((each) => each.range === 0)?.reason).toMatch(/the walltime ends/);
});

test("a bundle that somebody deleted is replaced, and the range is not lost", async () => {
  const task = h.engine.addTask(1, 9, { command: sh('echo "$1" > "$2"', "{range}", "{output}") });
  h.engine.offer(task, 0, 1);
  h.pilot();
  await h.engine.reported(1);
  for (const name of readdirSync(join(h.folder, "bundles"))) {
    rmSync(join(h.folder, "bundles", name));
  }
  h.engine.offer(task, 1, 1);
  await h.engine.reported(2);
  expect(h.engine.reports[1]).toMatchObject({ outcome: OUTCOME.done, bundle: 2 });
  expect(await h.engine.output(h.engine.reports[1]!)).toBe("1\n");
});

test("a pilot that can't write bundles says so, gives the rest back and ends", async () => {
  const bundlesDir = join(h.folder, "no-bundles");
  const task = h.engine.addTask(1, 9, { command: sh('echo x > "$1"', "{output}") });
  const { ended } = h.pilot({ slots: 1, bundlesDir });
  await h.engine.until("a session", () => h.engine.sessions === 1);
  rmSync(bundlesDir, { recursive: true });
  h.engine.offer(task, 0, 2);
  expect(await ended).toMatchObject({ exitCode: EXIT.storeIo, accepted: 0 });
  expect(h.engine.reports.find((each) => each.range === 0)).toMatchObject({
    outcome: OUTCOME.lost,
    reason: expect.stringMatching(/^output could not be made durable \(ENOENT/),
  });
});

test("each task has bundles of its own", async () => {
  const command = sh('echo x > "$1"', "{output}");
  for (const task of [1, 2]) h.engine.addTask(task, 2, { command });
  for (const task of [1, 2] as never[]) h.engine.offer(task, 0, 2);
  h.pilot();
  await h.engine.reported(4);
  const bundles = (task: number) =>
    new Set(h.engine.reports.filter((each) => each.task === task).map((each) => each.bundle));
  expect(bundles(1).size).toBe(1);
  expect(bundles(2)).not.toEqual(bundles(1));
});

test.each(["once", "stream"] as const)(
  "a payload that somebody else stops is lost, not failed (%s)",
  async (mode) => {
    // The program dies as Slurm lets it at a job's end: SIGTERM to every process.
    const command =
      mode === "once"
        ? sh("kill -TERM $$; sleep 5")
        : sh(
            'echo \'{"hello":{"protocol":1,"slots":1}}\'; echo \'{"ready":1}\'; ' +
              "read -r range; kill -TERM $$; sleep 5",
          );
    const task = h.engine.addTask(1, 1, { command, mode });
    h.engine.offer(task, 0, 1);
    h.pilot({ slots: 1 });
    await h.engine.reported(1);
    expect(h.engine.reports[0]).toMatchObject({
      outcome: OUTCOME.lost,
      reason: expect.stringContaining("payload ended by signal SIGTERM"),
    });
  },
);
