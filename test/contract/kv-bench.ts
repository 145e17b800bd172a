/** The engines that the contract is held against: each with a way to take its server away. */
import { openEtcd } from '../../src/store/etcd/open.js';
import type { KeyValue } from '../../src/store/kv.js';
import { MemoryServer } from '../../src/store/memory-kv.js';
import { storeAddress } from '../../src/store/registry.js';
import type { Etcd } from '../support/etcd.js';
import type { Teardown } from '../support/netns.js';
import { startRelay } from '../support/relay.js';

export interface KvBench {
  readonly name: string;
  /** A client of its own; all of a bench are clients of one server. */
  open(): Promise<KvClient>;
  /** The server forgets its history. */
  compact(): Promise<void>;
}

export interface KvClient extends KeyValue {
  /** The server is out of reach of this client, and comes back. */
  lose(): Promise<void>;
  find(): Promise<void>;
}

export function memoryBench(): KvBench {
  const server = new MemoryServer();
  return {
    name: 'in memory',
    open: async () => {
      const client = server.client();
      return Object.assign(client, {
        lose: async () => Promise.resolve(client.cut()),
        find: async () => Promise.resolve(client.join()),
      });
    },
    compact: async () => Promise.resolve(server.compact()),
  };
}

/** Losing the server is a broken connection, of this client alone. */
export function etcdBench(t: Teardown, etcd: Etcd): KvBench {
  return {
    name: 'etcd',
    open: async () => {
      const relay = await startRelay(t, etcd.members[0]!.endpoint);
      const client = await openEtcd(
        { address: storeAddress(`etcd://${relay.endpoint}/lab`), access: {} },
        { timing: { callMs: 700, longestPauseMs: 300 } },
      );
      return Object.assign(client, {
        lose: async () => Promise.resolve(relay.cut()),
        find: async () => Promise.resolve(relay.mend()),
      });
    },
    compact: async () => Promise.resolve(etcd.compact()),
  };
}
