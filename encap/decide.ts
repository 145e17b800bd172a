/**
 * The decision: from one node to one overlay prefix, which way its packets go.
 *
 * A packet's question walks six steps. `local`: is the prefix our own? `membership`: who owns it,
 * and which outer addresses could reach the owner? `rule`: what does the operator ask for?
 * `feasible`: which modes does the underlay of both ends permit? `next-hop`: where does the packet
 * leave? `mtu`: how large may it be? Each step passes, excludes or decides; the trail of steps is
 * the execution itself.
 */
import type { Family } from './address.js';
import type { ClusterNode, Rule, Snapshot } from './cluster.js';
import { underlayAddress } from './cluster.js';
import type { AssessmentMemo } from './feasible.js';
import { assessAll } from './feasible.js';
import type { Prefix } from './prefix.js';
import { siteOf } from './relation.js';
import type { RulePair, RuleTrial } from './rules.js';
import { ruleMismatch } from './rules.js';
import type { Candidate, Decision, NextHop, OuterEnds, PairNames, Step, Verdict } from './trail.js';
import type { UnderlayTable } from './underlay/index.js';
import { underlayFacts } from './underlay/index.js';

export interface Question {
  readonly from: ClusterNode;
  readonly prefix: Prefix;
  /** Owner of the prefix; undefined when no node has it. */
  readonly owner: ClusterNode | undefined;
}

export interface DecideOptions {
  /** The underlay facts to believe; the built-in table unless a what-if asks otherwise. */
  readonly facts?: UnderlayTable;
  /** Shared by the decisions of one sender, see `AssessmentMemo`. */
  readonly memo?: AssessmentMemo;
}

export function decide(
  snapshot: Snapshot,
  question: Question,
  options: DecideOptions = {},
): Decision {
  const { from, prefix, owner } = question;
  const facts = options.facts ?? underlayFacts;
  const trail: Step[] = [];
  const finish = (verdict: Verdict): Decision => ({
    from: from.name,
    prefix,
    owner: owner?.name,
    verdict,
    // Ten thousand of these stay: an array that grew has room for as much again, its copy has not.
    trail: trail.slice(),
  });

  const own = owner?.name === from.name;
  trail.push(own ? localDecides : localPasses);
  if (own) return finish({ kind: 'local' });

  const membership = membershipStep(from, owner);
  trail.push(membership);
  if (owner === undefined || membership.problem !== undefined)
    return finish({ kind: 'unreachable', reason: membership.problem ?? 'unknown' });

  const pair = {
    from: siteOf(snapshot.cluster, from),
    to: siteOf(snapshot.cluster, owner),
    family: prefix.family,
  };
  const rule = ruleStep(snapshot, pair);
  trail.push(rule);
  const denying = rule.deniedBack ?? (rule.result === 'deny' ? rule.rule : undefined);
  if (denying !== undefined) return finish({ kind: 'deny', rule: denying });

  const assessment = assessAll(
    {
      cluster: snapshot.cluster,
      local: snapshot.local,
      facts,
      from: pair.from,
      to: pair.to,
      inner: prefix.family,
      ends: membership.ends,
      wanted: rule.result,
      rule: rule.rule,
    },
    options.memo,
  );
  const { candidates, chosen, forced } = assessment;
  trail.push({
    name: 'feasible',
    outcome: chosen === undefined ? 'decide' : 'exclude',
    pair: pairNames(from, owner),
    candidates,
    chosen,
    forced,
  });
  const ledger = chosen?.ledger;
  if (chosen === undefined || ledger === undefined)
    return finish({ kind: 'unreachable', reason: 'no-mode' });

  const ends = membership.ends.find((entry) => entry.family === chosen.carriage.outer)!;
  const nextHop = nextHopFor(snapshot, { from, chosen, ends });
  trail.push({
    name: 'next-hop',
    outcome: nextHop === undefined ? 'decide' : 'pass',
    nextHop,
  });
  if (nextHop === undefined) return finish({ kind: 'unreachable', reason: 'no-underlay-route' });

  trail.push({ name: 'mtu', outcome: 'decide', ledger });
  return finish({
    kind: 'forward',
    mode: chosen.carriage.mode,
    carriage: chosen.carriage,
    plane: chosen.plane,
    ends: chosen.carriage.mode === 'native' ? undefined : ends,
    nextHop,
    mtu: ledger.inner,
  });
}

