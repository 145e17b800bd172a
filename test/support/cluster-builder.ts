/** Clusters for tests: a terse way to write one down, and random ones for properties. */
import fc from 'fast-check';
import { parseAddress } from '../../encap/address.js';
import type {
  Accepts,
  Cluster,
  ClusterNode,
  Link,
  Rule,
  Switches,
  Zone,
} from '../../encap/cluster.js';
import { providers } from '../../encap/cluster.js';
import { nodeTable } from '../../encap/node-table.js';
import { parsePrefix, tryParseInterfaceAddress } from '../../encap/prefix.js';

export interface NodeSketch {
  readonly name: string;
  readonly zone?: string;
  /** `10.0.1.5/24`, one a family. */
  readonly at: string | readonly string[];
  readonly overlay: string | readonly string[];
  readonly public?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly switches?: Switches;
  readonly mtu?: number;
  readonly accepts?: Accepts;
  readonly withdrawn?: boolean;
}

export interface ZoneSketch extends Partial<Omit<Zone, 'subnets' | 'name'>> {
  /** `10.0.1.0/24`, or `10.0.1.0/24 SEGMENT`. */
  readonly subnets?: readonly string[];
}

export interface ClusterSketch {
  readonly name?: string;
  readonly pools?: readonly string[];
  readonly zones?: Readonly<Record<string, ZoneSketch>>;
  readonly links?: readonly Partial<Link>[];
  readonly rules?: readonly Partial<Rule>[];
  readonly nodes: readonly NodeSketch[];
  readonly vni?: number;
  readonly port?: number;
}

export function sketchNode(sketch: NodeSketch): ClusterNode {
  return {
    name: sketch.name,
    zone: sketch.zone ?? 'default',
    underlay: [sketch.at].flat().map((text) => {
      const parsed = tryParseInterfaceAddress(text);
      if (typeof parsed === 'string') throw new SyntaxError(`${parsed}: ${text}`);
      return parsed;
    }),
    publicAddresses: (sketch.public ?? []).map(parseAddress),
    overlay: [sketch.overlay].flat().map(parsePrefix),
    labels: sketch.labels ?? {},
    switches: sketch.switches ?? {},
    mtu: sketch.mtu,
    accepts: sketch.accepts ?? {},
    withdrawn: sketch.withdrawn ?? false,
  };
}

export function sketchCluster(sketch: ClusterSketch): Cluster {
  const zones = Object.entries(sketch.zones ?? { default: {} }).map(([name, zone]): Zone => ({
    provider: 'onprem',
    region: undefined,
    switches: {},
    mtu: undefined,
    ...zone,
    name,
    subnets: (zone.subnets ?? []).map((text) => {
      const [prefix, segment] = text.split(' ');
      return { prefix: parsePrefix(prefix!), segment };
    }),
  }));
  return {
    name: sketch.name ?? 'test',
    revision: 1,
    pools: (sketch.pools ?? ['10.64.0.0/12']).map(parsePrefix),
    vxlan: { vni: sketch.vni ?? 4096, port: sketch.port ?? 4789 },
    zones: new Map(zones.map((zone) => [zone.name, zone])),
    links: (sketch.links ?? []).map((link) => ({
      ends: [
        { kind: 'zone', zone: 'default' },
        { kind: 'zone', zone: 'default' },
      ],
      mtu: undefined,
      modes: undefined,
      allowPublic: false,
      note: undefined,
      ...link,
    })),
    rules: (sketch.rules ?? []).map((rule, index) => ({
      name: `rule-${index + 1}`,
      relations: {},
      mode: 'auto',
      force: false,
      reason: undefined,
      ...rule,
    })),
    nodes: nodeTable(sketch.nodes.map(sketchNode)),
  };
}

const optional = <T>(values: readonly T[]): fc.Arbitrary<T | undefined> =>
  fc.option(fc.constantFrom(...values), { nil: undefined });

