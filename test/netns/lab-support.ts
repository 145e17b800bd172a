/** Clusters for the lab's tests, built by hand from short descriptions. */
import { parseAddress } from '../../encap/address.js';
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
import { parsePrefix, tryParseInterfaceAddress } from '../../encap/prefix.js';

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

export { parseAddress };
