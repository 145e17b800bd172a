/**
 * Keys in their order, with revisions and the history of their changes. A listing is kept until a
 * key of its prefix changes, as thousands of clients ask for the same few.
 */
import type { Entry, KeyEvent, Listing } from './kv.js';

export class MemoryTable {
  readonly #entries = new Map<string, Entry>();
  /** Of all entries, in the order of their bytes. */
  readonly #keys: string[] = [];
  readonly #listings = new Map<string, readonly Entry[]>();
  /** Changes after `#compacted`, oldest first. */
  #history: readonly { readonly revision: number; readonly event: KeyEvent }[] = [];
  #compacted = 1;
  /** An empty etcd is at 1 too. */
  #revision = 1;

  get revision(): number {
    return this.#revision;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  list(prefix: string): Listing {
    let entries = this.#listings.get(prefix);
    if (entries === undefined) {
      const found: Entry[] = [];
      for (let at = this.#placeOf(prefix); this.#keys[at]?.startsWith(prefix) === true; at++)
        found.push(this.#entries.get(this.#keys[at]!)!);
      entries = Object.freeze(found);
      this.#listings.set(prefix, entries);
    }
    return { entries, revision: this.#revision };
  }

  put(key: string, value: string): number {
    const revision = ++this.#revision;
    const before = this.#entries.get(key);
    if (before === undefined) this.#keys.splice(this.#placeOf(key), 0, key);
    const entry = Object.freeze({
      key,
      value,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
    });
    this.#entries.set(key, entry);
    this.#changed(key, Object.freeze({ kind: 'put', entry }));
    return revision;
  }

  /** All of them in one revision, as when a lease ends. */
  delete(keys: readonly string[]): number {
    const revision = ++this.#revision;
    for (const key of keys) {
      this.#entries.delete(key);
      this.#keys.splice(this.#placeOf(key), 1);
      this.#changed(key, Object.freeze({ kind: 'delete', key, revision }));
    }
    return revision;
  }

  /** Undefined: some of them have been forgotten. */
  eventsSince(prefix: string, revision: number): readonly KeyEvent[] | undefined {
    if (revision < this.#compacted) return undefined;
    const history = this.#history;
    let start = history.length;
    while (start > 0 && history[start - 1]!.revision > revision) start--;
    return history
      .slice(start)
      .flatMap(({ event }) =>
        (event.kind === 'put' ? event.entry.key : event.key).startsWith(prefix) ? [event] : [],
      );
  }

  compact(): void {
    this.#history = [];
    this.#compacted = this.#revision;
  }

  #changed(key: string, event: KeyEvent): void {
    for (const prefix of this.#listings.keys())
      if (key.startsWith(prefix)) this.#listings.delete(prefix);
    (this.#history as { revision: number; event: KeyEvent }[]).push({
      revision: this.#revision,
      event,
    });
    if (this.#history.length > maxHistory) {
      const half = this.#history.slice(maxHistory / 2);
      this.#compacted = half[0]!.revision;
      this.#history = half.filter(({ revision }) => revision > this.#compacted);
    }
  }

  #placeOf(key: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(this.#keys[middle]!, key)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Changes that are remembered; who is further behind gets a snapshot. */
const maxHistory = 200_000;

/** By their bytes in UTF-8, where a surrogate pair comes after all that has no need of one. */
function isBefore(a: string, b: string): boolean {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [one, other] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (one === other) continue;
    const [high, higher] = [isSurrogate(one), isSurrogate(other)];
    return high === higher ? one < other : higher;
  }
  return a.length < b.length;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}