const arbitrarySwitches: fc.Arbitrary<Switches> = fc
  .record({
    sourceDestinationCheck: optional(['enabled', 'disabled'] as const),
    ipForwarding: optional(['enabled', 'disabled'] as const),
    fabricRoutes: optional(['present', 'absent'] as const),
    ipip: optional(['allowed', 'blocked'] as const),
    native: optional(['allowed', 'blocked'] as const),
  })
  .map(({ ipip, native, ...rest }) =>
    withoutUndefined({ ...rest, firewall: withoutUndefined({ ipip, native }) }),
  );

function withoutUndefined<T extends object>(
  value: T,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

/** Up to eight nodes of both families over up to four zones, with rules and links of every kind. */
export const arbitraryCluster: fc.Arbitrary<Cluster> = fc
  .record({
    zones: fc.array(
      fc.record({
        provider: fc.constantFrom(...providers),
        region: optional(['west', 'east']),
        switches: arbitrarySwitches,
        mtu: optional([1400, 1500, 9001]),
        declared: fc.boolean(),
        segment: optional(['seg-a', 'seg-b']),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    nodes: fc.array(
      fc.record({
        zone: fc.nat(3),
        length: fc.constantFrom(24, 25, 32),
        v6: fc.boolean(),
        switches: arbitrarySwitches,
        mtu: optional([1400, 9001]),
        userspace: fc.boolean(),
        label: optional(['db', 'web']),
      }),
      { minLength: 2, maxLength: 8 },
    ),
    rules: fc.array(
      fc.record({
        mode: fc.constantFrom('native', 'ipip', 'vxlan', 'auto', 'deny'),
        force: fc.boolean(),
        relation: optional(['zone', 'subnet', 'segment', 'region', 'provider'] as const),
        way: fc.constantFrom('same', 'different'),
        fromZone: fc.option(fc.nat(3), { nil: undefined }),
        toProvider: optional(providers),
        label: optional(['db', 'web']),
        oneWay: fc.boolean(),
      }),
      { maxLength: 4 },
    ),
    links: fc.array(
      fc.record({
        a: fc.nat(3),
        b: fc.constantFrom(...providers),
        mtu: optional([1300, 1446, 9001]),
        modes: optional([['vxlan'], ['ipip', 'vxlan'], ['native', 'vxlan']] as const),
      }),
      { maxLength: 3 },
    ),
  })
  .map(({ zones, nodes, rules, links }) => {
    const zoneName = (index: number): string => `z${index % zones.length}`;
    return sketchCluster({
      pools: ['10.64.0.0/12', 'fd64::/48'],
      zones: Object.fromEntries(
        zones.map(({ declared, segment, ...zone }, index) => [
          `z${index}`,
          {
            ...zone,
            subnets: declared
              ? [`10.${index}.0.0/24${segment === undefined ? '' : ` ${segment}`}`]
              : [],
          },
        ]),
      ),
      nodes: nodes.map((node, index) => ({
        name: `n${index}`,
        zone: zoneName(node.zone),
        at: [
          `10.${node.zone % zones.length}.0.${index + 10}/${node.length}`,
          ...(node.v6 ? [`fd00:${node.zone % zones.length}::${index + 10}/64`] : []),
        ],
        overlay: [`10.64.${index}.0/24`, `fd64:0:0:${index + 1}::/64`],
        switches: node.switches,
        ...(node.mtu === undefined ? {} : { mtu: node.mtu }),
        accepts: node.userspace ? { 'ipip:4:4': 'userspace' } : {},
        labels: node.label === undefined ? {} : { role: node.label },
      })),
      rules: rules.map((rule) => {
        const left = {
          ...(rule.fromZone === undefined ? {} : { zones: [zoneName(rule.fromZone)] }),
          ...(rule.label === undefined ? {} : { labels: { role: [rule.label] } }),
        };
        const right = rule.toProvider === undefined ? {} : { providers: [rule.toProvider] };
        return {
          mode: rule.mode,
          force: rule.force,
          relations: rule.relation === undefined ? {} : { [rule.relation]: rule.way },
          ...(rule.oneWay ? { from: left, to: right } : { between: [left, right] as const }),
        };
      }),
      links: links.map((link) => ({
        ends: [
          { kind: 'zone', zone: zoneName(link.a) },
          { kind: 'provider', provider: link.b },
        ] as const,
        mtu: link.mtu,
        modes: link.modes,
      })),
    });
  });
