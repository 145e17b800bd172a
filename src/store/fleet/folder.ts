/**
 * One folder of the store as this reader knows it: what has been told of it, as changes. A listing
 * of the whole, which comes whenever changes may have been missed, becomes those that were missed.
 */
import type { Entry, KeyEvent, KeyValue, Watch, WatchState } from '../kv.js';

export interface FolderHandlers {
  put(id: string, entry: Entry): void;
  /** Undefined `entry`: it is gone. */
  delete(id: string, revision: number): void;
  /** After the changes of one message; at the first one everything is known. */
  told(revision: number): void;
  onState(state: WatchState): void;
}

export interface FolderOptions {
  readonly prefix: string;
  readonly handlers: FolderHandlers;
  /** Of this one the entry is kept. */
  readonly kept?: string;
}

/** Of ten thousand keys little is kept: whoever needs a value has been given it. */
interface Told {
  readonly createRevision: number;
  readonly modRevision: number;
  /** Of the value. */
  readonly digest: number;
}

export class Folder {
  readonly #prefix: string;
  readonly #handlers: FolderHandlers;
  readonly #told = new Map<string, Told>();
  readonly #keptId: string | undefined;
  #kept: Entry | undefined;
  #revision = 0;
  readonly #watch: Watch;

  constructor(kv: KeyValue, options: FolderOptions) {
    const { prefix, handlers, kept } = options;
    this.#prefix = prefix;
    this.#handlers = handlers;
    this.#keptId = kept;
    this.#watch = kv.watch(prefix, {
      onSnapshot: ({ entries, revision }) => {
        // Restored from a copy: it is another store, and no revision of before means anything.
        if (revision < this.#revision)
          for (const id of [...this.#told.keys()]) this.#delete(id, this.#revision);
        this.#revision = revision;
        if (this.#told.size > 0) {
          const present = new Set(entries.map(({ key }) => this.#idOf(key)));
          for (const id of [...this.#told.keys()]) if (!present.has(id)) this.#delete(id, revision);
        }
        for (const entry of entries) this.#put(entry);
        this.#handlers.told(revision);
      },
      onEvents: (events: readonly KeyEvent[], revision) => {
        for (const event of events)
          if (event.kind === 'put') this.#put(event.entry);
          else this.#delete(this.#idOf(event.key), event.revision);
        this.#revision = revision;
        this.#handlers.told(revision);
      },
      onState: (state) => this.#handlers.onState(state),
    });
  }

  has(id: string): boolean {
    return this.#told.has(id);
  }

  /** What is there under the id that was asked for at the beginning. */
  get kept(): Entry | undefined {
    return this.#kept;
  }

  close(): void {
    this.#watch.close();
  }

  /** A text of its own, which does not hold on to the key that it is the end of. */
  #idOf(key: string): string {
    return Buffer.from(key.slice(this.#prefix.length)).toString();
  }

  #put(entry: Entry): void {
    const { createRevision, modRevision, value } = entry;
    const id = this.#idOf(entry.key);
    const before = this.#told.get(id);
    const digest = digestOf(value);
    // Told again, or restored from a copy with other content under the old numbers.
    if (
      before?.modRevision === modRevision &&
      before.createRevision === createRevision &&
      before.digest === digest
    )
      return;
    if (id === this.#keptId) this.#kept = entry;
    this.#told.set(id, { createRevision, modRevision, digest });
    this.#handlers.put(id, entry);
  }

  #delete(id: string, revision: number): void {
    if (id === this.#keptId) this.#kept = undefined;
    if (this.#told.delete(id)) this.#handlers.delete(id, revision);
  }
}

/** FNV-1a, of what a value cannot choose alone: its numbers are compared as well. */
function digestOf(text: string): number {
  let digest = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) digest = Math.imul(digest ^ text.charCodeAt(i), 0x01000193);
  // Of 31 bits it needs no object of its own.
  return digest >>> 1;
}
