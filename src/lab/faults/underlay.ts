/**
 * Faults of the network between the nodes: rules of a table of their own in the router of the zone,
 * at the port of the node that the packets come from or go to.
 */
import type { Fault, FaultSite, FaultSteps, Step } from './fault.js';
import { addressOf, ip, nft } from './fault.js';
import type { NodePlan } from '../plan.js';

export const faultTable = 'selvage_fault';

/** Drops what matches between the port of `from` and the rest of the network, one way. */
function dropping(
  site: FaultSite,
  match: string,
  ways: readonly (readonly [NodePlan, NodePlan])[] = [[site.from, site.to]],
): FaultSteps {
  const steps = ways.map(([from, to], i) => {
    const pair = `ip saddr ${addressOf(from)} ip daddr ${addressOf(to)}`;
    return [
      `table bridge ${faultTable}_${from.port} {`,
      `  chain lost${i} { type filter hook prerouting priority -190; policy accept;`,
      `    iifname "${from.port}" ${match.replaceAll('PAIR', pair)} counter drop`,
      '  }',
      '}',
    ].join('\n');
  });
  return {
    inject: steps.map((script, i) => nft(site.zoneNamespace(ways[i]![0]), script)),
    undo: ways.map(([from]) => ({
      namespace: site.zoneNamespace(from),
      argv: ['nft', 'delete', 'table', 'bridge', `${faultTable}_${from.port}`],
    })),
  };
}

const both = (site: FaultSite): readonly (readonly [NodePlan, NodePlan])[] => [
  [site.from, site.to],
  [site.to, site.from],
];

const back = (site: FaultSite): readonly (readonly [NodePlan, NodePlan])[] => [
  [site.to, site.from],
];

/**
 * Whoever asks for another's MAC tells its own with the question (RFC 826): from now on `from`, or
 * the router on the way to it, sends what is for the address of `to` to this node.
 */
function announced(
  node: NodePlan,
  { from, to }: { readonly from: NodePlan; readonly to: NodePlan },
): readonly Step[] {
  const ping = `ping -c 1 -W 1 -I ${addressOf(to)} ${addressOf(from)}`;
  return [
    {
      namespace: node.namespace,
      argv: ['sh', '-c', `ip neighbour flush dev eth0; ${ping} > /dev/null; true`],
    },
  ];
}

export const underlayFaults: readonly Fault[] = [
  {
    name: 'ipip-lost',
    summary: 'the network drops IP protocol 4, one way',
    kind: 'underlay',
    steps: (site) => dropping(site, 'PAIR ip protocol 4'),
  },
  {
    name: 'ipip-lost-back',
    summary: 'the network drops IP protocol 4 on the way back',
    kind: 'underlay',
    steps: (site) => dropping(site, 'PAIR ip protocol 4', back(site)),
  },
  {
    name: 'vxlan-lost',
    summary: 'the network drops UDP to the VXLAN port, one way',
    kind: 'underlay',
    steps: (site) => dropping(site, `PAIR udp dport ${site.vxlanPort}`),
  },
  {
    name: 'vxlan-lost-back',
    summary: 'the network drops UDP to the VXLAN port on the way back',
    kind: 'underlay',
    steps: (site) => dropping(site, `PAIR udp dport ${site.vxlanPort}`, back(site)),
  },
  {
    name: 'native-lost',
    summary: 'a source/destination check drops bare packets from the node, one way',
    kind: 'underlay',
    steps: (site) => dropping(site, `ether type ip ip saddr != ${addressOf(site.from)}`),
  },
  {
    name: 'cut',
    summary: 'the two nodes do not reach each other at all',
    kind: 'underlay',
    steps: (site) => dropping(site, 'PAIR', both(site)),
  },
  {
    name: 'cut-one-way',
    summary: 'nothing arrives one way, everything the other way',
    kind: 'underlay',
    steps: (site) => dropping(site, 'PAIR'),
  },
  {
    name: 'mtu-black-hole',
    summary: 'packets above 1300 bytes vanish without an answer, one way',
    kind: 'underlay',
    steps: (site) => dropping(site, 'ether type ip ip length > 1300'),
  },
  {
    name: 'loss',
    summary: 'the network loses one packet in three, one way',
    kind: 'underlay',
    steps: (site) => dropping(site, 'ether type ip numgen random mod 3 == 0'),
  },
  {
    name: 'icmp-filtered',
    summary: 'the network drops ICMP between the nodes; all else passes',
    kind: 'underlay',
    steps: (site) => dropping(site, 'PAIR ip protocol icmp', both(site)),
  },
  {
    name: 'duplicate-address',
    summary: "a third node has the peer's underlay address as well",
    kind: 'foreign',
    steps: ({ third, at, peer }) => {
      if (third === undefined) return 'a third node in the zone of the peer is needed';
      const entry = `${addressOf(peer)}/${peer.addresses[0]!.length}`;
      return {
        inject: [
          ip(third, 'address', 'add', entry, 'dev', 'eth0'),
          ...announced(third, { from: at, to: peer }),
        ],
        undo: [
          ip(third, 'address', 'delete', entry, 'dev', 'eth0'),
          ...announced(peer, { from: at, to: peer }),
        ],
      };
    },
  },
];
