/**
 * Which NICs share an Ethernet. A shared subnet is one bridge; subnets that declare one segment
 * are one bridge too where the provider has such a thing; a NIC behind a gateway is alone on its
 * bridge, so that all that filters is a *bridge* ruleset (the only family that every kernel the
 * lab runs on has).
 */
import type { Address } from '../../encap/address.js';
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { type Prefix, prefixContains } from '../../encap/prefix.js';
import { gatewayOf } from './addressing.js';
import { nicMtuOf, subnetOf, zoneOf } from './members.js';
import { providerUnderlays } from './underlay/index.js';
import type { Wiring } from './underlay/underlay.js';

export interface Bridge {
  readonly zone: string;
  readonly device: string;
  readonly wiring: Wiring;
  /** Bytes: what the router sends into it at most. */
  readonly mtu: number;
  /** Names of the nodes with a NIC on it. */
  readonly members: readonly string[];
  readonly gateways: readonly Gateway[];
}

export interface Gateway {
  readonly address: Address;
  /** The subnet that it is the way out of. */
  readonly serves: Prefix;
}

/** A cable between the bridges of two zones that share a segment. */
export interface Trunk {
  readonly device: string;
  readonly ends: readonly [TrunkEnd, TrunkEnd];
  readonly mtu: number;
}

export interface TrunkEnd {
  readonly zone: string;
  readonly bridge: string;
}

interface Attachment {
  readonly node: ClusterNode;
  readonly subnets: readonly Prefix[];
  readonly wiring: Wiring;
  /** Names of Ethernets; attachments that share one are on one Ethernet. */
  readonly domains: readonly string[];
  /** Bytes. */
  readonly mtu: number;
}

export function layBridges(
  cluster: Cluster,
  nodes: readonly ClusterNode[],
): { readonly bridges: readonly Bridge[]; readonly trunks: readonly Trunk[] } {
  const taken = [...cluster.nodes.values()].flatMap((node) =>
    node.underlay.map((entry) => entry.address),
  );
  const bridges: Bridge[] = [];
  const trunks: Trunk[] = [];
  for (const ethernet of joined(nodes.map((node) => attach(cluster, node)))) {
    const zones = [...new Set(ethernet.map((attachment) => attachment.node.zone))];
    const mtu = Math.max(...ethernet.map((attachment) => attachment.mtu));
    const devices = zones.map((zone) => {
      const here = ethernet.filter((attachment) => attachment.node.zone === zone);
      const device = `b${bridges.filter((bridge) => bridge.zone === zone).length}`;
      bridges.push({
        zone,
        device,
        wiring: here[0]!.wiring,
        mtu,
        members: here.map((attachment) => attachment.node.name),
        gateways: distinct(here.flatMap((attachment) => attachment.subnets)).map((subnet) => ({
          address: gatewayOf(subnet, taken),
          serves: subnet,
        })),
      });
      return { zone, bridge: device };
    });
    for (const other of devices.slice(1))
      trunks.push({ device: `t${trunks.length}`, ends: [devices[0]!, other], mtu });
  }
  return { bridges, trunks };
}

function attach(cluster: Cluster, node: ClusterNode): Attachment {
  const zone = zoneOf(cluster, node);
  const underlay = providerUnderlays[zone.provider];
  const subnets = node.underlay.map((entry) => subnetOf(zone, entry));
  const declared = node.underlay.flatMap((entry) =>
    zone.subnets.filter((subnet) => prefixContains(subnet.prefix, entry.address)),
  );
  const segment = declared.find((subnet) => subnet.segment !== undefined)?.segment;
  const wiring = underlay.wiring({ segment });
  const nic = nicMtuOf(zone, node);
  const operatorSaid = node.mtu !== undefined || zone.mtu !== undefined;
  return {
    node,
    subnets,
    wiring,
    domains:
      wiring !== 'shared'
        ? [`nic ${node.name}`]
        : underlay.joinsSegments === true && segment !== undefined
          ? [`segment ${segment}`]
          : subnets.map((subnet) => `zone ${zone.name} subnet ${subnet.text}`),
    mtu: operatorSaid ? nic : Math.min(nic, underlay.fabricMtu ?? nic),
  };
}

/** Groups attachments that share a domain, directly or through others (a node with two subnets). */
function joined(attachments: readonly Attachment[]): readonly (readonly Attachment[])[] {
  let groups: { domains: Set<string>; members: Attachment[] }[] = [];
  for (const attachment of attachments) {
    const touching = groups.filter((group) =>
      attachment.domains.some((domain) => group.domains.has(domain)),
    );
    const merged = {
      domains: new Set([...touching.flatMap((group) => [...group.domains]), ...attachment.domains]),
      members: [...touching.flatMap((group) => group.members), attachment],
    };
    groups = [...groups.filter((group) => !touching.includes(group)), merged];
  }
  return groups.map((group) => group.members);
}

function distinct(prefixes: readonly Prefix[]): readonly Prefix[] {
  return [...new Map(prefixes.map((prefix) => [prefix.text, prefix])).values()];
}
