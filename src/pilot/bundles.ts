/**
 * The pilot's bundles: one open for each task it works on, so that the engine may delete a task's
 * bundles when the task is finished although others go on. Rotated by size, closed when other
 * tasks need the place. Who sends a report announces its bundle's `uri` before.
 *
 * `store` returns when the output is durable. An output that can't be read is its payload's fault
 * (JumboError); a bundle that can't be written is given up at once, since after a failed sync
 * nothing that the kernel says about the file can be believed.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { JumboError, messageOf } from "../base/index.ts";
import { type BundleWriter, createBundle, type MemberNote } from "../bundle/index.ts";
import type { RangeWork } from "./work.ts";

const MEMBERS_MAX = 65_000;
const BYTES_MAX = 2 ** 30;
const OPEN_MAX = 8;

interface OpenBundle {
  readonly number: number;
  readonly writer: BundleWriter;
  /** Stores under way; only an idle bundle is closed. */
  using: number;
  retired: boolean;
}

export interface BundleOptions {
  readonly folder: string;
  /** Unique for the pilot's id and generation. */
  readonly prefix: string;
  readonly node: string;
  readonly log: (line: string) => void;
}

export class Bundles {
  readonly #options: BundleOptions;
  readonly #open = new Map<number, Promise<OpenBundle>>();
  readonly #uris = new Map<number, string>();
  readonly #closing = new Set<Promise<void>>();
  #last = 0;

  constructor(options: BundleOptions) {
    this.#options = options;
  }

  get created(): number {
    return this.#last;
  }

  /** URI of a bundle that this pilot made. */
  uri(number: number): string | undefined {
    return this.#uris.get(number);
  }

  /** Makes the output durable; the number of its bundle. Throws if it could not be written. */
  async store(work: RangeWork, note: MemberNote, path: string): Promise<number> {
    const task = work.span.task;
    for (let tries = 0; ; tries++) {
      const bundle = await this.#bundleOf(task);
      bundle.using++;
      try {
        const fence = { task, range: work.range, lease: work.span.lease };
        await bundle.writer.append(fence, note, work.task.outputName, path);
        await bundle.writer.sync();
        // Somebody may have tidied the folder: a file without a name keeps nothing.
        await stat(bundle.writer.path);
        return bundle.number;
      } catch (error) {
        if (error instanceof JumboError) throw error;
        const gone = (error as NodeJS.ErrnoException).code === "ENOENT" && tries === 0;
        this.#retire(task, bundle);
        if (!gone) throw error;
        this.#options.log(`bundle ${bundle.writer.path} was deleted while in use: a new one`);
      } finally {
        bundle.using--;
        this.#tidy(task, bundle);
      }
    }
  }

  #bundleOf(task: number): Promise<OpenBundle> {
    let bundle = this.#open.get(task);
    if (bundle === undefined) {
      bundle = this.#create();
      bundle.catch(() => this.#open.delete(task));
    }
    // The least recently used task stands first.
    this.#open.delete(task);
    this.#open.set(task, bundle);
    return bundle;
  }

  async #create(): Promise<OpenBundle> {
    const number = ++this.#last;
    const path = join(this.#options.folder, `${this.#options.prefix}.b${number}.zip`);
    const writer = await createBundle(path, { node: this.#options.node });
    this.#uris.set(number, writer.uri);
    return { number, writer, using: 0, retired: false };
  }

  /** Takes no more outputs; closed as soon as nobody writes to it. */
  #retire(task: number, bundle: OpenBundle): void {
    if (bundle.retired) return;
    bundle.retired = true;
    this.#open.delete(task);
  }

  #tidy(task: number, bundle: OpenBundle): void {
    const { members, bytes } = bundle.writer;
    if (members >= MEMBERS_MAX || bytes >= BYTES_MAX) this.#retire(task, bundle);
    if (bundle.retired) this.#closeIfIdle(bundle);
    else if (this.#open.size > OPEN_MAX) {
      const [[oldest, promise]] = this.#open as unknown as [[number, Promise<OpenBundle>]];
      void promise.then((old) => {
        this.#retire(oldest, old);
        this.#closeIfIdle(old);
      });
    }
  }

  #closeIfIdle(bundle: OpenBundle): void {
    if (bundle.using > 0) return;
    const closing = bundle.writer.close().catch((error) => {
      this.#options.log(`bundle ${bundle.writer.path} has no directory: ${messageOf(error)}`);
    });
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }

  /** Closes the bundles of tasks that are not in `tasks`: nothing more will come for them. */
  async keepOnly(tasks: ReadonlySet<number>): Promise<void> {
    for (const [task, promise] of [...this.#open]) {
      if (tasks.has(task)) continue;
      const bundle = await promise.catch(() => null);
      if (bundle === null || bundle.using > 0) continue;
      this.#retire(task, bundle);
      this.#closeIfIdle(bundle);
    }
  }

  /** Writes the central directories. Nothing may be stored afterwards. */
  async closeAll(): Promise<void> {
    for (const [task, promise] of [...this.#open]) {
      const bundle = await promise.catch(() => null);
      if (bundle === null) continue;
      this.#retire(task, bundle);
      this.#closeIfIdle(bundle);
    }
    await Promise.all(this.#closing);
  }
}
