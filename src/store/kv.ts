/**
 * What a fleet's store is built on: keys with values and revisions, watched by prefix. Small enough
 * that any engine with compare-and-swap on one key, a watch and leases can carry it; whatever needs
 * more than one key is arranged so that it needs no transaction (see fleet/keys.ts).
 *
 * Every call fails with a `KeyValueError` and nothing else.
 */

export interface Entry {
  readonly key: string;
  readonly value: string;
  /** Of the write that made the key; of two that claim the same thing the lower one wins. */
  readonly createRevision: number;
  /** Of the last write; what compare-and-swap compares. */
  readonly modRevision: number;
}

export type KeyValueFailure =
  /** Nobody answers, or not in time; the same call may succeed later. */
  | 'unavailable'
  /** The credentials are wrong, or may not do this. */
  | 'denied'
  /** It answers, and what it says cannot be used: another protocol, another version. */
  | 'unusable'
  /** The lease has ended. */
  | 'lease-lost';

export class KeyValueError extends Error {
  readonly failure: KeyValueFailure;
  constructor(failure: KeyValueFailure, message: string) {
    super(message);
    this.name = 'KeyValueError';
    this.failure = failure;
  }
}

/** Outcome of a conditional write; `conflict` when the key is not as the condition says. */
export type WriteResult =
  | { readonly kind: 'written'; readonly revision: number }
  | { readonly kind: 'conflict'; readonly entry: Entry | undefined };

export interface WriteCondition {
  /** `modRevision` that the key must have; 0: there must be no such key. */
  readonly ifRevision?: number;
}

export interface PutOptions extends WriteCondition {
  /** The key goes when the lease ends. */
  readonly lease?: Lease;
}

/** Keeps itself alive until it is revoked, its process ends, or the store is out for its whole time. */
export interface Lease {
  readonly id: string;
  /** Resolves once it has ended, whatever the reason. */
  readonly ended: Promise<void>;
  /** Ends it at once, with all of its keys. */
  revoke(): Promise<void>;
}

export interface Listing {
  readonly entries: readonly Entry[];
  /** All of the entries are of this moment; a watch from the next revision on misses nothing. */
  readonly revision: number;
}

export type KeyEvent =
  | { readonly kind: 'put'; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly key: string; readonly revision: number };

export interface WatchHandlers {
  /**
   * The whole of the prefix, at the beginning and whenever changes may have been missed: compaction,
   * an outage longer than the history. What it lacks is gone.
   */
  onSnapshot(listing: Listing): void;
  /** Changes since, in their order, those of one revision together. */
  onEvents(events: readonly KeyEvent[], revision: number): void;
  /** Told when what is known may be out of date, and when it is up to date again. */
  onState?(state: WatchState): void;
}

export type WatchState =
  { readonly kind: 'synced' } | { readonly kind: 'broken'; readonly problem: string };

export interface Watch {
  close(): void;
}

export interface KeyValue {
  /** For people: `etcd://10.0.0.1:2379,10.0.0.2:2379`. Never with a secret. */
  readonly name: string;
  get(key: string): Promise<Entry | undefined>;
  /** All keys with this prefix, in the order of their bytes. */
  list(prefix: string): Promise<Listing>;
  /**
   * With a condition it is carried out once. Without one it may be carried out again, and later than
   * the answer: a server that hung goes on with what it had taken.
   */
  put(key: string, value: string, options?: PutOptions): Promise<WriteResult>;
  delete(key: string, condition?: WriteCondition): Promise<WriteResult>;
  /** Follows a prefix until it is closed, through every outage. */
  watch(prefix: string, handlers: WatchHandlers): Watch;
  lease(ttlSeconds: number): Promise<Lease>;
  close(): void;
}
