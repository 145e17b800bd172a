/**
 * Where the agent's cluster comes from: a file, which must be there and hold the node, or the store
 * of a fleet, for which it waits as long as it takes.
 */
import type { StoreAccess } from '../store/access.js';
import type { StoreAddress } from '../store/address.js';
import type { ClusterStore } from '../store/store.js';

export type ClusterSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'store'; readonly address: StoreAddress; readonly access: StoreAccess };

export interface OpenSource {
  readonly store: ClusterStore;
  close(): void;
}

/** A store that answers now saves a pass by what was known before the start. */
const patienceMs = 2_000;

export async function openSource(
  source: ClusterSource,
  agent: { readonly node: string; readonly release: string },
): Promise<OpenSource> {
  if (source.kind === 'file') {
    const { openFileStore } = await import('../store/file.js');
    const store = await openFileStore(source.path);
    return { store, close: () => store.close() };
  }
  const [{ openKeyValue }, { openFleetStore }] = await Promise.all([
    import('../store/registry.js'),
    import('../store/fleet/open.js'),
  ]);
  const { address, access } = source;
  const kv = await openKeyValue({ address, access });
  const store = openFleetStore(kv, { cluster: address.cluster, ...agent });
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patienceMs);
  });
  await Promise.race([store.read(), patience]);
  clearTimeout(timer);
  return {
    store,
    close: () => {
      store.close();
      kv.close();
    },
  };
}
