/**
 * Changes of the rules that could make a pair of nodes take a mode: the rule that decides asks for
 * it, or for whatever is cheapest; or a rule for just these two stands before all others.
 */
import type { Cluster, ClusterNode, Rule, Selector } from '../cluster.js';
import type { Family } from '../address.js';
import { decide } from '../decide.js';
import type { Mode } from '../mode.js';
import { siteOf } from '../relation.js';
import { ruleMismatch } from '../rules.js';
import type { UnderlayTable } from '../underlay/index.js';
import type { Change } from './change.js';

export interface Steering {
  readonly cluster: Cluster;
  readonly from: ClusterNode;
  readonly to: ClusterNode;
  readonly family: Family;
  /** The rule that decides, or that denies; undefined: the default applies. */
  readonly rule: Rule | undefined;
  readonly mode: Mode;
}

export function steerings(steering: Steering): readonly Change[] {
  const { rule, mode } = steering;
  const added = pairRule(steering);
  if (rule === undefined) return added;
  const change = { kind: 'rule-mode', rule: rule.name, unforce: rule.force } as const;
  return [
    ...(rule.mode === mode ? [] : [{ ...change, mode }]),
    ...(rule.mode === 'auto' ? [] : [{ ...change, mode: 'auto' as const }]),
    ...added,
  ];
}

/** Not where a rule speaks of just these two already: it would never match again. */
function pairRule({ cluster, from, to, family, mode }: Steering): readonly Change[] {
  const names = [from.name, to.name];
  const ofOne = (selector: Selector | undefined): boolean =>
    selector?.nodes?.every((name) => names.includes(name)) === true;
  const spoken = cluster.rules.some(
    ({ from: a, to: b, between }) => (ofOne(a) && ofOne(b)) || between?.every(ofOne) === true,
  );
  if (spoken) return [];
  const both = [from, to].every((node) => new Set(node.overlay.map((own) => own.family)).size > 1);
  return [
    {
      kind: 'rule-added',
      nodes: [from.name, to.name],
      family: both ? family : undefined,
      mode,
    },
  ];
}

/** Nodes asked for at most: every pair of them takes two decisions of some ten microseconds. */
const maxRepresentatives = 24;

/**
 * A rule that names a mode must not name it for pairs that cannot have it: such a file is refused.
 * Asked of nodes that stand for their kinds; with very many kinds not of all.
 */
export function carriesAll(cluster: Cluster, ruleName: string, facts: UnderlayTable): boolean {
  const rule = cluster.rules.find(({ name }) => name === ruleName);
  if (rule === undefined || rule.mode === 'auto' || rule.mode === 'deny' || rule.force) return true;
  const nodes = representatives(cluster, rule);
  for (const from of nodes)
    for (const owner of nodes) {
      if (from === owner) continue;
      for (const prefix of firstOfEachFamily(owner)) {
        const pair = {
          from: siteOf(cluster, from),
          to: siteOf(cluster, owner),
          family: prefix.family,
        };
        if (ruleMismatch(rule, pair) !== undefined) continue;
        const { verdict, trail } = decide(
          { cluster, local: undefined },
          { from, prefix, owner },
          { facts },
        );
        const decided = trail.some((step) => step.name === 'rule' && step.rule === rule);
        if (decided && verdict.kind === 'unreachable' && verdict.reason === 'no-mode') return false;
      }
    }
  return true;
}

function firstOfEachFamily(node: ClusterNode): ClusterNode['overlay'] {
  return ([4, 6] as const).flatMap(
    (family) => node.overlay.find((prefix) => prefix.family === family) ?? [],
  );
}

/** Two nodes of each kind that the rule can tell apart. */
function representatives(cluster: Cluster, rule: Rule): readonly ClusterNode[] {
  const named = [rule.from, rule.to, ...(rule.between ?? [])].flatMap((side) => side?.nodes ?? []);
  const labelled = cluster.rules.some((one) =>
    [one.from, one.to, ...(one.between ?? [])].some((side) => side?.labels !== undefined),
  );
  const counts = new Map<string, number>();
  const chosen: ClusterNode[] = [];
  for (const node of cluster.nodes.values()) {
    if (node.withdrawn) continue;
    const site = siteOf(cluster, node);
    const kind = [
      site.kind,
      ...([4, 6] as const).map((family) => site.attachments[family]?.network.text),
      new Set(node.overlay.map(({ family }) => family)).size,
      node.publicAddresses.length,
      labelled ? JSON.stringify(node.labels) : '',
      named.includes(node.name) ? node.name : '',
    ].join(' ');
    const count = counts.get(kind) ?? 0;
    if (count >= 2) continue;
    counts.set(kind, count + 1);
    chosen.push(node);
  }
  const step = Math.max(1, Math.ceil(chosen.length / maxRepresentatives));
  return chosen.filter((_, i) => i % step === 0);
}
