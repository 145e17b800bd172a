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

export class Folder {
  readonly #prefix: string;
  readonly #handlers: FolderHandlers;
  readonly #entries = new Map<string, Entry>();
  readonly #watch: Watch;

  constructor(
    kv: KeyValue,
    options: { readonly prefix: string; readonly handlers: FolderHandlers },
  ) {
    this.#prefix = options.prefix;
    this.#handlers = options.handlers;
    this.#watch = kv.watch(options.prefix, {
      onSnapshot: ({ entries, revision }) => {
        const present = new Set(entries.map(({ key }) => key));
        for (const key of [...this.#entries.keys()])
          if (!present.has(key)) this.#delete(key, revision);
        for (const entry of entries) this.#put(entry);
        this.#handlers.told(revision);
      },
      onEvents: (events: readonly KeyEvent[], revision) => {
        for (const event of events)
          if (event.kind === 'put') this.#put(event.entry);
          else this.#delete(event.key, event.revision);
        this.#handlers.told(revision);
      },
      onState: (state) => this.#handlers.onState(state),
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(this.#prefix + id);
  }

  close(): void {
    this.#watch.close();
  }

  #put(entry: Entry): void {
    const before = this.#entries.get(entry.key);
    // Told again, or restored from a copy with other content under the old numbers.
    if (
      before?.modRevision === entry.modRevision &&
      before.createRevision === entry.createRevision &&
      before.value === entry.value
    )
      return;
    this.#entries.set(entry.key, entry);
    this.#handlers.put(entry.key.slice(this.#prefix.length), entry);
  }

  #delete(key: string, revision: number): void {
    if (this.#entries.delete(key)) this.#handlers.delete(key.slice(this.#prefix.length), revision);
  }
}
