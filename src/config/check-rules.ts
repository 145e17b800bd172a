/**
 * Pairs of nodes that no packet could travel between. A rule that forces a mode which the underlay
 * does not carry is refused when the file is read; where `auto` finds nothing it is a warning, as
 * some walls are meant.
 *
 * The question is put to `decide` itself, for pairs of nodes that stand for all: nodes with the
 * same zone, subnets, abilities and answers to every rule's selectors are alike, so one or two of
 * each kind are asked. What is reported is true of the nodes named; in a file with very many kinds
 * the coarser kinds may hide a pair, which `route-explain` would still show.
 */
import { type Family, familyBits } from '../../encap/address.js';
import type { Cluster, ClusterNode, Link, Rule, Selector } from '../../encap/cluster.js';
import { type Question, decide } from '../../encap/decide.js';
import { describeExclusion } from '../../encap/describe.js';
import { mayBecomeFeasible } from '../../encap/feasible.js';
import { prefixContains, prefixOf } from '../../encap/prefix.js';
import { type Exclusion, stepOf } from '../../encap/trail.js';
import type { DraftLink, DraftNode, DraftRule, Drafts } from './draft.js';
import type { Path } from './problem.js';
import type { Report } from './report.js';

/** Decisions asked for at most; one takes a few microseconds. */
const maxDecisions = 40_000;

interface Infeasible {
  readonly from: ClusterNode;
  readonly to: ClusterNode;
  readonly family: Family;
  readonly rule: Rule | undefined;
  /** Of the candidate that least speaks against. */
  readonly exclusions: readonly Exclusion[];
  readonly link: Link | undefined;
}

export interface Written {
  readonly rules: readonly DraftRule[];
  readonly links: readonly DraftLink[];
  readonly nodes: Drafts<DraftNode>;
}

export function checkFeasibility(
  cluster: Cluster,
  context: { readonly written: Written; readonly report: Report },
): void {
  const { written, report } = context;
  const forced = new Map<Rule, Infeasible[]>();
  const stranded = new Map<Path, Infeasible[]>();
  // The way back of a pair is the same finding.
  const met = new Set<string>();
  const nodes = representatives(cluster);
  for (const from of nodes) {
    for (const to of nodes) {
      if (from === to) continue;
      for (const family of [4, 6] as const) {
        const found = askPair(cluster, { from, to, family });
        if (found === undefined) continue;
        if (found.rule !== undefined && forces(found.rule)) push(forced, found.rule, found);
        else if (!met.has(`${to.name} ${from.name} ${family}`))
          push(stranded, placeOf(found, written), found);
        met.add(`${from.name} ${to.name} ${family}`);
      }
    }
  }
  for (const { rule, path } of written.rules) {
    const cases = forced.get(rule);
    if (cases === undefined) continue;
    report.add({
      code: 'rule-infeasible',
      path: [...path, 'mode'],
      value: rule.mode,
      message: complaint(rule.mode, cases),
      remedy: remedyFor(cases[0]!, rule),
    });
  }
  for (const [path, cases] of stranded) {
    report.add({
      code: 'no-mode',
      severity: 'warning',
      path,
      message: complaint('no mode', cases),
      remedy:
        'widen "modes" of the link, confirm what passes by the switches of the zones, or deny the pair by a rule',
    });
  }
}

function push<K>(groups: Map<K, Infeasible[]>, key: K, found: Infeasible): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, [found]);
  else group.push(found);
}

function forces(rule: Rule): boolean {
  return rule.mode !== 'auto' && rule.mode !== 'deny' && !rule.force;
}

/** Where a pair that is left without a mode is told of: at the link, the rule, or the node. */
function placeOf({ link, rule, from }: Infeasible, { links, rules, nodes }: Written): Path {
  const atLink = link && links.find((draft) => draft.link === link)?.path;
  const atRule = rule && rules.find((draft) => draft.rule === rule)?.path;
  return atLink ?? atRule ?? nodes.byName.get(from.name)!.path;
}

function askPair(
  cluster: Cluster,
  pair: { readonly from: ClusterNode; readonly to: ClusterNode; readonly family: Family },
): Infeasible | undefined {
  const { from, to, family } = pair;
  const prefix = to.overlay.find((entry) => entry.family === family);
  if (prefix === undefined) return undefined;
  const question: Question = { from, prefix, owner: to };
  const decision = decide({ cluster, local: undefined }, question);
  const { verdict } = decision;
  if (verdict.kind !== 'unreachable' || verdict.reason !== 'no-mode') return undefined;
  const candidates = (stepOf(decision, 'feasible')?.candidates ?? [])
    .filter((candidate) => !candidate.exclusions.some(({ code }) => code === 'rule'))
    .sort((a, b) => weight(a.exclusions) - weight(b.exclusions));
  // Nothing is against it but a switch that agents read, and may set, at run time.
  if (candidates.some(mayBecomeFeasible)) return undefined;
  const links = candidates.flatMap(({ exclusions }) =>
    exclusions.flatMap((exclusion) => (exclusion.code === 'link' ? [exclusion.link] : [])),
  );
  return {
    ...pair,
    rule: stepOf(decision, 'rule')?.rule,
    exclusions: candidates[0]?.exclusions ?? [],
    link: links[0],
  };
}

