/**
 * The login node's side of the spool folder: pilots on nodes without a network leave their frames
 * as files, the relay carries them to the engine and its answers back. docs/reference/spool.md is
 * the standard; native/pilot/FolderChannel is the other side.
 *
 *   pilot --files--> DIR/c-X/up-00000001 ... --> Relay --socket--> engine
 *         <--files-- DIR/c-X/down-00000001 ... <--
 *
 * It knows bytes only. Whatever dies, a connection ends here as a broken socket does, and the
 * session goes on over the next one: what was done is repeated, and answered once. A relay that
 * starts therefore removes every connection of an earlier one, rather than to guess how far it was.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { JumboError, messageOf, readAccessFile, writeAccessFile } from "../base/index.ts";
import { RelayedConnection } from "./relayed-connection.ts";

/** Longest pause between two looks at a folder: half of what a frame may wait for on its way. */
const LOOK_MS_MAX = 200;
const LOOK_MS_MIN = 10;
const LOOK_GROWTH = 1.3;
const BEAT_MS = 1_000;
/** Another relay that has not moved for so long is dead. */
const DEAD_MS = 3_500;
const BEAT_NAME = "relay";

export interface RelayOptions {
  /** Access file of the engine; read again at each connection. */
  readonly accessPath: string;
  /** The spool folder, seen by this machine and the nodes. Made, mode 0700. */
  readonly folder: string;
  readonly log: (line: string) => void;
}

interface Beat {
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly count: number;
}

export class Relay {
  readonly accessPath: string;
  readonly #options: RelayOptions;
  readonly #folder: string;
  readonly #name = randomBytes(8).toString("hex");
  readonly #connections = new Map<string, RelayedConnection>();
  #looker: NodeJS.Timeout | undefined;
  #beater: NodeJS.Timeout | undefined;
  #count = 0;
  #pauseMs = LOOK_MS_MIN;
  #ended = false;
  /** Called when another relay has taken the folder over. */
  onReplaced: (error: JumboError) => void = () => {};

  private constructor(options: RelayOptions) {
    this.#options = options;
    this.#folder = resolve(options.folder);
    this.accessPath = join(this.#folder, "access.json");
  }

  /** Serves the folder from now on. Throws `conflict` if another relay does, `usage`. */
  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    await relay.#takeOver();
    relay.#look();
    relay.#beater = setInterval(() => relay.#beat(), BEAT_MS);
    return relay;
  }

  /** Connections at the moment. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Ends every connection and removes what is its own. Pilots come back to the next relay. */
  stop(): void {
    this.#end();
    for (const name of this.#names()) rmSync(join(this.#folder, name), REMOVE);
    rmSync(this.accessPath, { force: true });
    rmSync(join(this.#folder, BEAT_NAME), { force: true });
  }

  #end(): void {
    this.#ended = true;
    clearTimeout(this.#looker);
    clearInterval(this.#beater);
    for (const connection of this.#connections.values()) connection.drop();
    this.#connections.clear();
  }

  async #takeOver(): Promise<void> {
    const folder = this.#folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { mode, uid } = statSync(folder);
    if ((mode & 0o077) !== 0 || uid !== process.getuid?.()) {
      throw new JumboError(
        "usage",
        `spool folder ${folder} is open to others (keys lie in it) name a folder of your own, mode 700`,
        { subject: folder },
      );
    }
    const access = readAccessFile(this.#options.accessPath);
    await this.#waitForDeath();
    this.#writeBeat();
    for (const name of this.#names()) rmSync(join(folder, name), REMOVE);
    const { proxy: _proxy, ...copy } = access;
    const pilots = [`spool://${folder}`];
    writeAccessFile(this.accessPath, { ...copy, token: "", http: "", pilots }, 0o400);
  }

  /** Two relays would each take half of the frames. */
  async #waitForDeath(): Promise<void> {
    const before = this.#readBeat();
    if (before === null || (before.host === hostname() && !isAlive(before.pid))) return;
    await new Promise((done) => setTimeout(done, DEAD_MS));
    const after = this.#readBeat();
    if (after === null || (after.name === before.name && after.count === before.count)) return;
    throw new JumboError(
      "conflict",
      `another relay serves ${this.#folder} (process ${after.pid} on ${after.host}) stop it, or name another folder`,
      { subject: this.#folder },
    );
  }

  #readBeat(): Beat | null {
    try {
      return JSON.parse(readFileSync(join(this.#folder, BEAT_NAME), "utf8")) as Beat;
    } catch {
      return null;
    }
  }

  #writeBeat(): void {
    const path = join(this.#folder, BEAT_NAME);
    const beat: Beat = {
      name: this.#name,
      host: hostname(),
      pid: process.pid,
      count: ++this.#count,
    };
    writeFileSync(`${path}.${this.#name}`, JSON.stringify(beat), { mode: 0o600 });
    chmodSync(`${path}.${this.#name}`, 0o600);
    renameSync(`${path}.${this.#name}`, path);
  }

  #beat(): void {
    try {
      const beat = this.#readBeat();
      if (beat !== null && beat.name !== this.#name) {
        this.#end();
        const text = `process ${beat.pid} on ${beat.host} serves ${this.#folder} now (this one was silent for long)`;
        this.onReplaced(new JumboError("conflict", text));
        return;
      }
      this.#writeBeat();
    } catch (error) {
      this.#options.log(`${this.#folder} can't be written: ${messageOf(error)}`);
    }
  }

  #names(): string[] {
    return readdirSync(this.#folder).filter((name) => /^c-[0-9a-f]{16}$/.test(name));
  }

  #look(): void {
    if (this.#ended) return;
    let moved = false;
    try {
      moved = this.#lookOnce();
    } catch (error) {
      this.#options.log(`${this.#folder} can't be read: ${messageOf(error)}`);
    }
    this.#pauseMs = moved ? LOOK_MS_MIN : Math.min(LOOK_MS_MAX, this.#pauseMs * LOOK_GROWTH);
    this.#looker = setTimeout(() => this.#look(), this.#pauseMs);
  }

  #lookOnce(): boolean {
    let moved = false;
    for (const name of this.#names()) {
      if (this.#connections.has(name)) continue;
      moved = true;
      this.#connections.set(name, new RelayedConnection(join(this.#folder, name), this.#options));
    }
    for (const [name, connection] of this.#connections) {
      moved = connection.look() || moved;
      if (connection.isOver && !existsSync(join(this.#folder, name))) {
        this.#connections.delete(name);
      }
    }
    return moved;
  }
}

const REMOVE = { recursive: true, force: true } as const;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
