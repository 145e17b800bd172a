/**
 * The lab on paper: which namespaces, cables, bridges, addresses and routes a cluster file needs.
 * Pure, so that it can be tested and printed without touching the machine.
 *
 *     workload ── wl0 [node] eth0 ── pN ┐
 *                                       bM [zone: router] lK ── lK [other zone: router] …
 *     workload ── wl0 [node] eth0 ── pN ┘
 *
 * A packet between two workloads leaves the first node by `eth0`, passes the filter at port `pN`
 * (what the provider drops, `underlay/`), is bridged inside a shared subnet or routed by the zone,
 * crosses a link `lK` that has the declared MTU, and meets the filter at the other node's port.
 */
import type { Address } from '../../encap/address.js';
import type { Cluster, ClusterNode, Switches } from '../../encap/cluster.js';
import {
  type InterfaceAddress,
  type Prefix,
  hostPrefix,
  prefixContains,
} from '../../encap/prefix.js';
import { type WorkloadAddress, gatewayOf, workloadPairs } from './addressing.js';
import { nicMtuOf, subnetOf, switchesOf, withSwitches, zoneOf } from './members.js';
import { LabError, checkLabName, namespaceName } from './names.js';
import { type Bridge, type Trunk, layBridges } from './plan-bridges.js';
import { type Path, type PathOptions, layPaths } from './plan-paths.js';
import { providerUnderlays } from './underlay/index.js';
import type { Drop, ProviderUnderlay } from './underlay/underlay.js';

export interface LabPlan {
  readonly lab: string;
  readonly cluster: Cluster;
  readonly zones: readonly ZonePlan[];
  readonly nodes: readonly NodePlan[];
  readonly paths: readonly Path[];
  /** Cables between bridges of two zones that share a segment. */
  readonly trunks: readonly Trunk[];
}

export interface ZonePlan {
  readonly name: string;
  readonly namespace: string;
  readonly underlay: ProviderUnderlay;
  readonly bridges: readonly Bridge[];
}

export interface NodePlan {
  readonly name: string;
  readonly zone: string;
  readonly namespace: string;
  readonly workloadNamespace: string;
  /** The zone router's end of the node's cable, and the bridge that it is in. */
  readonly port: string;
  readonly bridge: string;
  readonly mac: string;
  /** Bytes. */
  readonly nicMtu: number;
  /** Addresses of `eth0`, with the mask that the provider gives them. */
  readonly addresses: readonly InterfaceAddress[];
  /** Default gateway of each family that the node has. */
  readonly gateways: readonly Address[];
  readonly workload: readonly WorkloadAddress[];
  /** Bytes: more than any path, so that oversize packets reach the node and are refused there. */
  readonly workloadMtu: number;
  readonly overlay: readonly Prefix[];
  readonly knownToFabric: boolean;
  readonly drops: readonly Drop[];
  /** What the lab cannot build of this node, in words for the operator. */
  readonly notes: readonly string[];
}

export interface PlanOptions extends PathOptions {
  readonly lab: string;
  /** What the underlay really does at a node's NIC, where that is not what the file says. */
  readonly switches?: Readonly<Record<string, Switches>> | undefined;
}

/** How far the workloads' cables exceed the node's NIC. */
const workloadHeadroomBytes = 64;
/** The largest MTU of a veth. */
const largestMtu = 65_535;

/** The plan of a cluster; throws a `LabError` where a lab cannot be built of it. */
export function planLab(cluster: Cluster, options: PlanOptions): LabPlan {
  const lab = checkLabName(options.lab);
  const members = [...cluster.nodes.values()].filter((node) => !node.withdrawn);
  if (members.length === 0) throw new LabError('cannot build a lab: the cluster has no nodes');
  const { bridges, trunks } = layBridges(cluster, members);
  const zones = [...cluster.zones.values()].map((zone) => ({
    name: zone.name,
    namespace: namespaceName(lab, 'zone', zone.name),
    underlay: providerUnderlays[zone.provider],
    bridges: bridges.filter((bridge) => bridge.zone === zone.name),
  }));
  const nodes = members.map((node, index) =>
    planNode({ cluster, node, index, lab, bridges, set: options.switches?.[node.name] }),
  );
  return { lab, cluster, zones, nodes, trunks, paths: layPaths(cluster, options) };
}

function planNode(context: {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly index: number;
  readonly lab: string;
  readonly bridges: readonly Bridge[];
  readonly set: Switches | undefined;
}): NodePlan {
  const { cluster, node, index, lab, bridges, set } = context;
  const zone = zoneOf(cluster, node);
  const underlay = providerUnderlays[zone.provider];
  const bridge = bridges.find((candidate) => candidate.members.includes(node.name))!;
  const switches = withSwitches(switchesOf(zone, node), set);
  const nicMtu = nicMtuOf(zone, node);
  const { pairs, notes } = workloadPairs(node);
  return {
    name: node.name,
    zone: zone.name,
    namespace: namespaceName(lab, 'node', node.name),
    workloadNamespace: namespaceName(lab, 'workload', node.name),
    port: `p${index}`,
    bridge: bridge.device,
    mac: `06:5e:00:00:${hexByte(index >> 8)}:${hexByte(index)}`,
    nicMtu,
    addresses: node.underlay.map((entry) =>
      underlay.hostMask === true
        ? { address: entry.address, length: hostPrefix(entry.address).length }
        : entry,
    ),
    gateways: node.underlay.map((entry) => gatewayFor(bridge, entry.address)),
    workload: pairs,
    workloadMtu: Math.min(nicMtu + workloadHeadroomBytes, largestMtu),
    overlay: node.overlay,
    knownToFabric: underlay.knowsOverlay(switches),
    drops: underlay.drops({
      own: node.underlay.map((entry) => entry.address),
      subnets: node.underlay.map((entry) => subnetOf(zone, entry)),
      switches,
      pools: [...cluster.pools, ...[...cluster.nodes.values()].flatMap((other) => other.overlay)],
      vxlanPort: cluster.vxlan.port,
    }),
    notes,
  };
}

function gatewayFor(bridge: Bridge, address: Address): Address {
  const own = bridge.gateways.find(
    (gateway) =>
      gateway.serves.family === address.family && prefixContains(gateway.serves, address),
  );
  return own?.address ?? gatewayOf(hostPrefix(address), []);
}

function hexByte(value: number): string {
  return (value & 0xff).toString(16).padStart(2, '0');
}
