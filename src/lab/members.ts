/** What holds for one node of the cluster once its zone has been taken into account. */
import type { ClusterNode, Cluster, Switches, Zone } from '../../encap/cluster.js';
import {
  type InterfaceAddress,
  type Prefix,
  prefixContains,
  prefixOf,
} from '../../encap/prefix.js';
import { LabError } from './names.js';
import { providerUnderlays } from './underlay/index.js';

/** The zone's switches with the node's own on top, field by field. */
export function switchesOf(zone: Zone, node: ClusterNode): Switches {
  return withSwitches(zone.switches, node.switches);
}

export function withSwitches(below: Switches, above: Switches | undefined): Switches {
  return { ...below, ...above, firewall: { ...below.firewall, ...above?.firewall } };
}

export function zoneOf(cluster: Cluster, node: ClusterNode): Zone {
  const zone = cluster.zones.get(node.zone);
  if (zone === undefined)
    throw new LabError(`cannot build node "${node.name}": its zone "${node.zone}" is not declared`);
  return zone;
}

/** Bytes. */
export function nicMtuOf(zone: Zone, node: ClusterNode): number {
  return node.mtu ?? zone.mtu ?? providerUnderlays[zone.provider].nicMtu;
}

/** The declared subnet of an address, or the one that its mask says. */
export function subnetOf(zone: Zone, entry: InterfaceAddress): Prefix {
  const declared = zone.subnets.find((subnet) => prefixContains(subnet.prefix, entry.address));
  return declared?.prefix ?? prefixOf(entry.address, entry.length);
}
