/**
 * The engine in memory: one server in this process, and any number of clients of it. It is what the
 * simulation's fleet runs on, and the tests' one, so it tells of everything in the order and with
 * the revisions that etcd does; the suite in test/contract holds both to it.
 *
 * A client can be cut off from its server and joined to it again, and the server can forget its
 * history, as a real one does when it compacts.
 */
import type { StoreAddress } from './address.js';
import type {
  Entry,
  KeyEvent,
  KeyValue,
  Lease,
  Listing,
  PutOptions,
  Watch,
  WatchHandlers,
  WriteCondition,
  WriteResult,
} from './kv.js';
import { KeyValueError } from './kv.js';
import { MemoryTable } from './memory-table.js';

/** The part of a clock that leases need. */
export interface LeaseClock {
  setTimer(callback: () => void, delayMs: number): { cancel(): void };
}

export interface MemoryServerOptions {
  readonly clock?: LeaseClock;
}

export interface MemoryClient extends KeyValue {
  /** Until `join` its calls fail, its watches stand still and its leases run out. */
  cut(): void;
  join(): void;
}

interface Follower {
  readonly prefix: string;
  readonly handlers: WatchHandlers;
  readonly client: Client;
  /** Of what it has been told; undefined before the first snapshot. */
  revision: number | undefined;
  scheduled: boolean;
  broken: boolean;
  closed: boolean;
}

interface MemoryLease {
  readonly ttlMs: number;
  readonly keys: Set<string>;
  readonly end: () => void;
  expiry?: { cancel(): void } | undefined;
}

export class MemoryServer {
  readonly #table = new MemoryTable();
  readonly #clock: LeaseClock;
  readonly #followers = new Map<string, Set<Follower>>();
  readonly #leases = new Map<string, MemoryLease>();
  readonly #leaseOf = new Map<string, string>();
  #leaseCount = 0;

  constructor(options: MemoryServerOptions = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  /** Of the last write. */
  get revision(): number {
    return this.#table.revision;
  }

  client(name = 'memory://server'): MemoryClient {
    return new Client(this, name);
  }

  /** Forgets how it came to be as it is: who has not been told yet gets a snapshot. */
  compact(): void {
    this.#table.compact();
  }

  get(key: string): Entry | undefined {
    return this.#table.get(key);
  }

  list(prefix: string): Listing {
    return this.#table.list(prefix);
  }

  put(key: string, value: string, options: PutOptions): WriteResult {
    const { ifRevision, lease } = options;
    if (lease !== undefined && !this.#leases.has(lease.id)) throw leaseLost(key);
    const before = this.#table.get(key);
    if (ifRevision !== undefined && (before?.modRevision ?? 0) !== ifRevision)
      return { kind: 'conflict', entry: before };
    this.#leases.get(this.#leaseOf.get(key) ?? '')?.keys.delete(key);
    this.#leaseOf.delete(key);
    if (lease !== undefined) {
      this.#leases.get(lease.id)?.keys.add(key);
      this.#leaseOf.set(key, lease.id);
    }
    const revision = this.#table.put(key, value);
    this.#tell([key]);
    return { kind: 'written', revision };
  }

  delete(key: string, condition: WriteCondition): WriteResult {
    const before = this.#table.get(key);
    const { ifRevision } = condition;
    if (ifRevision !== undefined && (before?.modRevision ?? 0) !== ifRevision)
      return { kind: 'conflict', entry: before };
    this.#remove([key]);
    return { kind: 'written', revision: this.#table.revision };
  }

  grant(ttlSeconds: number, end: () => void): string {
    const id = String(++this.#leaseCount);
    this.#leases.set(id, { ttlMs: ttlSeconds * 1000, keys: new Set(), end });
    return id;
  }

  revoke(id: string): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    this.#leases.delete(id);
    lease.expiry?.cancel();
    this.#remove([...lease.keys]);
    lease.end();
  }

  /** Nobody renews it any more, or somebody does again. */
  setRenewed(id: string, renewed: boolean): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.expiry?.cancel();
    lease.expiry = renewed ? undefined : this.#clock.setTimer(() => this.revoke(id), lease.ttlMs);
  }

  follow(follower: Follower): void {
    const { prefix } = follower;
    const others = this.#followers.get(prefix) ?? new Set();
    this.#followers.set(prefix, others.add(follower));
    this.schedule(follower);
  }

  unfollow(follower: Follower): void {
    const others = this.#followers.get(follower.prefix);
    others?.delete(follower);
    if (others?.size === 0) this.#followers.delete(follower.prefix);
  }

  /** Tells it what it does not know yet, once the caller is done. */
  schedule(follower: Follower): void {
    if (follower.scheduled) return;
    follower.scheduled = true;
    queueMicrotask(() => {
      follower.scheduled = false;
      if (!follower.closed && follower.client.isJoined) this.#catchUp(follower);
    });
  }

  #catchUp(follower: Follower): void {
    const { handlers, prefix, revision } = follower;
    const events = revision === undefined ? undefined : this.#table.eventsSince(prefix, revision);
    follower.revision = this.#table.revision;
    if (events === undefined) handlers.onSnapshot(this.#table.list(prefix));
    else if (events.length > 0) handlers.onEvents(events, revisionOf(events.at(-1)!));
    if ((revision === undefined || follower.broken) && !follower.closed) {
      follower.broken = false;
      handlers.onState?.({ kind: 'synced' });
    }
  }

  #remove(keys: readonly string[]): void {
    for (const key of keys) {
      this.#leases.get(this.#leaseOf.get(key) ?? '')?.keys.delete(key);
      this.#leaseOf.delete(key);
    }
    const gone = keys.filter((key) => this.#table.get(key) !== undefined);
    if (gone.length === 0) return;
    this.#table.delete(gone);
    this.#tell(gone);
  }

  #tell(keys: readonly string[]): void {
    for (const [prefix, followers] of this.#followers)
      if (keys.some((key) => key.startsWith(prefix)))
        for (const follower of followers) this.schedule(follower);
  }
}

class Client implements MemoryClient {
  readonly name: string;
  readonly #server: MemoryServer;
  readonly #followers = new Set<Follower>();
  readonly #leases = new Map<string, () => void>();
  #cut = false;
  #closed = false;

  constructor(server: MemoryServer, name: string) {
    this.#server = server;
    this.name = name;
  }

  get isJoined(): boolean {
    return !this.#cut && !this.#closed;
  }

  async get(key: string): Promise<Entry | undefined> {
    return this.#ask(() => this.#server.get(key));
  }

  async list(prefix: string): Promise<Listing> {
    return this.#ask(() => this.#server.list(prefix));
  }

  async put(key: string, value: string, options: PutOptions = {}): Promise<WriteResult> {
    return this.#ask(() => this.#server.put(key, value, options));
  }

  async delete(key: string, condition: WriteCondition = {}): Promise<WriteResult> {
    return this.#ask(() => this.#server.delete(key, condition));
  }

  watch(prefix: string, handlers: WatchHandlers): Watch {
    const follower: Follower = {
      prefix,
      handlers,
      client: this,
      revision: undefined,
      scheduled: false,
      broken: false,
      closed: false,
    };
    this.#followers.add(follower);
    this.#server.follow(follower);
    if (this.#cut) this.#tellBroken(follower);
    return {
      close: () => {
        follower.closed = true;
        this.#followers.delete(follower);
        this.#server.unfollow(follower);
      },
    };
  }

  async lease(ttlSeconds: number): Promise<Lease> {
    return this.#ask(() => {
      let end = (): void => undefined;
      const ended = new Promise<void>((resolve) => (end = resolve));
      const id = this.#server.grant(ttlSeconds, () => {
        this.#leases.delete(id);
        end();
      });
      this.#leases.set(id, end);
      return {
        id,
        ended,
        revoke: async () => {
          if (this.#leases.has(id)) await this.#ask(() => this.#server.revoke(id));
        },
      };
    });
  }

