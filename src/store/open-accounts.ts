/** The accounts of a store, for any engine that has them; one line each, and loaded when it is used. */
import type { AccountStore } from './accounts.js';
import type { EngineRequest } from './registry.js';

/** Undefined where the engine has no accounts. */
export async function openAccounts(request: EngineRequest): Promise<AccountStore | undefined> {
  switch (request.address.engine) {
    case 'etcd':
      return (await import('./etcd/accounts.js')).openEtcdAccounts(request);
    default:
      return undefined;
  }
}
