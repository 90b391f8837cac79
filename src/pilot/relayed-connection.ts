/**
 * One pilot's folder, as the relay serves it: numbered files up become bytes on a socket to the
 * engine, bytes from there become numbered files down. A file is a u32 big-endian length and so
 * many bytes; it gets its name by a rename when it is whole, and is removed by its reader.
 */
import { existsSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { JumboError, messageOf, parsePilotAddress, readAccessFile } from "../base/index.ts";
import { dial } from "./dial.ts";

const PREFIX_BYTES = 4;
/** Files that may wait for the pilot; the engine's socket is not read meanwhile. */
const FILES_UNREAD_MAX = 64;
/** Bytes that may wait for the engine; nothing more is taken from the folder meanwhile. */
const SOCKET_BYTES_MAX = 8 * 1024 * 1024;
/** A pilot that has not cleared an ended connection up by then is dead. */
const LINGER_MS = 30_000;

export class RelayedConnection {
  readonly #folder: string;
  readonly #log: (line: string) => void;
  #socket: Socket | null = null;
  #waiting: Buffer[] = [];
  #readNumber = 1;
  #writeNumber = 1;
  /** Why the engine's side has ended; null while it has not. */
  #endedWhy: string | null = null;
  #endedMs = 0;
  #isTold = false;
  #isDropped = false;

  constructor(folder: string, options: { accessPath: string; log: (line: string) => void }) {
    this.#folder = folder;
    this.#log = options.log;
    void this.#dial(options.accessPath);
  }

  get isOver(): boolean {
    return this.#isDropped;
  }

  /** Carries what there is; true if anything moved. */
  look(): boolean {
    if (this.#isDropped) return false;
    if (!existsSync(this.#folder)) {
      this.drop();
      return true;
    }
    try {
      return this.#carry();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#log(messageOf(error));
      this.drop();
      rmSync(this.#folder, { recursive: true, force: true });
      return true;
    }
  }

  /** Ends the engine's side without a word to the pilot. */
  drop(): void {
    this.#isDropped = true;
    this.#socket?.destroy();
  }

  #carry(): boolean {
    const down = this.#carryDown();
    const up = this.#carryUp();
    if (this.#endedWhy === null || this.#waiting.length > 0) return down || up;
    if (!this.#isTold) {
      this.#put("down-end", Buffer.from(this.#endedWhy));
      this.#isTold = true;
      this.#endedMs = performance.now();
    } else if (performance.now() - this.#endedMs > LINGER_MS || this.#pilotHasEnded()) {
      this.drop();
      rmSync(this.#folder, { recursive: true, force: true });
    }
    return down || up;
  }

  #carryUp(): boolean {
    const socket = this.#socket;
    if (socket === null || this.#endedWhy !== null) return false;
    let moved = false;
    while (socket.writableLength < SOCKET_BYTES_MAX) {
      // Looked at before the file: what the pilot wrote before it ended is there then.
      const ended = this.#pilotHasEnded();
      const bytes = this.#take();
      if (bytes === null) {
        if (ended) socket.end();
        return moved || ended;
      }
      socket.write(bytes);
      moved = true;
    }
    return moved;
  }

  #pilotHasEnded(): boolean {
    return existsSync(join(this.#folder, "up-end"));
  }

  #take(): Buffer | null {
    const path = join(this.#folder, `up-${numbered(this.#readNumber)}`);
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
    // Some file systems show a file before all of it.
    if (bytes.length < PREFIX_BYTES || bytes.readUInt32BE(0) !== bytes.length - PREFIX_BYTES) {
      return null;
    }
    unlinkSync(path);
    this.#readNumber++;
    return bytes.subarray(PREFIX_BYTES);
  }

  #carryDown(): boolean {
    const waits = this.#waiting.length > 0;
    const oldest = join(this.#folder, `down-${numbered(this.#writeNumber - FILES_UNREAD_MAX)}`);
    if (this.#writeNumber > FILES_UNREAD_MAX && existsSync(oldest)) {
      if (waits) this.#socket?.pause();
      return false;
    }
    if (!waits) return false;
    this.#put(`down-${numbered(this.#writeNumber)}`, Buffer.concat(this.#waiting));
    this.#writeNumber++;
    this.#waiting = [];
    this.#socket?.resume();
    return true;
  }

  #put(name: string, bytes: Uint8Array): void {
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(bytes.length);
    const partial = join(this.#folder, ".down");
    writeFileSync(partial, Buffer.concat([prefix, bytes]), { mode: 0o600 });
    renameSync(partial, join(this.#folder, name));
  }

  async #dial(accessPath: string): Promise<void> {
    let problem = "";
    try {
      const access = readAccessFile(accessPath);
      if (access.pilots.length === 0) problem = "its access file has no address for pilots";
      for (const text of access.pilots) {
        try {
          this.#opened(await dial(parsePilotAddress(text), access));
          return;
        } catch (error) {
          problem = `${text}: ${messageOf(error)}`;
        }
      }
    } catch (error) {
      problem = messageOf(error);
    }
    this.#endedWhy = `the relay can't reach the engine (${problem})`;
  }

  #opened(socket: Socket): void {
    this.#socket = socket;
    if (this.#isDropped) {
      socket.destroy();
      return;
    }
    let why = "the engine closed the connection";
    socket.on("data", (chunk: Buffer) => this.#waiting.push(chunk));
    socket.on("error", (error) => {
      why = messageOf(error);
    });
    socket.on("close", () => {
      this.#endedWhy ??= why;
    });
    try {
      this.#put("open", Buffer.alloc(0));
    } catch (error) {
      const gone = new JumboError("conflict", `the pilot is gone (${messageOf(error)})`);
      socket.destroy(gone);
    }
  }
}

const numbered = (number: number) => String(number).padStart(8, "0");