/** A missing outer address says less than anything that speaks against a present one. */
function weight(exclusions: readonly Exclusion[]): number {
  return exclusions.length + (exclusions.some(({ code }) => code === 'no-outer-address') ? 100 : 0);
}

function complaint(what: string, cases: readonly Infeasible[]): string {
  const [{ from, to, family, exclusions }] = cases as [Infeasible];
  const why = [
    ...new Set(
      exclusions.map((exclusion) => describeExclusion(exclusion, { from: from.name, to: to.name })),
    ),
  ]
    .slice(0, 2)
    .join('; ');
  const zones = new Set(cases.map((it) => [it.from.zone, it.to.zone].sort().join(' ')));
  const others = zones.size - 1;
  const more =
    others > 0 ? `, and for ${others} more ${others > 1 ? 'pairs' : 'pair'} of zones` : '';
  const verb = what === 'no mode' ? 'carries' : 'does not carry';
  return `${what} ${verb} IPv${family} from ${from.name} to ${to.name}${more}: ${why}`;
}

function remedyFor({ family, exclusions, from, to }: Infeasible, rule: Rule): string {
  const [first] = exclusions;
  if (family === 6 && rule.family === undefined) {
    if (exclusions.some(({ code }) => code === 'no-outer-address'))
      return 'add "family: 4" to the rule, or IPv6 underlay addresses to the nodes';
    if (rule.mode === 'ipip')
      return 'add "family: 4" to the rule, or "force: true" if you know that it passes';
  }
  if (first?.code === 'switch')
    return `add "${first.need.switch}: ${first.need.value}" to zone ${{ from, to }[first.end].zone} once that is so, or use mode: auto`;
  if (first?.code === 'unconfirmed')
    return 'say so below "firewall:" of the zone if it passes, use mode: auto, or add "force: true"';
  return 'use mode: auto, narrow the rule, or add "force: true" if you know better';
}

/** Two nodes of each kind, in finer kinds as long as the pairs stay few enough. */
function representatives(cluster: Cluster): readonly ClusterNode[] {
  const selectors = cluster.rules.flatMap((rule) => [
    ...(rule.from ? [rule.from] : []),
    ...(rule.to ? [rule.to] : []),
    ...(rule.between ?? []),
  ]);
  const matters = selectors.filter(({ nodes, labels, subnets }) => nodes ?? labels ?? subnets);
  let chosen: ClusterNode[] = [];
  for (const fine of [true, false]) {
    const kinds = new Map<string, number>();
    chosen = [];
    for (const node of cluster.nodes.values()) {
      const key = kindOf(node, { cluster, selectors: matters, fine });
      const count = kinds.get(key) ?? 0;
      if (count >= 2) continue;
      kinds.set(key, count + 1);
      chosen.push(node);
    }
    if (2 * chosen.length ** 2 <= maxDecisions) return chosen;
  }
  return chosen.slice(0, Math.floor(Math.sqrt(maxDecisions / 2)));
}

function kindOf(
  node: ClusterNode,
  options: {
    readonly cluster: Cluster;
    readonly selectors: readonly Selector[];
    readonly fine: boolean;
  },
): string {
  const { selectors, fine } = options;
  const families = [
    ...node.underlay.map(({ address }) => `u${address.family}`),
    ...node.publicAddresses.map(({ family }) => `p${family}`),
    ...node.overlay.map(({ family }) => `o${family}`),
  ];
  const parts: unknown[] = [node.zone, families, node.switches, node.accepts, node.mtu];
  parts.push(selectors.map((selector) => Number(speaksOf(selector, node))).join(''));
  if (fine) {
    const zone = options.cluster.zones.get(node.zone);
    for (const { address, length } of node.underlay) {
      const subnet = zone?.subnets.find(({ prefix }) => prefixContains(prefix, address));
      const host = length === familyBits(address.family);
      parts.push(subnet?.prefix.text, host ? 'host' : prefixOf(address, length).text);
    }
  }
  return JSON.stringify(parts);
}

function speaksOf(selector: Selector, node: ClusterNode): boolean {
  const { nodes, labels, subnets } = selector;
  if (nodes !== undefined && !nodes.includes(node.name)) return false;
  for (const [key, values] of Object.entries(labels ?? {}))
    if (!values.includes(node.labels[key] ?? '')) return false;
  return (
    subnets === undefined ||
    subnets.some((prefix) => node.underlay.some(({ address }) => prefixContains(prefix, address)))
  );
}
