/**
 * json-load.ts PORT CLIENTS BATCH SECONDS SCATTER: pilots of json-peer.ts over keep-alive
 * connections, closed loop, the same exchange as heart-load's. Tells how many were answered.
 */
import { connect, type Socket } from "node:net";
import { dice, tell } from "./books.ts";

const [port, clients, batch, seconds, scatter] = process.argv.slice(2).map(Number) as number[];
const WINDOW = 4;
const next = dice(11);
let exchanges = 0;

interface Span {
  readonly task: number;
  readonly first: number;
  readonly count: number;
  readonly attempt: number;
  readonly lease: number;
}

type Piece = Span & { readonly state: "done" };

class Pilot {
  readonly #number: number;
  readonly #socket: Socket;
  readonly #held: Piece[] = [];
  #text = "";

  constructor(number: number) {
    this.#number = number;
    this.#socket = connect({ host: "127.0.0.1", port: port as number });
    this.#socket.setNoDelay(true);
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (chunk) => this.#read(String(chunk)));
    this.#send([], WINDOW * (batch as number));
  }

  #send(done: readonly Piece[], want: number): void {
    const body = JSON.stringify({ pilot: this.#number, done, want });
    this.#socket.write(
      "POST /exchange HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
        `content-length: ${body.length}\r\n\r\n${body}`,
    );
  }

  #read(chunk: string): void {
    this.#text += chunk;
    const head = this.#text.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.#text)?.[1]);
    if (this.#text.length < head + 4 + length) return;
    const answer = JSON.parse(this.#text.slice(head + 4, head + 4 + length)) as {
      granted: Span[];
    };
    this.#text = this.#text.slice(head + 4 + length);
    const piece = scatter === 1 ? 1 : (batch as number);
    for (const { task, first, count, attempt, lease } of answer.granted) {
      for (let at = 0; at < count; at += piece) {
        const part = { first: first + at, count: Math.min(piece, count - at) };
        this.#held.push({ task, ...part, attempt, lease, state: "done" });
      }
    }
    exchanges++;
    this.#report();
  }

  #report(): void {
    const done: Piece[] = [];
    for (let size = 0; size < (batch as number) && this.#held.length > 0; ) {
      const at = Math.floor(next() * this.#held.length);
      const last = this.#held.pop() as Piece;
      const piece = at < this.#held.length ? (this.#held[at] as Piece) : last;
      if (at < this.#held.length) this.#held[at] = last;
      done.push(piece);
      size += piece.count;
    }
    this.#send(done, batch as number);
  }
}

for (let i = 1; i <= (clients as number); i++) new Pilot(i);
setTimeout(
  () => {
    tell({ exchanges });
    process.exit(0);
  },
  (seconds as number) * 1000,
);