  cut(): void {
    if (this.#cut || this.#closed) return;
    this.#cut = true;
    for (const id of this.#leases.keys()) this.#server.setRenewed(id, false);
    for (const follower of this.#followers) this.#tellBroken(follower);
  }

  join(): void {
    if (!this.#cut || this.#closed) return;
    this.#cut = false;
    for (const id of this.#leases.keys()) this.#server.setRenewed(id, true);
    for (const follower of this.#followers) this.#server.schedule(follower);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const follower of this.#followers) {
      follower.closed = true;
      this.#server.unfollow(follower);
    }
    this.#followers.clear();
    for (const [id, end] of this.#leases) {
      this.#server.setRenewed(id, false);
      end();
    }
  }

  /** The answer comes later, as from any server. */
  async #ask<T>(question: () => T): Promise<T> {
    await Promise.resolve();
    if (this.#closed)
      throw new KeyValueError('unavailable', `${this.name} is closed; open it again`);
    if (this.#cut)
      throw new KeyValueError('unavailable', `${this.name} does not answer; it was cut off`);
    return question();
  }

  #tellBroken(follower: Follower): void {
    if (follower.broken) return;
    follower.broken = true;
    queueMicrotask(() => {
      if (!follower.closed && follower.broken)
        follower.handlers.onState?.({
          kind: 'broken',
          problem: `${this.name} does not answer; it was cut off`,
        });
    });
  }
}

/** Servers by the host of their address: `memory://HOST/CLUSTER`. */
const servers = new Map<string, MemoryServer>();

export function openMemory(address: StoreAddress): MemoryClient {
  const host = address.endpoints[0]!.host;
  const server = servers.get(host) ?? new MemoryServer();
  servers.set(host, server);
  return server.client(`memory://${host}`);
}

const systemClock: LeaseClock = {
  setTimer: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

function revisionOf(event: KeyEvent): number {
  return event.kind === 'put' ? event.entry.modRevision : event.revision;
}

function leaseLost(key: string): KeyValueError {
  return new KeyValueError(
    'lease-lost',
    `cannot write ${key}: the lease that it was to have has ended; take a new one`,
  );
}
