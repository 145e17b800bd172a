/** Whole clusters: every ordered pair verified, and two clusters compared. */
import type { Cluster } from '../../encap/cluster.js';
import { diffClusters } from '../../encap/verify/diff.js';
import { verify } from '../../encap/verify/verify.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { figure, heading, medianMs } from './report.js';

const providers = ['onprem', 'aws', 'gce', 'azure'] as const;

/** Both families, a /28 of overlay a node, and `perSubnet` nodes to each underlay subnet. */
export function wideFleet(
  nodes: number,
  shape: { readonly zones: number; readonly perSubnet: number },
): Cluster {
  const { zones, perSubnet } = shape;
  return sketchCluster({
    name: 'bench',
    pools: ['10.0.0.0/8', 'fd64::/32'],
    zones: Object.fromEntries(
      Array.from({ length: zones }, (_, zone) => [
        `z${zone}`,
        { provider: providers[zone % 4]!, region: `r${zone % 5}` },
      ]),
    ),
    rules: [
      { name: 'neighbours', relations: { subnet: 'same' }, mode: 'auto' },
      {
        name: 'zones',
        between: [{ providers: ['aws'] }, { providers: ['aws'] }],
        relations: { zone: 'different' },
        family: 4,
        mode: 'ipip',
      },
    ],
    nodes: Array.from({ length: nodes }, (_, i) => {
      const zone = i % zones;
      const subnet = Math.floor(i / zones / perSubnet) * zones + zone;
      const host = (Math.floor(i / zones) % perSubnet) + 1;
      const network = ((0xac << 24) >>> 0) + subnet * 256 + host;
      const at = [24, 16, 8, 0].map((shift) => (network >>> shift) & 255).join('.');
      return {
        name: `n${i}`,
        zone: `z${zone}`,
        at: [`${at}/24`, `fd00:${(subnet >> 12).toString(16)}:${subnet & 0xfff}::${host}/64`],
        overlay: [
          `10.${i >> 12}.${(i >> 4) & 255}.${(i & 15) * 16}/28`,
          `fd64:0:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::/64`,
        ],
      };
    }),
  });
}

export async function benchVerify(): Promise<void> {
  heading('Whole clusters: every ordered pair, both families');
  for (const [name, cluster] of shapes()) {
    const next = { ...cluster, rules: [vxlanOnly] };
    figure({
      name: `verify, ${name}`,
      value: await medianMs(3, () => verify(cluster)),
      unit: 'ms',
    });
    figure({
      name: `diff against all vxlan, ${name}`,
      value: await medianMs(3, () => diffClusters(cluster, next)),
      unit: 'ms',
    });
  }
}

const vxlanOnly = sketchCluster({ nodes: [], rules: [{ name: 'all', mode: 'vxlan' }] }).rules[0]!;

const shapes = () =>
  [
    ['10,000 nodes, 50 zones', wideFleet(10_000, { zones: 50, perSubnet: 200 })],
    ['10,000 nodes, 10,000 subnets', wideFleet(10_000, { zones: 50, perSubnet: 1 })],
  ] as const;
