/**
 * A cluster as a bundle has it: the fields that decisions are made of, each one named. Keys, tokens
 * and passwords have no field here, wherever a file may keep them.
 */
import type {
  CloudSettings,
  Cluster,
  ClusterNode,
  Link,
  Masquerade,
  ProbeSettings,
  Rule,
  Selector,
  Switches,
  Zone,
  ZoneSubnet,
} from '../../encap/cluster.js';
import { nodeTable } from '../../encap/node-table.js';
import type { ObservedNode } from '../../encap/observed.js';
import { fields, keep } from './shape.js';

const switches = fields<Switches>({
  sourceDestinationCheck: 'whole',
  ipForwarding: 'whole',
  fabricRoutes: 'whole',
  firewall: fields<NonNullable<Switches['firewall']>>({
    ipip: 'whole',
    ipv6InIpv4: 'whole',
    vxlan: 'whole',
    native: 'whole',
  }),
});

const source = fields({ file: 'whole', line: 'whole', column: 'whole' });

const selector = fields<Selector>({
  zones: 'whole',
  regions: 'whole',
  providers: 'whole',
  subnets: 'whole',
  // Rules match by them.
  labels: 'whole',
  nodes: 'whole',
});

const zone = fields<Zone>({
  name: 'whole',
  provider: 'whole',
  region: 'whole',
  subnets: { each: fields<ZoneSubnet>({ prefix: 'whole', segment: 'whole', source }) },
  switches,
  mtu: 'whole',
  source,
});

const link = fields<Link>({
  ends: {
    each: fields<{ kind: string; zone: string; provider: string }>({
      kind: 'whole',
      zone: 'whole',
      provider: 'whole',
    }),
  },
  mtu: 'whole',
  modes: 'whole',
  allowPublic: 'whole',
  note: 'whole',
  source,
});

const rule = fields<Rule>({
  name: 'whole',
  from: selector,
  to: selector,
  between: { each: selector },
  relations: 'whole',
  family: 'whole',
  mode: 'whole',
  force: 'whole',
  reason: 'whole',
  source,
});

const node = fields<ClusterNode>({
  name: 'whole',
  zone: 'whole',
  underlay: 'whole',
  publicAddresses: 'whole',
  overlay: 'whole',
  labels: 'whole',
  switches,
  mtu: 'whole',
  accepts: 'whole',
  withdrawn: 'whole',
  stale: 'whole',
  observed: fields<ObservedNode>({
    switches,
    admits: 'whole',
    source: 'whole',
    waits: 'whole',
  }),
  live: 'whole',
  masquerade: 'whole',
  source,
});

const cluster = fields<Cluster>({
  name: 'whole',
  revision: 'whole',
  pools: 'whole',
  vxlan: fields<Cluster['vxlan']>({ vni: 'whole', port: 'whole' }),
  masquerade: fields<Masquerade>({ sources: 'whole', exclude: 'whole' }),
  settleMs: 'whole',
  changeover: 'whole',
  probes: fields<ProbeSettings>({ policy: 'whole', port: 'whole', packetsPerSecond: 'whole' }),
  cloud: fields<CloudSettings>({ manage: 'whole', refreshMs: 'whole', routeLimit: 'whole' }),
  zones: { values: zone },
  links: { each: link },
  rules: { each: rule },
  // A table, not a list: below.
  nodes: 'leave out',
});

export function keptCluster(given: Cluster): Cluster {
  const nodes = [...given.nodes.values()].map((entry) => keep(entry, node) as ClusterNode);
  return { ...(keep(given, cluster) as Cluster), nodes: nodeTable(nodes) };
}
