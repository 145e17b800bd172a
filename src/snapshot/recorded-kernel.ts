/**
 * The kernel port over what was written down. What was asked on the node is answered as it was
 * there; other destinations by the tables, as the kernel would, policy rules aside.
 */
import type { Address } from '../../encap/address.js';
import { prefixContains } from '../../encap/prefix.js';
import { mainTable } from '../../routes/ownership.js';
import type { Kernel, KernelState, RouteLookup, RouteObject } from '../../tunnel/kernel.js';
import type { KernelRecord, LookupRecord } from './bundle.js';

export function recordedKernel(record: KernelRecord): Kernel {
  const { state, details, sysctls } = record;
  const lookups = new Map(record.lookups.map((entry) => [keyOf(entry.to, entry.from), entry]));
  return {
    dump: () => Promise.resolve(state),
    details: () => Promise.resolve(details),
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
  const none = { gateway: undefined, preferredSource: undefined, mtu: undefined };
  const own = state.addresses.some(({ address }) => address.address.text === to.text);
  if (own) return { ...none, device: 'lo', kind: 'local', preferredSource: to, matched: undefined };
  const route = bestRoute(state.routes, to);
  if (route === undefined) return undefined;
  const { target, prefix, protocol, table } = route;
  const matched = { prefix, protocol, table };
  switch (target.kind) {
    case 'unicast':
      return {
        device: target.device,
        gateway: target.gateway,
        preferredSource: target.preferredSource,
        mtu: target.mtu,
        kind: 'unicast',
        matched,
      };
    case 'other':
      return { ...none, device: 'lo', kind: 'other', matched };
    default:
      return { ...none, device: 'lo', kind: target.kind, matched: undefined };
  }
}

function bestRoute(routes: readonly RouteObject[], to: Address): RouteObject | undefined {
  let best: RouteObject | undefined;
  for (const route of routes) {
    if (route.table !== mainTable || !prefixContains(route.prefix, to)) continue;
    const longer = route.prefix.length - (best?.prefix.length ?? -1);
    if (longer > 0 || (longer === 0 && route.metric < best!.metric)) best = route;
  }
  return best;
}
