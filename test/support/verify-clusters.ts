/**
 * Random clusters for checks of a whole cluster: few attributes that many nodes share, so that
 * classes have several members and relations of every kind occur between them.
 */
import fc from 'fast-check';
import { parseAddress } from '../../encap/address.js';
import type { Cluster, ClusterNode, Rule } from '../../encap/cluster.js';
import { nodeTable } from '../../encap/node-table.js';
import { parsePrefix, tryParseInterfaceAddress } from '../../encap/prefix.js';
import { arbitraryCluster } from './cluster-builder.js';

const bend = fc.record({
  /** The zone's own subnet, or one of two others. */
  net: fc.constantFrom(0, 0, 1, 2),
  length: fc.constantFrom(24, 24, 24, 32),
  underlay: fc.constantFrom('4', '4', '46', '6', ''),
  net6: fc.constantFrom(0, 0, 1),
  published: fc.constantFrom('', '', '', '4', '6', 'same'),
  overlay: fc.constantFrom('46', '46', '46', '4', '6', ''),
  accepts: fc.constantFrom('', '', 'none', 'userspace'),
  plain: fc.boolean(),
  withdrawn: fc.constantFrom(false, false, false, false, false, true),
  clash: fc.constantFrom(false, false, false, false, false, false, false, true),
});

const selective = fc.record({
  mode: fc.constantFrom('native', 'ipip', 'vxlan', 'auto', 'deny' as const),
  force: fc.boolean(),
  family: fc.constantFrom(undefined, undefined, 4, 6 as const),
  field: fc.constantFrom('nodes', 'subnets'),
  oneWay: fc.boolean(),
  position: fc.nat(4),
});

/** Up to twelve nodes, made from up to three moulds, over up to four zones. */
export const arbitraryFleet: fc.Arbitrary<Cluster> = fc
  .record({
    base: arbitraryCluster,
    moulds: fc.array(fc.record({ like: fc.nat(7), bend, odd: fc.constantFrom(0, 0, 0, 1) }), {
      minLength: 1,
      maxLength: 3,
    }),
    nodes: fc.array(fc.record({ mould: fc.nat(2), net: fc.nat(2), net6: fc.nat(1) }), {
      minLength: 2,
      maxLength: 12,
    }),
    rules: fc.array(selective, { maxLength: 2 }),
    allowPublic: fc.boolean(),
  })
  .map(({ base, moulds, nodes: picks, rules, allowPublic }) => {
    const originals = [...base.nodes.values()];
    const nodes = picks.map(({ mould, net, net6 }, i) => {
      const { like, bend, odd } = moulds[mould % moulds.length]!;
      const original = originals[like % originals.length]!;
      return bent(original, i, odd === 1 ? bend : { ...bend, net, net6, clash: false });
    });
    const selected = rules.map((rule, i) => selectiveRule(rule, `s${i}`));
    const all = [...base.rules];
    for (const [i, rule] of selected.entries()) all.splice(rules[i]!.position, 0, rule);
    return {
      ...base,
      rules: all,
      links: base.links.map((link) => ({ ...link, allowPublic })),
      nodes: nodeTable(nodes),
    };
  });

function bent(node: ClusterNode, i: number, how: Bend): ClusterNode {
  const zone = Number(node.zone.slice(1));
  const address = (text: string) => {
    const parsed = tryParseInterfaceAddress(text);
    if (typeof parsed === 'string') throw new SyntaxError(text);
    return parsed;
  };
  const own4 = how.clash ? `10.64.0.${i + 20}` : `10.${zone}.${how.net}.${i + 10}`;
  return {
    ...node,
    name: `n${i}`,
    ...(how.plain ? { switches: {}, mtu: undefined, labels: {} } : {}),
    underlay: [
      ...(how.underlay.includes('4') ? [address(`${own4}/${how.length}`)] : []),
      ...(how.underlay.includes('6') ? [address(`fd00:${zone}:${how.net6}::${i + 10}/64`)] : []),
    ],
    publicAddresses:
      how.published === 'same'
        ? how.underlay.includes('4')
          ? [parseAddress(own4)]
          : []
        : how.published === ''
          ? []
          : [parseAddress(how.published === '4' ? `198.51.100.${i + 1}` : `2001:db8::${i + 1}`)],
    overlay: [
      ...(how.overlay.includes('4') ? [parsePrefix(`10.64.${i}.0/24`)] : []),
      ...(how.overlay.includes('6') ? [parsePrefix(`fd64:0:0:${i + 1}::/64`)] : []),
    ],
    accepts: how.accepts === '' ? {} : { 'vxlan:4:4': how.accepts },
    withdrawn: how.withdrawn,
  };
}

interface Bend {
  readonly net: number;
  readonly length: number;
  readonly underlay: string;
  readonly net6: number;
  readonly published: string;
  readonly overlay: string;
  readonly accepts: '' | 'none' | 'userspace';
  readonly plain: boolean;
  readonly withdrawn: boolean;
  readonly clash: boolean;
}

function selectiveRule(
  rule: {
    readonly mode: string;
    readonly force: boolean;
    readonly family: 4 | 6 | undefined;
    readonly field: string;
    readonly oneWay: boolean;
  },
  name: string,
): Rule {
  const selector =
    rule.field === 'nodes'
      ? { nodes: ['n0', 'n2', 'n3'] }
      : { subnets: [parsePrefix('10.0.0.0/24'), parsePrefix('fd00:1::/48')] };
  return {
    name,
    relations: {},
    ...(rule.oneWay ? { from: selector } : { between: [selector, {}] as const }),
    ...(rule.family === undefined ? {} : { family: rule.family }),
    mode: rule.mode as Rule['mode'],
    force: rule.force,
    reason: undefined,
  };
}
