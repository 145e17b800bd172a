/**
 * What is to be said of one pair of nodes and one family, read off its decision and the decision
 * for the way back. The texts name rules, facts and providers but no nodes, so that the many pairs
 * with one cause are one finding.
 */
import type { Rule } from '../cluster.js';
import { describeCarriage, describeExclusion, describeRule } from '../describe.js';
import type { Candidate, Decision, Exclusion, PairNames } from '../trail.js';
import { stepOf } from '../trail.js';
import type { PairFinding } from './finding.js';
import { endNames } from './end-names.js';
import { outcomeOf, outcomeText } from './outcome.js';
import type { PairView } from './pair-view.js';
import { remediesOf } from './remedy.js';
import { unconfirmedFindings } from './unconfirmed.js';

export function pairFindings(view: PairView): readonly PairFinding[] {
  const { verdict } = view.decision;
  switch (verdict.kind) {
    case 'local':
      return [];
    case 'deny':
      return deniedOneWay(view);
    case 'unreachable':
      return [unreachable(view)];
    case 'forward':
      return [
        ...loop(view),
        ...asymmetry(view),
        ...forced(view),
        ...mtuMismatch(view),
        ...unconfirmedFindings(view),
      ];
  }
}

function ruleOf(decision: Decision): Rule | undefined {
  return stepOf(decision, 'rule')?.rule;
}

function namesOf({ cluster, from, to }: PairView): PairNames {
  return endNames({ cluster, zone: from.zone }, { cluster, zone: to.zone });
}

function ruleText(rule: Rule | undefined): string {
  return rule === undefined ? 'no rule (auto)' : `rule ${describeRule(rule)}`;
}

function unreachable(view: PairView): PairFinding {
  const { decision, back, from, family } = view;
  // Nothing is sent from here: the sender has no workloads of the family.
  const silent = !from.overlay.some((prefix) => prefix.family === family);
  const oneWay = back !== undefined && outcomeOf(back).kind === 'forward';
  const severity = silent ? 'note' : 'error';
  const quiet = silent ? ` (from nodes without IPv${family} prefixes of their own)` : '';
  const step = stepOf(decision, 'feasible');
  if (step === undefined)
    return {
      code: 'no-common-address',
      severity,
      text: `the two nodes have no underlay address of a common family${quiet}`,
      remedy: "give the nodes of one of the zones an underlay address of the other's family",
    };
  const rule = ruleOf(decision);
  const open = step.candidates.filter((candidate) => !excludedBy(candidate, 'rule'));
  const names = namesOf(view);
  const why = reasons(open, names);
  const asked =
    rule === undefined || open.length === step.candidates.length
      ? 'every mode is excluded'
      : `${ruleText(rule)} asks for ${rule.mode}`;
  const closest = open.toSorted((a, b) => weight(a) - weight(b))[0];
  return {
    code: oneWay ? 'one-way' : 'black-hole',
    severity,
    text: `IPv${family}: ${asked}: ${why}${oneWay ? '; the way back is open' : ''}${quiet}`,
    remedy: remediesOf(closest?.exclusions ?? [], names) || 'let a rule deny the pair',
    rule: open.length === step.candidates.length ? undefined : rule,
  };
}

function excludedBy(candidate: Candidate, code: Exclusion['code']): boolean {
  return candidate.exclusions.some((exclusion) => exclusion.code === code);
}

/** A missing address says less than what speaks against a mode that has one. */
function weight(candidate: Candidate): number {
  return candidate.exclusions.length + (excludedBy(candidate, 'no-outer-address') ? 100 : 0);
}

/** Sorted, so that both ways of a pair read alike. */
function reasons(candidates: readonly Candidate[], names: PairNames): string {
  const addressed = candidates.filter((candidate) => !excludedBy(candidate, 'no-outer-address'));
  return (addressed.length === 0 ? candidates : addressed)
    .map((candidate) => {
      const all = candidate.exclusions.map((exclusion) => describeExclusion(exclusion, names));
      return `${describeCarriage(candidate.carriage)}: ${[...new Set(all)].sort().join(', ')}`;
    })
    .join('; ');
}

function deniedOneWay({ decision }: PairView): readonly PairFinding[] {
  const step = stepOf(decision, 'rule');
  if (step?.deniedBack === undefined) return [];
  return [
    {
      code: 'denied-one-way',
      severity: 'warning',
      text: `${ruleText(step.deniedBack)} denies the way back and ${ruleText(step.rule)} allows this way: both ways are denied, as nothing could be answered`,
      remedy: 'write the rule with "between" if both are meant, or narrow it',
      rule: step.deniedBack,
    },
  ];
}

