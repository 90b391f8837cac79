/**
 * json-peer.ts DIR (empty): what one would write first instead of our wire: fastify, JSON bodies, on
 * the same ledger, committer and store. One POST is one exchange: `{pilot, done: [{task, first,
 * count, attempt, lease, state}, ...], want}` -> `{granted: [...], verdicts: [...]}`, answered once
 * it is durable. Spans are objects with named keys, as JSON interfaces have them: some 75 bytes each.
 * It has no shaper, no sessions and no checks of its own: less work than the engine does an exchange.
 */
import { join } from "node:path";
import Fastify from "fastify";
import { type LeaseId, type PilotNumber, systemClock } from "../../../src/base/index.ts";
import { Committer, TRICKLE } from "../../../src/broker/committer.ts";
import { Books } from "./books.ts";

interface ExchangeBody {
  readonly pilot: number;
  readonly done: readonly {
    readonly first: number;
    readonly count: number;
    readonly lease: number;
  }[];
  readonly want: number;
}

const books = await Books.open(join(process.argv[2] as string, "store"), 256);
const task = await books.submit(1e9);
const { ledger, store, book, bundle } = books;
const committer = new Committer({
  ledger,
  book,
  store,
  clock: systemClock,
  trickle: TRICKLE,
  lastSequence: books.sequence,
  failStop: () => process.exit(74),
});

const app = Fastify();
app.post("/exchange", (request, reply) => {
  const body = request.body as ExchangeBody;
  const pilot = body.pilot as PilotNumber;
  const verdicts: number[] = [];
  const sink = { push: (count: number, verdict: number) => verdicts.push(count, verdict) };
  ledger.renew(pilot, systemClock.monotonicMs() + 30_000);
  for (const { first, count, lease } of body.done) {
    ledger.done(pilot, lease as LeaseId, task, first, count, bundle, sink);
  }
  const granted: object[] = [];
  for (let left = body.want; left > 0; ) {
    const run = ledger.nextReady(task, 0, left);
    if (run === null) break;
    const { id } = ledger.grant(task, run.first, run.count, pilot);
    const { first, count, attempts, grants } = run;
    granted.push({ task, first, count, attempt: attempts + 1, grant: grants + 1, lease: id });
    left -= run.count;
  }
  committer.afterCommit(() => void reply.send({ granted, verdicts }));
  // Requests of one turn of the event loop share a group, as frames of a batch do.
  setImmediate(() => committer.pump());
});
await app.listen({ host: "127.0.0.1", port: 0 });
const address = app.server.address();
process.stdout.write(`${typeof address === "object" && address ? address.port : 0}\n`);
