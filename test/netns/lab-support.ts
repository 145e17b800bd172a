/** Clusters for the lab's tests, built by hand from short descriptions. */
import { familyBits } from '../../encap/address.js';
import type {
  Accepts,
  Cluster,
  Link,
  Provider,
  Rule,
  Switches,
  Zone,
} from '../../encap/cluster.js';
import { nodeTable } from '../../encap/node-table.js';
import { firstAddress, parsePrefix, tryParseInterfaceAddress } from '../../encap/prefix.js';
import { type PairEnds, expectedByFile, pairsOf } from '../../src/lab/expectation.js';
import type { Lab } from '../../src/lab/lab.js';
import { command, ipBatch } from '../../src/lab/shell.js';

export interface ZoneSketch {
  readonly provider: Provider;
  readonly region?: string;
  /** `PREFIX` or `PREFIX=SEGMENT`. */
  readonly subnets: readonly string[];
  readonly switches?: Switches;
  readonly mtu?: number;
}

export interface NodeSketch {
  readonly zone: string;
  readonly underlay: readonly string[];
  readonly overlay: readonly string[];
  readonly switches?: Switches;
  readonly mtu?: number;
  readonly accepts?: Accepts;
}

export interface ClusterSketch {
  readonly zones: Readonly<Record<string, ZoneSketch>>;
  readonly nodes: Readonly<Record<string, NodeSketch>>;
  readonly links?: readonly Link[];
  readonly rules?: readonly Rule[];
  readonly pools?: readonly string[];
}

export function clusterOf(sketch: ClusterSketch): Cluster {
  const zones = Object.entries(sketch.zones).map(([name, zone]): [string, Zone] => [
    name,
    {
      name,
      provider: zone.provider,
      region: zone.region,
      subnets: zone.subnets.map((text) => {
        const [prefix, segment] = text.split('=');
        return { prefix: parsePrefix(prefix!), segment };
      }),
      switches: zone.switches ?? {},
      mtu: zone.mtu,
    },
  ]);
  return {
    name: 'test',
    revision: 1,
    pools: (sketch.pools ?? ['10.64.0.0/10', 'fd64::/32']).map(parsePrefix),
    vxlan: { vni: 4096, port: 4789 },
    zones: new Map(zones),
    links: sketch.links ?? [],
    rules: sketch.rules ?? [],
    nodes: nodeTable(
      Object.entries(sketch.nodes).map(([name, node]) => ({
        name,
        zone: node.zone,
        underlay: node.underlay.map((text) => {
          const parsed = tryParseInterfaceAddress(text);
          if (typeof parsed === 'string') throw new SyntaxError(`${parsed}: ${text}`);
          return parsed;
        }),
        publicAddresses: [],
        overlay: node.overlay.map(parsePrefix),
        labels: {},
        switches: node.switches ?? {},
        mtu: node.mtu,
        accepts: node.accepts ?? {},
        withdrawn: false,
      })),
    ),
  };
}

export function link(a: string, b: string, fields: Partial<Link> = {}): Link {
  return {
    ends: [
      { kind: 'zone', zone: a },
      { kind: 'zone', zone: b },
    ],
    mtu: undefined,
    modes: undefined,
    allowPublic: false,
    note: undefined,
    ...fields,
  };
}

export function rule(name: string, fields: Partial<Rule> & Pick<Rule, 'mode'>): Rule {
  return { name, relations: {}, force: false, reason: undefined, ...fields };
}

/**
 * Plays the agents' part with plain `ip` commands, for VXLAN and native: an independent second
 * opinion on what a decision means for a kernel.
 */
export async function configureByHand(lab: Lab): Promise<void> {
  const pairs = pairsOf(lab);
  for (const node of lab.plan.nodes) {
    const outer = node.addresses[0]!.address;
    const mtu = Math.max(1280, node.nicMtu - 50);
    const lines = [
      `link add vx type vxlan id 4096 dstport 4789 local ${outer.text} nolearning df set`,
      `link set vx address ${tunnelMac(lab, node.name)} mtu ${mtu} addrgenmode none`,
      'link set vx up',
      `addr add fe80::${lab.plan.nodes.indexOf(node) + 1}/64 dev vx nodad`,
      ...node.overlay.map(
        (prefix) =>
          `addr add ${firstAddress(prefix).text}/${familyBits(prefix.family)} dev vx${prefix.family === 6 ? ' nodad' : ''}`,
      ),
    ];
    for (const peer of lab.plan.nodes.filter((other) => other !== node)) {
      const mac = tunnelMac(lab, peer.name);
      lines.push(`neigh add fe80::${lab.plan.nodes.indexOf(peer) + 1} lladdr ${mac} dev vx`);
      for (const prefix of peer.overlay)
        if (prefix.family === 4)
          lines.push(`neigh add ${firstAddress(prefix).text} lladdr ${mac} dev vx`);
    }
    for (const pair of pairs.filter((entry) => entry.from === node))
      lines.push(routeByHand(lab, pair));
    await ipBatch(lines, { namespace: node.namespace });
    // Even the loose reverse-path filter drops what comes from where a route says "prohibit", and
    // a pair that is denied one way only would be closed both ways.
    await command(['sh', '-e'], {
      namespace: node.namespace,
      input: [
        'echo 1 > /proc/sys/net/ipv4/ip_forward',
        'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding',
        'for each in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $each; done\n',
      ].join('\n'),
    });
    for (const peer of lab.plan.nodes.filter((other) => other !== node))
      await command(
        [
          ...['bridge', 'fdb', 'add', tunnelMac(lab, peer.name), 'dev', 'vx'],
          ...['dst', peer.addresses[0]!.address.text],
        ],
        { namespace: node.namespace },
      );
  }
}

function routeByHand(lab: Lab, pair: PairEnds): string {
  const { decided, mtu } = expectedByFile(lab, pair);
  const { family } = pair.source;
  const prefix = pair.to.overlay.find((entry) => entry.family === family)!;
  const local = firstAddress(pair.from.overlay.find((entry) => entry.family === family)!);
  const tail = `metric 512 mtu ${mtu} src ${local.text}`;
  switch (decided) {
    case 'native': {
      const via = pair.to.addresses.find((entry) => entry.address.family === family)!.address;
      const near = pair.from.zone === pair.to.zone && pair.from.bridge === pair.to.bridge;
      const gateway = pair.from.gateways.find((entry) => entry.family === family)!;
      return `route add ${prefix.text} via ${near ? via.text : gateway.text} dev eth0 ${tail}`;
    }
    case 'vxlan':
      return family === 4
        ? `route add ${prefix.text} via ${firstAddress(prefix).text} dev vx onlink ${tail}`
        : `route add ${prefix.text} via fe80::${lab.plan.nodes.indexOf(pair.to) + 1} dev vx ${tail}`;
    case 'deny':
      return `route add prohibit ${prefix.text} metric 512`;
    case 'ipip':
    case 'unreachable':
      return `route add unreachable ${prefix.text} metric 512`;
  }
}

function tunnelMac(lab: Lab, node: string): string {
  const index = lab.plan.nodes.findIndex((entry) => entry.name === node);
  return `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`;
}
