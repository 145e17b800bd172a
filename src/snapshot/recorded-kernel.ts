/**
 * The kernel port over what was written down. What was asked on the node is answered as it was
 * there; other destinations by the tables, as the kernel would, policy rules aside.
 */
import type { Address } from '../../encap/address.js';
import { mainTable } from '../../routes/ownership.js';
import { bestRoute, localLookup, lookupBy } from '../../tunnel/best-route.js';
import type { Kernel, KernelState, RouteLookup } from '../../tunnel/kernel.js';
import type { KernelRecord, LookupRecord } from './bundle.js';

export function recordedKernel(record: KernelRecord): Kernel {
  const { state, details, sysctls } = record;
  const lookups = new Map(record.lookups.map((entry) => [keyOf(entry.to, entry.from), entry]));
  return {
    dump: () => Promise.resolve(state),
    details: () => Promise.resolve(details),
    read: () => Promise.resolve({ state, details }),
    readSysctl: (path) => sysctls[path],
    lookup: (to, { from } = {}) => {
      const known = lookups.get(keyOf(to.text, from?.text ?? null));
      return Promise.resolve(
        known === undefined ? byTables(state, to) : (known.found ?? undefined),
      );
    },
    probeKinds: () => Promise.resolve(new Set(record.kinds)),
    apply: () => Promise.reject(new Error('a snapshot cannot be written to')),
    watch: () => ({ close: () => undefined }),
    close: () => undefined,
  };
}

function keyOf(to: string, from: LookupRecord['from']): string {
  return `${to} from ${from ?? 'any'}`;
}

function byTables(state: KernelState, to: Address): RouteLookup | undefined {
  const own = state.addresses.some(({ address }) => address.address.text === to.text);
  if (own) return localLookup(to);
  const route = bestRoute(state.routes, { address: to, table: mainTable });
  return route && lookupBy(route);
}
