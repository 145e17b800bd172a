/**
 * Where the cluster's nodes are attached: the interfaces that hold their underlay addresses. Only
 * nodes of AWS zones of this region, in this machine's VPC, can be found; all others are left out.
 */
import type { Family } from '../../../encap/address.js';
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import type { Prefix } from '../../../encap/prefix.js';
import type { NetworkInterface } from './interfaces.js';

export interface Place {
  readonly node: ClusterNode;
  /** The interfaces that hold its underlay addresses, in the order of those. */
  readonly interfaces: readonly NetworkInterface[];
  /** Was an interface found for each of its underlay addresses? */
  readonly complete: boolean;
  /** By family of the first underlay address that it holds. */
  readonly byFamily: Readonly<Partial<Record<Family, NetworkInterface>>>;
}

/** By node name, in the order of the names. */
export type Places = ReadonlyMap<string, Place>;

/** Nodes whose interfaces this API could know of. */
export function awsNodes(cluster: Cluster, region: string): readonly ClusterNode[] {
  return [...cluster.nodes.values()].filter((node) => {
    const zone = cluster.zones.get(node.zone);
    return (
      !node.withdrawn &&
      zone?.provider === 'aws' &&
      (zone.region === undefined || zone.region === region)
    );
  });
}

export function placesOf(
  nodes: readonly ClusterNode[],
  interfaces: readonly NetworkInterface[],
): Places {
  const holders = new Map<string, NetworkInterface>();
  for (const entry of interfaces)
    for (const address of entry.addresses) holders.set(address, entry);
  const places = new Map<string, Place>();
  for (const node of [...nodes].sort(byName)) {
    const place = placeOf(node, holders);
    if (place.interfaces.length > 0) places.set(node.name, place);
  }
  return places;
}

function placeOf(node: ClusterNode, holders: ReadonlyMap<string, NetworkInterface>): Place {
  const byFamily: Partial<Record<Family, NetworkInterface>> = {};
  const interfaces = new Set<NetworkInterface>();
  let complete = true;
  for (const { address } of node.underlay) {
    const holder = holders.get(address.text);
    if (holder === undefined) {
      complete = false;
      continue;
    }
    interfaces.add(holder);
    byFamily[address.family] ??= holder;
  }
  return { node, interfaces: [...interfaces], complete, byFamily };
}

function byName(a: ClusterNode, b: ClusterNode): number {
  return a.name < b.name ? -1 : Number(a.name > b.name);
}

/**
 * The overlay prefixes that can be routed natively: those of a family that the node has an
 * interface for, with that interface.
 */
export function routable(
  place: Place,
): readonly { readonly prefix: Prefix; readonly target: NetworkInterface }[] {
  return place.node.overlay.flatMap((prefix) => {
    const target = place.byFamily[prefix.family];
    return target === undefined ? [] : [{ prefix, target }];
  });
}
