/** The engines that a fleet's store can have, one line each; an engine is loaded when it is used. */
import type { StoreAddress } from './address.js';
import { parseStoreAddress } from './address.js';
import type { EngineRequest } from './engine.js';
import type { KeyValue } from './kv.js';

export type { EngineRequest } from './engine.js';

interface Engine {
  readonly defaultPort: number;
  open(request: EngineRequest): Promise<KeyValue>;
}

const engines: Readonly<Record<string, Engine>> = {
  etcd: {
    defaultPort: 2379,
    open: async (request) => (await import('./etcd/open.js')).openEtcd(request),
  },
  memory: {
    defaultPort: 1,
    open: async ({ address }) => (await import('./memory-kv.js')).openMemory(address),
  },
};

/** Throws a `StoreAddressError`. */
export function storeAddress(text: string): StoreAddress {
  return parseStoreAddress(text, {
    defaultPorts: Object.fromEntries(
      Object.entries(engines).map(([name, engine]) => [name, engine.defaultPort]),
    ),
  });
}

/**
 * Resolves once what was given has been read and is of use; nobody has been asked anything yet.
 * Throws a `StoreAccessError` or a `KeyValueError`.
 */
export async function openKeyValue(request: EngineRequest): Promise<KeyValue> {
  return engines[request.address.engine]!.open(request);
}
