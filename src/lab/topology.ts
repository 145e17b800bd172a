/**
 * The plan as the commands that build it: lines for `ip -batch`, settings below /proc/sys, and an
 * nftables script a zone. Pure: what is run is what is tested.
 */
import type { Address, Family } from '../../encap/address.js';
import { hostPrefix, prefixContains, prefixOf } from '../../encap/prefix.js';
import type { LabPlan, NodePlan, ZonePlan } from './plan.js';
import type { Bridge } from './plan-bridges.js';
import type { Path } from './plan-paths.js';
import { zoneRuleset } from './ruleset.js';

/** One namespace: what is set in it before it has devices, and the `ip` lines run inside it. */
export interface NamespaceBuild {
  readonly name: string;
  /** Path below /proc/sys/net → value. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly lines: readonly string[];
  /** As `sysctls`, of devices: set when these exist. */
  readonly deviceSysctls: Readonly<Record<string, string>>;
  readonly nftables: string | undefined;
}

export interface Topology {
  readonly namespaces: readonly NamespaceBuild[];
  /** Cables: run outside the namespaces, once these exist. */
  readonly cables: readonly string[];
}

export function topologyOf(plan: LabPlan): Topology {
  return {
    namespaces: [
      ...plan.zones.map((zone) => buildZone(plan, zone)),
      ...plan.nodes.flatMap((node) => [buildNode(node), buildWorkload(node)]),
    ],
    cables: cables(plan),
  };
}

function cables(plan: LabPlan): readonly string[] {
  const zone = new Map(plan.zones.map((entry) => [entry.name, entry.namespace]));
  return [
    ...plan.nodes.flatMap((node) => [
      `link add ${node.port} mtu ${node.nicMtu} netns ${zone.get(node.zone)} type veth ` +
        `peer name eth0 mtu ${node.nicMtu} address ${node.mac} netns ${node.namespace}`,
      `link add wl0 mtu ${node.workloadMtu} netns ${node.namespace} type veth ` +
        `peer name eth0 mtu ${node.workloadMtu} netns ${node.workloadNamespace}`,
    ]),
    ...plan.paths.map((path) =>
      joining(
        path.device,
        path.mtu,
        path.zones.map((name) => zone.get(name)),
      ),
    ),
    ...plan.trunks.map((trunk) =>
      joining(
        trunk.device,
        trunk.mtu,
        trunk.ends.map((end) => zone.get(end.zone)),
      ),
    ),
  ];
}

function joining(device: string, mtu: number, ends: readonly (string | undefined)[]): string {
  return (
    `link add ${device} mtu ${mtu} netns ${ends[0]} type veth ` +
    `peer name ${device} mtu ${mtu} netns ${ends[1]}`
  );
}

/** `default` would need the family named, which a line of a batch cannot do. */
const everything = { 4: '0.0.0.0/0', 6: '::/0' } as const;

const quickIpv6 = {
  'ipv6/conf/all/disable_ipv6': '0',
  'ipv6/conf/default/disable_ipv6': '0',
  'ipv6/conf/default/accept_dad': '0',
} as const;

