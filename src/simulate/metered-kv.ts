/**
 * What one node's watch is sent, counted, and held back until that node has time for it: in one
 * process the nodes would otherwise work at the same moment, and each one's time be counted as the
 * others'.
 */
import type { FleetKeys } from '../store/fleet/keys.js';
import type { KeyEvent, KeyValue, WatchHandlers } from '../store/kv.js';

export interface Traffic {
  /** Changes of keys that the watches told of. */
  readonly events: number;
  /** Of these, those below `status/`, which no agent is to be told of. */
  readonly statusEvents: number;
  /** Keys and values of the changes. */
  readonly bytes: number;
  /** Whole listings: at the start, and after a gap. */
  readonly listings: number;
  readonly listedBytes: number;
}

export interface MeteredKeyValue {
  readonly kv: KeyValue;
  readonly traffic: Traffic;
  /** When the oldest message that is held back came; undefined when there is none. */
  readonly waitingSinceMs: number | undefined;
  /** Hands over what is held back, and tells how many of it were about the configuration. */
  deliver(): { readonly configs: number };
}

export interface MeterOptions {
  readonly keys: FleetKeys;
  readonly nowMs: () => number;
}

interface Message {
  readonly atMs: number;
  readonly prefix: string;
  readonly hand: () => void;
}

export function meteredKv(kv: KeyValue, { keys, nowMs }: MeterOptions): MeteredKeyValue {
  const traffic = { events: 0, statusEvents: 0, bytes: 0, listings: 0, listedBytes: 0 };
  let inbox: Message[] = [];

  function count(events: readonly KeyEvent[]): void {
    for (const event of events) {
      const key = event.kind === 'put' ? event.entry.key : event.key;
      traffic.events++;
      traffic.bytes += key.length + (event.kind === 'put' ? event.entry.value.length : 0);
      if (key.startsWith(keys.statuses)) traffic.statusEvents++;
    }
  }

  const watch: KeyValue['watch'] = (prefix, handlers) => {
    let closed = false;
    const hold = (tell: () => void): void => {
      const hand = (): void => {
        if (!closed) tell();
      };
      inbox.push({ atMs: nowMs(), prefix, hand });
    };
    const held: WatchHandlers = {
      onSnapshot: (listing) => {
        traffic.listings++;
        for (const { key, value } of listing.entries)
          traffic.listedBytes += key.length + value.length;
        hold(() => handlers.onSnapshot(listing));
      },
      onEvents: (events, revision) => {
        count(events);
        hold(() => handlers.onEvents(events, revision));
      },
      onState: (state) => hold(() => handlers.onState?.(state)),
    };
    const inner = kv.watch(prefix, held);
    return {
      close: () => {
        closed = true;
        inner.close();
      },
    };
  };

  return {
    kv: {
      name: kv.name,
      get: (key) => kv.get(key),
      list: (prefix) => kv.list(prefix),
      put: (key, value, options) => kv.put(key, value, options),
      delete: (key, condition) => kv.delete(key, condition),
      watch,
      lease: (ttlSeconds) => kv.lease(ttlSeconds),
      close: () => kv.close(),
    },
    traffic,
    get waitingSinceMs() {
      return inbox[0]?.atMs;
    },
    deliver() {
      const messages = inbox;
      inbox = [];
      for (const { hand } of messages) hand();
      return { configs: messages.filter(({ prefix }) => prefix === keys.configs).length };
    },
  };
}
