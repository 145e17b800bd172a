/** What a table of routes answers, where the kernel itself cannot be asked: in memory, in a record. */
import type { Address } from '../encap/address.js';
import { prefixContains } from '../encap/prefix.js';
import type { RouteLookup, RouteObject } from './kernel.js';

/** Longest prefix, then smallest metric, as the kernel picks inside one table. */
export function bestRoute(
  routes: Iterable<RouteObject>,
  to: { readonly address: Address; readonly table: number },
): RouteObject | undefined {
  let best: RouteObject | undefined;
  for (const route of routes) {
    if (route.table !== to.table || !prefixContains(route.prefix, to.address)) continue;
    const longer = route.prefix.length - (best?.prefix.length ?? -1);
    if (longer > 0 || (longer === 0 && route.metric < best!.metric)) best = route;
  }
  return best;
}

const none = { gateway: undefined, preferredSource: undefined, mtu: undefined };

/** The kernel's answer for an address of its own. */
export function localLookup(address: Address): RouteLookup {
  return { ...none, device: 'lo', kind: 'local', preferredSource: address, matched: undefined };
}

/** Its answer where this route matches. */
export function lookupBy({ target, prefix, protocol, table }: RouteObject): RouteLookup {
  const matched = { prefix, protocol, table };
  switch (target.kind) {
    case 'unicast': {
      const { device, gateway, preferredSource, mtu } = target;
      return { device, gateway, preferredSource, mtu, kind: 'unicast', matched };
    }
    case 'other':
      return { ...none, device: 'lo', kind: 'other', matched };
    default:
      return { ...none, device: 'lo', kind: target.kind, matched: undefined };
  }
}