function buildZone(plan: LabPlan, zone: ZonePlan): NamespaceBuild {
  const sysctls = {
    ...quickIpv6,
    'ipv4/ip_forward': '1',
    'ipv6/conf/all/forwarding': '1',
    'ipv4/conf/all/rp_filter': '0',
    'ipv4/conf/default/rp_filter': '0',
    // A redirect would send a node around the port where it is checked.
    'ipv4/conf/all/send_redirects': '0',
    'ipv4/conf/default/send_redirects': '0',
  };
  const lines = ['link set lo up'];
  for (const bridge of zone.bridges)
    lines.push(
      `link add ${bridge.device} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    );
  const members = plan.nodes.filter((node) => node.zone === zone.name);
  for (const node of members)
    lines.push(`link set ${node.port} master ${node.bridge}`, `link set ${node.port} up`);
  for (const trunk of plan.trunks)
    for (const end of trunk.ends)
      if (end.zone === zone.name)
        lines.push(`link set ${trunk.device} master ${end.bridge}`, `link set ${trunk.device} up`);
  for (const bridge of zone.bridges) {
    // The MTU is set after the ports, or the bridge would follow the smallest of them.
    lines.push(`link set ${bridge.device} mtu ${bridge.mtu} up`);
    for (const gateway of bridge.gateways) {
      const near = prefixContains(gateway.serves, gateway.address);
      const length =
        bridge.wiring === 'shared' && near
          ? gateway.serves.length
          : hostPrefix(gateway.address).length;
      lines.push(addAddress(gateway.address, { length, device: bridge.device }));
    }
  }
  for (const node of members) lines.push(...hostRoutes(node));
  for (const bridge of zone.bridges.filter((entry) => entry.wiring === 'gateway-proxy'))
    lines.push(...proxyNeighbours(members, bridge.device));
  for (const path of plan.paths)
    if (path.zones.includes(zone.name)) lines.push(...pathLines({ plan, zone, path }));
  for (const node of members)
    if (node.knownToFabric) lines.push(...overlayRoutes(node, node.bridge));
  const silence = zone.underlay.answersUnreachable ? 'unreachable' : 'blackhole';
  for (const family of [4, 6] as const)
    lines.push(`route add ${silence} ${everything[family]} metric 4278198272`);
  return {
    name: zone.namespace,
    sysctls,
    lines,
    deviceSysctls: Object.assign({}, ...zone.bridges.map(proxySysctls)) as Record<string, string>,
    nftables: zoneRuleset(plan, zone.name),
  };
}

/** Where no subnet on the bridge says so: the NIC itself is the destination. */
function hostRoutes(node: NodePlan): readonly string[] {
  return node.addresses.map(
    ({ address }) => `route replace ${hostPrefix(address).text} dev ${node.bridge} metric 10`,
  );
}

/** The routes of a fabric that knows a node's overlay prefixes. */
function overlayRoutes(node: NodePlan, device: string): readonly string[] {
  return node.overlay.flatMap((prefix) => {
    const next = node.addresses.find((entry) => entry.address.family === prefix.family);
    return next === undefined
      ? []
      : [`route add ${prefix.text} via ${next.address.text} dev ${device} metric 20`];
  });
}

/** A gateway that answers ARP and neighbour solicitations for others, and at once. */
function proxySysctls(bridge: Bridge): Readonly<Record<string, string>> {
  if (bridge.wiring !== 'gateway-proxy') return {};
  return {
    [`ipv4/conf/${bridge.device}/proxy_arp`]: '1',
    [`ipv4/neigh/${bridge.device}/proxy_delay`]: '0',
    [`ipv6/conf/${bridge.device}/proxy_ndp`]: '1',
    [`ipv6/neigh/${bridge.device}/proxy_delay`]: '0',
  };
}

/** IPv6 has no proxy for everybody: the gateway is told each address that it answers for. */
function proxyNeighbours(members: readonly NodePlan[], bridge: string): readonly string[] {
  return members
    .filter((node) => node.bridge !== bridge)
    .flatMap((node) => node.addresses)
    .filter((entry) => entry.address.family === 6)
    .map((entry) => `neigh add proxy ${entry.address.text} dev ${bridge}`);
}

function pathLines(context: {
  readonly plan: LabPlan;
  readonly zone: ZonePlan;
  readonly path: Path;
}): readonly string[] {
  const { plan, zone, path } = context;
  const first = path.zones[0] === zone.name;
  const [here, there] = first ? path.ends : [path.ends[1], path.ends[0]];
  const far = plan.nodes.filter(
    (node) => node.zone === path.zones[first ? 1 : 0] && node.zone !== zone.name,
  );
  const lines = [
    `link set ${path.device} addrgenmode none`,
    `link set ${path.device} up`,
    addAddress(here[4], { length: 30, device: path.device }),
    ...(path.mtu < 1280 ? [] : [addAddress(here[6], { length: 64, device: path.device })]),
  ];
  const route = (prefix: string, family: Family): string => {
    // The router speaks as the nodes' gateway, not as the nameless end of a cable.
    const self = zone.bridges
      .flatMap((bridge) => bridge.gateways)
      .find((gateway) => gateway.address.family === family)?.address.text;
    const source = self === undefined || self.startsWith('fe80:') ? '' : ` src ${self}`;
    return `route add ${prefix} via ${there[family].text} dev ${path.device} metric 30${source}`;
  };
  for (const node of far) {
    for (const { address } of node.addresses)
      if (address.family === 4 || path.mtu >= 1280)
        lines.push(route(hostPrefix(address).text, address.family));
    if (node.knownToFabric && path.announcesOverlay)
      for (const prefix of node.overlay)
        if (node.addresses.some((entry) => entry.address.family === prefix.family))
          if (prefix.family === 4 || path.mtu >= 1280)
            lines.push(route(prefix.text, prefix.family));
  }
  return lines;
}

function buildNode(node: NodePlan): NamespaceBuild {
  const lines = ['link set lo up', 'link set eth0 up', 'link set wl0 up'];
  for (const entry of node.addresses)
    lines.push(addAddress(entry.address, { length: entry.length, device: 'eth0' }));
  for (const gateway of node.gateways) {
    const near = node.addresses.some((entry) =>
      prefixContains(prefixOf(entry.address, entry.length), gateway),
    );
    if (!near && !gateway.text.startsWith('fe80:'))
      lines.push(`route add ${hostPrefix(gateway).text} dev eth0`);
    lines.push(`route add ${everything[gateway.family]} via ${gateway.text} dev eth0`);
  }
  for (const { address, gateway } of node.workload)
    lines.push(
      addAddress(gateway, { length: hostPrefix(gateway).length, device: 'wl0' }),
      `route add ${hostPrefix(address).text} dev wl0`,
    );
  return {
    name: node.namespace,
    // What a distribution's image sets; forwarding is the agent's business.
    sysctls: { ...quickIpv6, 'ipv4/conf/default/rp_filter': '2' },
    lines,
    deviceSysctls: {},
    nftables: undefined,
  };
}

function buildWorkload(node: NodePlan): NamespaceBuild {
  const lines = ['link set lo up', 'link set eth0 up'];
  for (const { family, address, gateway } of node.workload)
    lines.push(
      addAddress(address, { length: hostPrefix(address).length, device: 'eth0' }),
      `route add ${hostPrefix(gateway).text} dev eth0`,
      `route add ${everything[family]} via ${gateway.text} dev eth0`,
    );
  return {
    name: node.workloadNamespace,
    sysctls: quickIpv6,
    lines,
    deviceSysctls: {},
    nftables: undefined,
  };
}

function addAddress(
  address: Address,
  options: { readonly length: number; readonly device: string },
): string {
  const nodad = address.family === 6 ? ' nodad' : '';
  return `addr add ${address.text}/${options.length} dev ${options.device}${nodad}`;
}