const localPasses: Step = Object.freeze({ name: 'local', outcome: 'pass' });
const localDecides: Step = Object.freeze({ name: 'local', outcome: 'decide' });

type MembershipStep = Extract<Step, { readonly name: 'membership' }>;

function membershipStep(from: ClusterNode, owner: ClusterNode | undefined): MembershipStep {
  const step = (
    problem: MembershipStep['problem'],
    ends: readonly OuterEnds[] = [],
  ): MembershipStep => ({
    name: 'membership',
    outcome: problem === undefined ? 'pass' : 'decide',
    owner: owner?.name,
    problem,
    ends,
    ...(owner?.stale === undefined ? {} : { stale: owner.stale }),
  });
  if (owner === undefined) return step('unknown');
  if (owner.withdrawn) return step('withdrawn');
  const [four, six] = [outerEnds(from, owner, 4), outerEnds(from, owner, 6)];
  if (six === undefined)
    return four === undefined ? step('no-common-address') : step(undefined, [four]);
  return step(undefined, four === undefined ? [six] : [four, six]);
}

/** Private first; a public address only of a node that has no other of the family. */
function outerEnds(from: ClusterNode, owner: ClusterNode, family: Family): OuterEnds | undefined {
  const local = underlayAddress(from, family)?.address;
  if (local === undefined) return undefined;
  const underlay = underlayAddress(owner, family)?.address;
  const published = owner.publicAddresses.find((address) => address.family === family);
  const remote = underlay ?? published;
  if (remote === undefined) return undefined;
  return { family, local, remote, public: remote.text === published?.text };
}

type RuleStep = Extract<Step, { readonly name: 'rule' }>;

/**
 * The first rule that matches. A pair whose way back is denied is denied as well: nothing could be
 * answered, and the receiver, which has no way to the sender, would drop what arrives.
 */
function ruleStep(snapshot: Snapshot, pair: RulePair): RuleStep {
  const { rules } = snapshot.cluster;
  const trials: RuleTrial[] = [];
  const step = (rule: Rule | undefined, deniedBack: Rule | undefined): RuleStep => {
    const result = deniedBack !== undefined ? 'deny' : (rule?.mode ?? 'auto');
    const outcome = result === 'deny' ? 'decide' : 'pass';
    return { name: 'rule', outcome, trials: trials.slice(), rule, result, deniedBack };
  };
  for (const rule of rules) {
    const mismatch = ruleMismatch(rule, pair);
    trials.push({ rule, mismatch });
    if (mismatch === undefined)
      return step(rule, rule.mode === 'deny' ? undefined : denialOf(rules, backOf(pair)));
  }
  return step(undefined, denialOf(rules, backOf(pair)));
}

function backOf(pair: RulePair): RulePair {
  return { from: pair.to, to: pair.from, family: pair.family };
}

/** The rule that denies a pair, if its first match does. */
function denialOf(rules: readonly Rule[], pair: RulePair): Rule | undefined {
  // Only a rule with a direction can say something else of the way back.
  if (!rules.some((rule) => rule.mode === 'deny' && rule.between === undefined)) return undefined;
  const first = rules.find((rule) => ruleMismatch(rule, pair) === undefined);
  return first?.mode === 'deny' ? first : undefined;
}

function nextHopFor(
  snapshot: Snapshot,
  way: { readonly from: ClusterNode; readonly chosen: Candidate; readonly ends: OuterEnds },
): NextHop | undefined {
  const { chosen, ends } = way;
  const local = snapshot.local?.node === way.from.name ? snapshot.local : undefined;
  if (chosen.carriage.mode !== 'native') return { kind: 'tunnel', ends };
  const device = local?.nics[ends.family]?.name;
  if (chosen.adjacent) return { kind: 'adjacent', via: ends.remote, device };
  if (local === undefined) return { kind: 'routed', via: undefined, device: undefined };
  const route = local.underlayRoutes.get(ends.remote.text);
  if (route === undefined) return undefined;
  // On link without a gateway: the owner answers for itself, as the overlay address would not.
  return { kind: 'routed', via: route.gateway ?? ends.remote, device: route.device };
}

function pairNames(from: ClusterNode, to: ClusterNode): PairNames {
  const names = { from: from.name, to: to.name };
  if (from.observed === undefined && to.observed === undefined) return names;
  return {
    ...names,
    observed: {
      ...(from.observed === undefined ? {} : { from: from.observed }),
      ...(to.observed === undefined ? {} : { to: to.observed }),
    },
  };
}
