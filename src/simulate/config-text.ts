/** The configuration of a synthetic fleet, as its operator would write it into the store. */
import { stringify } from 'yaml';
import type { FleetLayout } from './layout.js';

export interface FleetConfig {
  /** `wanted`: the cheapest mode that passes; `vxlan`: one rule for all, which moves every peer. */
  readonly rules: 'wanted' | 'vxlan';
}

/** Shorter than by default, as in between nothing happens but resyncs. */
export const staleGraceSeconds = 120;
/** A VPN's tunnel carries this much of an underlay packet. */
const vpnMtu = 1446;
const ownSites = ['onprem', 'onprem-bgp'] as const;
const clouds = ['aws', 'gce', 'azure'] as const;

export function fleetConfig(layout: FleetLayout, { rules }: FleetConfig): string {
  const cluster = {
    version: 1,
    cluster: fleetName,
    overlay: {
      pools: layout.pool,
      blocks: layout.zones.map(({ name, blocks }) => ({
        within: blocks,
        size: layout.blockLength,
        zones: name,
      })),
    },
    // Nobody is there to answer them.
    probes: 'off',
    fleet: { staleGraceSeconds },
    zones: layout.zones.map(({ name, provider, region, subnets }) => ({
      name,
      provider,
      region,
      subnets,
      ...(provider === 'aws' ? { sourceDestinationCheck: 'disabled' } : {}),
    })),
    links: ownSites.flatMap((site) =>
      clouds.map((cloud) => ({
        between: [{ provider: site }, { provider: cloud }],
        mtu: vpnMtu,
        note: 'site-to-site VPN',
      })),
    ),
    rules: [...(rules === 'vxlan' ? [{ name: 'everything', mode: 'vxlan' }] : wantedRules)],
  };
  return stringify(cluster, { aliasDuplicateObjects: false });
}

export const fleetName = 'simulated';

const wantedRules = [
  {
    name: 'native-in-a-subnet',
    same: 'subnet',
    between: [{ provider: ['onprem', 'aws'] }, { provider: ['onprem', 'aws'] }],
    mode: 'native',
  },
  {
    name: 'ipip-across-aws-zones',
    between: [{ provider: 'aws' }, { provider: 'aws' }],
    same: 'region',
    different: 'zone',
    mode: 'ipip',
  },
  { name: 'whatever-passes', mode: 'auto' },
];
