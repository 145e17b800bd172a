/**
 * Accounts of a store: who may read and write what. An engine may have them or not; where it has,
 * each node gets one that can write its own three keys and read its cluster, so that one stolen
 * machine does not own the fleet.
 */
import { fleetKeys } from './fleet/keys.js';

export interface Permission {
  /** One key, or all keys that begin with it. */
  readonly scope: 'key' | 'prefix';
  readonly key: string;
  readonly access: 'read' | 'read-write';
}

export interface Account {
  readonly name: string;
  readonly password: string;
  /** These and no others. */
  readonly permissions: readonly Permission[];
}

/** Every call fails with a `KeyValueError` and nothing else. */
export interface AccountStore {
  /** Does the store ask who somebody is? Without that accounts protect nothing. */
  enabled(): Promise<boolean>;
  /** Fails with `denied` for who may not make accounts either. */
  has(name: string): Promise<boolean>;
  /** Makes it, or brings the one of this name to what is given. */
  put(account: Account): Promise<void>;
  /** False: there was none. */
  remove(name: string): Promise<boolean>;
  close(): void;
}

/** The slash is in no name, so that no two nodes of any clusters share one. */
export function accountName(cluster: string, node: string): string {
  return `selvage-${cluster}/${node}`;
}

/** What a node's agent needs, and nothing that is another's. */
export function nodePermissions(cluster: string, node: string): readonly Permission[] {
  const keys = fleetKeys(cluster);
  const own = [keys.record(node), keys.alive(node), keys.status(node)];
  return [
    { scope: 'prefix', key: keys.all, access: 'read' },
    ...own.map((key): Permission => ({ scope: 'key', key, access: 'read-write' })),
  ];
}