/** Towards an address inside an overlay prefix: the packet that leaves is routed into the overlay again. */
function loop({ decision, held, to, cluster }: PairView): readonly PairFinding[] {
  const { verdict } = decision;
  if (verdict.kind !== 'forward' || !held.has(to.name, verdict.carriage.outer)) return [];
  const outer = verdict.carriage.outer;
  const what = verdict.mode === 'native' ? 'its next hop' : 'the outer packet';
  return [
    {
      code: 'loop',
      severity: 'error',
      text: `${describeCarriage(verdict.carriage)}: ${what} goes to an IPv${outer} address of zone ${to.zone} that lies inside an overlay prefix, so it is routed into the overlay again`,
      remedy: 'overlay and underlay need separate ranges: renumber one of them',
      source: cluster.zones.get(to.zone)?.source,
    },
  ];
}

function asymmetry({ decision, back, family }: PairView): readonly PairFinding[] {
  const [there, home] = [outcomeOf(decision), outcomeOf(back)];
  // A way back that is closed is told of from its own end.
  if (back === undefined || there.kind !== 'forward' || home.kind !== 'forward') return [];
  const modes = there.mode !== home.mode || there.outer !== home.outer;
  if (!modes && there.mtu === home.mtu) return [];
  const rules = [ruleOf(decision), ruleOf(back)];
  const ways = [
    `${outcomeText(there, family)} by ${ruleText(rules[0])}`,
    `${outcomeText(home, family)} by ${ruleText(rules[1])}`,
  ].sort();
  // The same one, whichever of the two ways is looked at.
  const [directed] = rules
    .filter((rule) => rule?.from !== undefined || rule?.to !== undefined)
    .sort((a, b) => (a!.name < b!.name ? -1 : 1));
  return [
    {
      code: modes ? 'asymmetric-mode' : 'asymmetric-mtu',
      severity: 'warning',
      text: `IPv${family}: ${ways.join(' one way, ')} the other way`,
      remedy:
        directed === undefined
          ? 'give both ends the same abilities, or let a rule with "between" choose one mode'
          : `write rule ${directed.name} with "between" instead of "from" and "to"`,
      source: directed?.source,
    },
  ];
}

/** Beliefs that only nobody has confirmed; everything else is known to be against it. */
function isOnlyUnconfirmed(exclusion: Exclusion): boolean {
  return (
    exclusion.code === 'unconfirmed' ||
    exclusion.code === 'foreign-fabric' ||
    exclusion.code === 'other-subnet' ||
    (exclusion.code === 'accepts' && exclusion.plane === 'userspace') ||
    (exclusion.code === 'switch' && exclusion.actual === undefined)
  );
}

function forced(view: PairView): readonly PairFinding[] {
  const step = stepOf(view.decision, 'feasible');
  const rule = ruleOf(view.decision);
  if (step?.forced !== true || step.chosen === undefined || rule === undefined) return [];
  const { carriage, exclusions } = step.chosen;
  const names = namesOf(view);
  const against = exclusions.map((exclusion) => describeExclusion(exclusion, names));
  return [
    {
      code: 'forced',
      severity: exclusions.every(isOnlyUnconfirmed) ? 'note' : 'warning',
      text: `${ruleText(rule)} forces ${describeCarriage(carriage)} against: ${[...new Set(against)].sort().join(', ')}`,
      remedy: remediesOf(exclusions, names) || 'remove "force: true"',
      rule,
    },
  ];
}

/** One L2 domain has one MTU: a larger frame is dropped there without a word. */
function mtuMismatch({ decision, from, to }: PairView): readonly PairFinding[] {
  const chosen = stepOf(decision, 'feasible')?.chosen;
  if (chosen?.adjacent !== true || chosen.ledger === undefined) return [];
  const nic = (what: 'own-nic' | 'peer-nic'): number =>
    chosen.ledger!.limits.find((limit) => limit.what === what)?.bytes ?? 0;
  const [small, large] = [nic('own-nic'), nic('peer-nic')].sort((a, b) => a - b) as [
    number,
    number,
  ];
  if (small === large) return [];
  const zones = [...new Set([from.zone, to.zone])].sort().join(' and ');
  return [
    {
      code: 'mtu-mismatch',
      severity: 'warning',
      text: `neighbours of one segment of ${zones} have NICs of ${small} and ${large} bytes: overlay routes use ${small}, other traffic may be dropped by the segment`,
      remedy: 'give all NICs of a segment one MTU, and declare it as "mtu" of the zone',
    },
  ];
}
