/** A synthetic fleet: N nodes over 50 zones of four providers, seen from node n0. */
import type { Cluster } from '../../encap/cluster.js';
import { sketchCluster } from '../support/cluster-builder.js';

export const self = 'n0';
export const selfAddress = '172.16.0.1/16';
const zoneCount = 50;
const providersInUse = ['onprem', 'aws', 'gce', 'azure'] as const;

export function fleet(nodes: number): Cluster {
  return sketchCluster({
    name: 'bench',
    pools: ['10.0.0.0/8'],
    zones: Object.fromEntries(
      Array.from({ length: zoneCount }, (_, zone) => [
        `z${zone}`,
        { provider: providersInUse[zone % 4]!, region: `r${zone % 5}` },
      ]),
    ),
    rules: [
      { relations: { subnet: 'same' }, mode: 'native' },
      {
        from: { providers: ['aws'] },
        to: { providers: ['aws'] },
        relations: { zone: 'different' },
        mode: 'ipip',
      },
    ],
    nodes: Array.from({ length: nodes }, (_, i) => {
      const zone = i % zoneCount;
      const host = Math.floor(i / zoneCount);
      return {
        name: `n${i}`,
        zone: `z${zone}`,
        at: `172.${16 + zone}.${Math.floor(host / 250)}.${(host % 250) + 1}/16`,
        overlay: `10.${i >> 8}.${i & 255}.0/24`,
      };
    }),
  });
}

/** All peers by VXLAN, for measuring the kernel: the case with the most objects a peer. */
export function vxlanFleet(nodes: number): Cluster {
  const cluster = fleet(nodes);
  const [rule] = sketchCluster({ nodes: [], rules: [{ name: 'all', mode: 'vxlan' }] }).rules;
  return { ...cluster, rules: [rule!] };
}
