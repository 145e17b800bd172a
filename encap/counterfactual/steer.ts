/**
 * Changes of the rules that could make a pair of nodes take a mode: the rule that decides asks for
 * it, or for whatever is cheapest; or a rule for just these two stands before all others.
 */
import type { Cluster, ClusterNode, Rule, Selector } from '../cluster.js';
import type { Family } from '../address.js';
import type { Mode } from '../mode.js';
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
