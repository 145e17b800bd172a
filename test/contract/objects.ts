/**
 * One peer's objects, as the cases use them: a VXLAN device of ours with an address of each family,
 * and what leads to the peer behind it.
 */
import { parseAddress as A } from '../../encap/address.js';
import { parsePrefix as P } from '../../encap/prefix.js';
import type { FdbObject, NeighbourObject, RouteObject, RouteTarget } from '../../tunnel/kernel.js';
import { addressOn, ours, vxlan4 } from './bench.js';

export type Unicast = Extract<RouteTarget, { kind: 'unicast' }>;

export const peerMac = '02:aa:00:00:00:02';
export const own4 = addressOn('slv4a', '10.1.0.0/32');
export const own6 = addressOn('slv4a', 'fd00:1::/128');
export const hop6 = 'fe80::aa:ff:fe00:2';

export const fdb: FdbObject = {
  type: 'fdb',
  device: 'slv4a',
  mac: peerMac,
  remote: A('192.0.2.2'),
};
export const neighbour = (address: string, mac = peerMac): NeighbourObject => ({
  type: 'neighbour',
  device: 'slv4a',
  address: A(address),
  mac,
});

function plainRoute(prefix: string, target: RouteTarget): RouteObject {
  return { type: 'route', prefix: P(prefix), table: 254, metric: 512, protocol: ours, target };
}

export type Refusing = { readonly kind: 'blackhole' | 'unreachable' | 'prohibit' };

function isRefusing(target: Partial<Unicast> | Refusing): target is Refusing {
  return target.kind !== undefined && target.kind !== 'unicast';
}

export function route(prefix: string, target: Partial<Unicast> | Refusing): RouteObject {
  if (isRefusing(target)) return plainRoute(prefix, target);
  const unset = { gateway: undefined, onlink: false, mtu: undefined, preferredSource: undefined };
  return plainRoute(prefix, { kind: 'unicast', device: 'slv4a', ...unset, ...target });
}

export const route4 = route('10.1.1.0/24', {
  gateway: A('10.1.1.0'),
  onlink: true,
  mtu: 1400,
  preferredSource: A('10.1.0.0'),
});
export const route6 = route('fd00:1:1::/64', {
  gateway: A(hop6),
  mtu: 1380,
  preferredSource: A('fd00:1::'),
});
export const peer = [fdb, neighbour('10.1.1.0'), neighbour(hop6), route4, route6] as const;
export const everything = [vxlan4, own4, own6, ...peer] as const;
