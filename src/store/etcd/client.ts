/**
 * etcd as a `KeyValue`, by its own protocol over `@grpc/grpc-js`.
 *
 * It was chosen by faults, among three ways to talk to etcd 3.4 (2 cores, two runs; in seconds):
 *
 *                                              grpc-js, here   etcd3 1.1.2    JSON gateway
 *     kill -9, start again: a write works      1.1 – 1.3       5.0            0.7 – 1.0
 *     … and a watch tells of it                1.2 – 1.3       5.6 – 10.5     0.8 – 1.1
 *     a member hangs: a write works            2.0 – 4.0       never ¹        2.0
 *     … and a watch there goes on elsewhere    2 – 4 ²         often never ¹  never ³
 *     a user named by a client certificate     yes             not tried      no ⁴
 *     loaded: time, resident memory            0.1, 12 MB      0.5 – 0.9, 28  nothing
 *
 * ¹ within 25 s; its calls have no deadline. ² 11 to 13 by pings alone, when no call is under way.
 * ³ HTTP has no pings for it, and `fetch` no way to send any. ⁴ the gateway calls with its own
 * certificate, and etcd says that it ignores the client's. About 0.7 s of each restart are etcd's own.
 *
 * Messages are coded by hand (wire.ts): with schemas compiled at the start it took 0.14 s and 6 MB
 * more. etcd from 3.4 on is supported; older ones do not answer a watch that asks for a sign of life.
 */
import type {
  Entry,
  KeyValue,
  Lease,
  Listing,
  PutOptions,
  Watch,
  WatchHandlers,
  WriteCondition,
  WriteResult,
} from '../kv.js';
import type { EtcdLease } from './lease.js';
import { takeLease } from './lease.js';
import { listPrefix } from './listing.js';
import type { TxnRequest } from './messages.js';
import { methods } from './methods.js';
import type { SessionOptions } from './session.js';
import { Session, TooLarge } from './session.js';
import { usualRequestBytes } from './timing.js';
import { PrefixWatch } from './watch.js';

export class EtcdClient implements KeyValue {
  readonly name: string;
  readonly #session: Session;
  readonly #watches = new Set<PrefixWatch>();
  readonly #leases = new Set<EtcdLease>();

  constructor(options: SessionOptions) {
    this.name = options.name;
    this.#session = new Session(options);
  }

  async get(key: string): Promise<Entry | undefined> {
    const answer = await this.#session.call(
      (member, options) => member.unary(methods.range, { key: Buffer.from(key) }, options),
      { action: `read ${key}` },
    );
    return answer.entries[0];
  }

  list(prefix: string): Promise<Listing> {
    return listPrefix(this.#session, prefix);
  }

  put(key: string, value: string, options: PutOptions = {}): Promise<WriteResult> {
    const leaseId = BigInt(options.lease?.id ?? 0);
    const action = `write ${key}`;
    return this.#write(
      { key, ifRevision: options.ifRevision, write: { kind: 'put', value, leaseId } },
      { action, isOurs: (entry) => entry?.value === value },
    ).catch((error: unknown) => {
      if (!(error instanceof TooLarge)) throw error;
      const bytes = Buffer.byteLength(value);
      throw this.#session.error(
        'unusable',
        action,
        `the value has ${bytes} bytes, and etcd takes ${usualRequestBytes} unless it is told otherwise; shorten it (nodes that register themselves need not be listed), or start all members with a larger --max-request-bytes`,
      );
    });
  }

  delete(key: string, condition: WriteCondition = {}): Promise<WriteResult> {
    return this.#write(
      { key, ifRevision: condition.ifRevision, write: { kind: 'delete' } },
      { action: `delete ${key}`, isOurs: (entry) => entry === undefined },
    );
  }

  /**
   * An attempt whose answer was lost may have been carried out. The next one then finds a conflict,
   * with itself: what is there is just what was to be written.
   */
  async #write(
    request: TxnRequest,
    options: { readonly action: string; readonly isOurs: (entry: Entry | undefined) => boolean },
  ): Promise<WriteResult> {
    let inDoubt = false;
    const answer = await this.#session.call(
      (member, attempt) => member.unary(methods.txn, request, attempt),
      { action: options.action, onDoubt: () => (inDoubt = true) },
    );
    const { succeeded, entry, revision } = answer;
    if (succeeded) return { kind: 'written', revision };
    if (inDoubt && options.isOurs(entry))
      return { kind: 'written', revision: entry?.modRevision ?? revision };
    return { kind: 'conflict', entry };
  }

  watch(prefix: string, handlers: WatchHandlers): Watch {
    const watch = new PrefixWatch(this.#session, { prefix, handlers });
    this.#watches.add(watch);
    return {
      close: () => {
        this.#watches.delete(watch);
        watch.close();
      },
    };
  }

  async lease(ttlSeconds: number): Promise<Lease> {
    const lease = await takeLease(this.#session, ttlSeconds);
    this.#leases.add(lease);
    void lease.ended.then(() => this.#leases.delete(lease));
    return lease;
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
    for (const lease of this.#leases) lease.abandon();
    this.#watches.clear();
    this.#session.close();
  }
}
