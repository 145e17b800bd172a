/**
 * The kernel objects of one peer, a function of its decisions and of what all peers have in common:
 * so one peer's are made anew without a look at the others, and are those that a whole state has.
 *
 * A VXLAN packet to a peer: the route's next hop is the peer's tunnel address (IPv4) or link-local
 * address (IPv6), the neighbour entry maps it to the peer's MAC, the FDB entry maps the MAC to the
 * peer's underlay address. An IP-in-IP packet: the route's next hop is the underlay address itself.
 */
import type { Address, Family } from '../encap/address.js';
import { v4Compatible } from '../encap/address.js';
import type { Cluster, ClusterNode } from '../encap/cluster.js';
import type { Carriage } from '../encap/mode.js';
import type { Decision } from '../encap/trail.js';
import type { KernelObject, OwnLink, RouteObject, RouteTarget } from '../tunnel/kernel.js';
import { deviceInSlot, deviceNames, mainTable, pathMetric, routeProtocol } from './ownership.js';
import type { Overlap } from './overlap.js';
import { slotTo } from './overlap.js';
import { linkLocalOf, tunnelAddress, vtepMac } from './vtep.js';

export type DesiredObject = Exclude<KernelObject, { readonly kind: 'other' }>;

/** What is the same for all peers. */
export interface PeerContext {
  readonly cluster: Cluster;
  readonly self: ClusterNode;
  /** Kinds of device that this kernel can create. */
  readonly kinds: ReadonlySet<OwnLink['kind']>;
  readonly overlap: Overlap;
  /** Desired devices of ours, by name. */
  readonly links: ReadonlyMap<string, OwnLink>;
  /** Own tunnel addresses that some device has. */
  readonly sources: Readonly<Partial<Record<Family, Address>>>;
}

type UnicastTarget = Extract<RouteTarget, { readonly kind: 'unicast' }>;
type Way = Pick<UnicastTarget, 'device' | 'gateway' | 'onlink'>;

/** In the order in which they are needed: what a route leads to comes before it. */
export function pathObjects(context: PeerContext, decision: Decision): readonly DesiredObject[] {
  const { verdict, prefix } = decision;
  switch (verdict.kind) {
    case 'local':
      return [];
    case 'deny':
      return [pathRoute(decision, { kind: 'prohibit' })];
    case 'unreachable':
      return [pathRoute(decision, { kind: 'unreachable' })];
    case 'forward':
      break;
  }
  const { cluster } = context;
  const peer = cluster.nodes.get(decision.owner!)!;
  // Each field by its name: with a spread the engine keeps a description for every single object.
  const unicast = ({ device, gateway, onlink }: Way): UnicastTarget => ({
    kind: 'unicast',
    device,
    gateway,
    onlink,
    mtu: verdict.mtu,
    // Where everything goes natively no device has the tunnel address: the NIC's own then serves.
    preferredSource: context.sources[prefix.family],
  });
  if (verdict.nextHop.kind !== 'tunnel') {
    const { via, device } = verdict.nextHop;
    if (via === undefined || device === undefined) return [];
    const onlink = verdict.nextHop.kind === 'adjacent';
    return [pathRoute(decision, unicast({ device, gateway: via, onlink }))];
  }
  const device = deviceTo(context, { peer, carriage: verdict.carriage });
  const link = context.links.get(device);
  if (link === undefined) return [pathRoute(decision, { kind: 'unreachable' })];
  const { remote } = verdict.nextHop.ends;
  if (verdict.mode === 'vxlan') {
    const hop = { cluster: cluster.name, peer, device, remote, inner: prefix.family };
    const { entries, gateway } = vxlanNextHop(hop);
    const onlink = prefix.family === 4;
    return [...entries, pathRoute(decision, unicast({ device, gateway, onlink }))];
  }
  // The data plane behind a TUN looks up the inner destination itself.
  if (link.kind === 'tun')
    return [pathRoute(decision, unicast({ device, gateway: undefined, onlink: false }))];
  if (link.kind === 'ip6tnl') {
    const target = unicast({ device, gateway: undefined, onlink: false });
    return [pathRoute(decision, { ...target, encapDestination: remote })];
  }
  const gateway = prefix.family === 4 ? remote : v4Compatible(remote);
  return [pathRoute(decision, unicast({ device, gateway, onlink: true }))];
}

function pathRoute({ prefix }: Decision, target: RouteTarget): RouteObject {
  const metric = pathMetric(prefix);
  return { type: 'route', table: mainTable, protocol: routeProtocol, prefix, metric, target };
}

function vxlanNextHop(hop: {
  readonly cluster: string;
  readonly peer: ClusterNode;
  readonly device: string;
  readonly remote: Address;
  readonly inner: Family;
}): { readonly entries: readonly DesiredObject[]; readonly gateway: Address } {
  const { cluster, peer, device, remote, inner } = hop;
  const mac = vtepMac(cluster, peer.name);
  // IPv6 refuses `onlink` when the gateway matches a route of another device, so the next hop
  // there is the link-local address, which is on every device's link.
  const gateway = inner === 4 ? tunnelAddress(peer, 4)! : linkLocalOf(mac);
  return {
    entries: [
      { type: 'fdb', device, mac, remote },
      { type: 'neighbour', device, address: gateway, mac },
    ],
    gateway,
  };
}

/** By the segment that the peer accepts, which its own record may say is another. */
function deviceTo(
  context: PeerContext,
  to: { readonly peer: ClusterNode; readonly carriage: Carriage },
): string {
  const slot = slotTo(context, to);
  return slot === undefined
    ? deviceFor(context, to.carriage)
    : deviceInSlot(firstDevice(to.carriage), slot);
}

/** The device that packets of a carriage are sent through. */
export function deviceFor(
  { kinds, overlap }: Pick<PeerContext, 'kinds' | 'overlap'>,
  carriage: Carriage,
): string {
  const { ipip, vxlan } = overlap.slots;
  // A TUN device is told of all its local addresses, so it needs no second one.
  const userspace = carriage.mode === 'ipip' && !kinds.has(kindFor(carriage));
  return deviceInSlot(
    firstDevice(carriage),
    carriage.mode === 'vxlan' ? vxlan : userspace ? 'a' : ipip,
  );
}

/** The device of a carriage in the first slot. */
export function firstDevice(carriage: Carriage): string {
  if (carriage.mode === 'vxlan')
    return carriage.outer === 4 ? deviceNames.vxlan4 : deviceNames.vxlan6;
  if (carriage.outer === 6) return deviceNames.ip6tnl;
  return carriage.inner === 4 ? deviceNames.ipip4 : deviceNames.sit4;
}

export function kindFor(carriage: Carriage): OwnLink['kind'] {
  if (carriage.mode === 'vxlan') return 'vxlan';
  if (carriage.outer === 6) return 'ip6tnl';
  return carriage.inner === 4 ? 'ipip' : 'sit';
}
