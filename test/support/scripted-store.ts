/**
 * A fleet's store whose watches tell what the test wants, when it wants: a history of writes is told
 * folder by folder in pieces, twice, in another order of keys, or as listings of the whole.
 */
import type { Entry, KeyEvent, KeyValue, Listing, WatchHandlers } from '../../src/store/kv.js';
import { KeyValueError } from '../../src/store/kv.js';

/** `value` undefined: the key is deleted. */
export interface Write {
  readonly key: string;
  readonly value: string | undefined;
}

export interface History {
  readonly events: readonly KeyEvent[];
  /** After all of them. */
  readonly end: ReadonlyMap<string, Entry>;
}

export function historyOf(writes: readonly Write[]): History {
  const end = new Map<string, Entry>();
  const events: KeyEvent[] = [];
  for (const [i, { key, value }] of writes.entries()) {
    const revision = i + 2;
    const before = end.get(key);
    if (value === undefined) {
      if (before === undefined) continue;
      end.delete(key);
      events.push({ kind: 'delete', key, revision });
    } else {
      const createRevision = before?.createRevision ?? revision;
      const entry = { key, value, createRevision, modRevision: revision };
      end.set(key, entry);
      events.push({ kind: 'put', entry });
    }
  }
  return { events, end };
}

export function keyOf(event: KeyEvent): string {
  return event.kind === 'put' ? event.entry.key : event.key;
}

export class ScriptedStore implements KeyValue {
  readonly name = 'etcd://x:2379';
  readonly #watches = new Map<string, WatchHandlers>();

  get prefixes(): readonly string[] {
    return [...this.#watches.keys()];
  }

  watch(prefix: string, handlers: WatchHandlers): { close(): void } {
    this.#watches.set(prefix, handlers);
    return { close: () => void this.#watches.delete(prefix) };
  }

  tell(prefix: string, events: readonly KeyEvent[]): void {
    this.#watches.get(prefix)?.onEvents(events, revisionOf(events.at(-1)!));
  }

  relist(prefix: string, state: ReadonlyMap<string, Entry>): void {
    const entries = [...state.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    const revision = Math.max(1, ...[...state.values()].map((entry) => entry.modRevision));
    this.#watches.get(prefix)?.onSnapshot({ entries, revision });
    this.#watches.get(prefix)?.onState?.({ kind: 'synced' });
  }

  get = (): Promise<Entry | undefined> => Promise.reject(unused());
  list = (): Promise<Listing> => Promise.reject(unused());
  put = (): Promise<never> => Promise.reject(unused());
  delete = (): Promise<never> => Promise.reject(unused());
  lease = (): Promise<never> => Promise.reject(unused());
  close(): void {
    this.#watches.clear();
  }
}

function unused(): KeyValueError {
  return new KeyValueError('unavailable', 'nobody answers here');
}

function revisionOf(event: KeyEvent): number {
  return event.kind === 'put' ? event.entry.modRevision : event.revision;
}
