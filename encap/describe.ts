/**
 * The trail in words: one heading a step and the lines below it. Formatting of terminals (colours,
 * columns) is the command line's; the words are made here, so that every output says the same.
 */
import type { Link, RelationSubject, Rule, SourceRef } from './cluster.js';
import { subnetOf } from './relation.js';
import type { Mismatch, RulePair } from './rules.js';
import type { Carriage } from './mode.js';
import type { Candidate, Exclusion, MtuLimit, PairNames, Step, Verdict } from './trail.js';
import type { Fact, Need } from './underlay/fact.js';

export interface StepText {
  readonly step: Step['name'];
  readonly summary: string;
  readonly lines: readonly string[];
}

/** With the pair in question a rule that does not match can say what the two have instead. */
export function describeStep(step: Step, pair?: RulePair): StepText {
  switch (step.name) {
    case 'local':
      return {
        step: step.name,
        summary: step.outcome === 'decide' ? "the prefix is this node's own" : 'not our own',
        lines: [],
      };
    case 'membership':
      return { step: step.name, summary: membershipSummary(step), lines: membershipLines(step) };
    case 'rule':
      return { step: step.name, summary: ruleSummary(step), lines: ruleLines(step, pair) };
    case 'feasible':
      return {
        step: step.name,
        summary:
          step.chosen === undefined
            ? 'no mode is left'
            : `${describeCarriage(step.chosen.carriage)}${step.forced ? ', forced by the rule against the facts below' : ''}`,
        lines: step.candidates.flatMap((candidate) => candidateLines(candidate, step)),
      };
    case 'next-hop':
      return { step: step.name, summary: nextHopSummary(step), lines: [] };
    case 'mtu': {
      const { ledger } = step;
      const overhead = ledger.overhead.map((item) => `${item.header} ${item.bytes}`).join(' + ');
      return {
        step: step.name,
        summary:
          overhead === '' ? `${ledger.path}` : `${ledger.path} − (${overhead}) = ${ledger.inner}`,
        lines: ledger.limits.map(describeLimit),
      };
    }
  }
}

export function describeVerdict(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'local':
      return 'local';
    case 'deny':
      return `denied by rule ${verdict.rule.name}`;
    case 'unreachable':
      return `unreachable: ${unreachableReasons[verdict.reason]}`;
    case 'forward':
      return `${describeCarriage(verdict.carriage)}, MTU ${verdict.mtu}`;
  }
}

const unreachableReasons = {
  unknown: 'no node owns it',
  withdrawn: 'its owner has been withdrawn',
  'no-common-address': 'the two nodes have no underlay address of a common family',
  'no-mode': 'every mode is excluded',
  'no-underlay-route': "this kernel has no route to the owner's underlay address",
} as const;

/** `vxlan over IPv4`, `ipip`, `native`. */
export function describeCarriage(carriage: Carriage): string {
  const { mode, outer, inner } = carriage;
  if (mode === 'native') return 'native';
  if (mode === 'vxlan') return `vxlan over IPv${outer}`;
  return outer === 4 && inner === 4 ? 'ipip' : `ipip, IPv${inner} in IPv${outer}`;
}

export function describeFact(fact: Fact): string {
  return `${fact.text} (${fact.source}, ${fact.mark})`;
}

export function describeSource(source: SourceRef | undefined): string {
  if (source === undefined) return 'built in';
  const { file, line, changedBy } = source;
  // An option of the command line is its own place.
  const place = file.startsWith('--') ? file : `${file}:${line}`;
  return changedBy === undefined ? place : `${place} with ${changedBy}`;
}

export function describeRule(rule: Rule): string {
  return `${rule.name} (${describeSource(rule.source)})`;
}

export function describeExclusion(exclusion: Exclusion, pair: PairNames): string {
  switch (exclusion.code) {
    case 'rule':
      return `rule ${exclusion.rule.name} asks for ${exclusion.wanted}`;
    case 'no-outer-address':
      return `no IPv${exclusion.family} underlay address on both ends`;
    case 'unconfirmed':
      return `${pair[exclusion.end]} (${exclusion.provider}): not confirmed to pass: ${describeFact(exclusion.fact)}`;
    case 'provider-forbids':
      return `${pair[exclusion.end]} (${exclusion.provider}): ${describeFact(exclusion.fact)}`;
    case 'switch':
      return `${pair[exclusion.end]}: ${describeNeed(exclusion.need)}, but it is ${exclusion.actual ?? 'not confirmed'}${observedWords(exclusion, pair)}: ${describeFact(exclusion.fact)}`;
    case 'firewall':
      return `${pair[exclusion.end]}: its firewall blocks ${exclusion.traffic}${observedWords(exclusion, pair)}`;
    case 'other-subnet':
      return `the nodes are in different subnets: ${describeFact(exclusion.fact)}`;
    case 'foreign-fabric':
      return 'a peering or VPN routes only node prefixes unless the link lists native';
    case 'link':
      return `${describeLink(exclusion.link)} carries only ${exclusion.link.modes?.join(', ')}`;
    case 'public':
      return `${pair.to} has only a public address: packets would travel unencrypted over the internet, and no link says allowPublic`;
    case 'accepts':
      return exclusion.plane === 'none'
        ? `${pair[exclusion.end]} cannot receive it`
        : `${pair[exclusion.end]} does it in userspace only, which auto passes over`;
    case 'mtu':
      return `only ${exclusion.mtu} bytes would be left, below ${exclusion.minimum}`;
    case 'probe':
      return `probes: ${exclusion.text}`;
  }
}

/** Who says so where the file does not, and what is being waited for. */
function observedWords(
  exclusion: Extract<Exclusion, { readonly code: 'switch' | 'firewall' }>,
  pair: PairNames,
): string {
  if (exclusion.open !== true) return '';
  const observed = pair.observed?.[exclusion.end];
  if (observed === undefined) return ' (nobody has read it from the cloud yet)';
  const wait = exclusion.code === 'switch' ? observed.waits[exclusion.need.switch] : undefined;
  return ` (${observed.source}${wait === undefined ? '' : `; ${wait}`})`;
}

export function describeNeed(need: Need): string {
  switch (need.switch) {
    case 'sourceDestinationCheck':
      return 'sourceDestinationCheck must be disabled';
    case 'ipForwarding':
      return 'ipForwarding must be enabled';
    case 'fabricRoutes':
      return 'fabricRoutes must be present';
  }
}

/** `zone differs (to): wants rack-a, az-1 has azure-west`, or `zone differs: …` of a relation. */
export function describeMismatch(mismatch: Mismatch, pair?: RulePair): string {
  switch (mismatch.kind) {
    case 'family':
      return `family differs: wants IPv${mismatch.wanted}, the prefix is IPv${mismatch.actual}`;
    case 'relation': {
      const { subject, wanted } = mismatch;
      const state = wanted === 'same' ? 'differs' : 'is the same';
      const details = pair === undefined ? '' : `, ${relationDetails(subject, pair)}`;
      return `${subject} ${state}: wants ${wanted === 'same' ? 'the same' : 'different ones'}${details}`;
    }
    case 'selector': {
      const { side, end, wanted, actual } = mismatch;
      const field = mismatch.field.replace(/s$/, '');
      const of = side === 'between' ? '' : ` (${side})`;
      const who = pair === undefined ? 'is' : `${pair[end].node.name} has`;
      return `${field} differs${of}: wants ${wanted.replaceAll(', ', ' or ')}, ${who} ${actual}`;
    }
  }
}

/** What each of the two has of what a rule compares. */
function relationDetails(subject: RelationSubject, { from, to, family }: RulePair): string {
  const of = (site: RulePair['from']): string => {
    switch (subject) {
      case 'zone':
        return site.zone.name;
      case 'provider':
        return site.zone.provider;
      case 'region':
        return site.zone.region ?? 'no region';
      case 'segment':
        return (
          site.attachments[family]?.declared?.segment ??
          site.attachments[family]?.network.text ??
          `no IPv${family} address`
        );
      case 'subnet':
        return subnetOf(site, family)?.text ?? `no IPv${family} address`;
    }
  };
  return `${from.node.name} has ${of(from)}, ${to.node.name} ${of(to)}`;
}

export function describeLink(link: Link): string {
  const [a, b] = link.ends.map((end) => (end.kind === 'zone' ? end.zone : end.provider));
  return `link ${a} – ${b} (${describeSource(link.source)})`;
}

function describeLimit(limit: MtuLimit): string {
  const names = {
    'own-nic': 'own NIC',
    'peer-nic': "peer's NIC",
    link: 'link',
    'inter-region': 'between regions',
    external: 'to another provider',
    measured: 'measured by probes',
  } as const;
  const { because } = limit;
  const why =
    because === undefined
      ? ''
      : 'mark' in because
        ? `: ${describeFact(because)}`
        : 'ends' in because
          ? `: ${because.note ?? describeLink(because)}`
          : `: ${because.text}`;
  return `${names[limit.what]} ${limit.bytes}${why}`;
}

type StepNamed<N extends Step['name']> = Extract<Step, { readonly name: N }>;

function membershipSummary(step: StepNamed<'membership'>): string {
  switch (step.problem) {
    case 'unknown':
      return 'no node owns an overlay prefix that holds it';
    case 'withdrawn':
      return `its owner ${step.owner} has been withdrawn${step.stale === undefined ? '' : `: ${unheard(step.stale)}`}`;
    case 'no-common-address':
      return `${step.owner} has no underlay address of a family that this node has`;
    case undefined:
      return step.stale === undefined
        ? `owned by ${step.owner}`
        : `owned by ${step.owner}, which is stale: ${unheard(step.stale)}, and its paths stay for a while`;
  }
}

function unheard(since: string): string {
  return `its agent is not heard of ${since}`;
}

function membershipLines(step: StepNamed<'membership'>): readonly string[] {
  return step.ends.map(
    (end) =>
      `outer IPv${end.family}: ${end.local.text} → ${end.remote.text}${end.public ? ' (public)' : ''}`,
  );
}

function ruleSummary(step: StepNamed<'rule'>): string {
  if (step.deniedBack !== undefined)
    return `${describeRule(step.deniedBack)} denies the way back: deny`;
  if (step.rule === undefined)
    return step.trials.length === 0
      ? 'no rules: auto'
      : 'no rule matched: the default, auto, applies';
  return `${describeRule(step.rule)} matched: ${step.result}`;
}

function ruleLines(step: StepNamed<'rule'>, pair: RulePair | undefined): readonly string[] {
  return step.trials.map(({ rule, mismatch }) =>
    mismatch === undefined
      ? `✓ ${describeRule(rule)}: matched${rule.reason === undefined ? '' : ` — ${rule.reason}`}`
      : `✗ ${describeRule(rule)}: ${describeMismatch(mismatch, pair)}`,
  );
}

function candidateLines(candidate: Candidate, step: StepNamed<'feasible'>): readonly string[] {
  const { chosen, pair } = step;
  const name = `${describeCarriage(candidate.carriage)} (+${candidate.overheadBytes} B)`;
  if (candidate === chosen)
    return [
      `✓ ${name}: chosen`,
      ...[...new Set(candidate.facts)].map((fact) => `    ${describeFact(fact)}`),
      ...candidate.exclusions.map(
        (exclusion) => `    against: ${describeExclusion(exclusion, pair)}`,
      ),
      ...unheededLine(candidate),
    ];
  if (candidate.exclusions.length === 0)
    return [`· ${name}: possible, but costs more`, ...unheededLine(candidate)];
  return [
    `✗ ${name}: excluded`,
    ...candidate.exclusions.map((exclusion) => `    ${describeExclusion(exclusion, pair)}`),
  ];
}

function unheededLine({ unheeded }: Candidate): readonly string[] {
  return unheeded === undefined ? [] : [`    probes, not acted on: ${unheeded}`];
}

function nextHopSummary(step: StepNamed<'next-hop'>): string {
  const { nextHop } = step;
  if (nextHop === undefined) return "this kernel has no route to the owner's underlay address";
  switch (nextHop.kind) {
    case 'adjacent':
      return `adjacent: ${nextHop.via.text}${nextHop.device === undefined ? '' : ` on ${nextHop.device}`}`;
    case 'routed':
      return nextHop.via === undefined
        ? 'routed by the fabric; the gateway is known only on the node itself'
        : `routed: via ${nextHop.via.text} on ${nextHop.device}`;
    case 'tunnel':
      return `tunnel ${nextHop.ends.local.text} → ${nextHop.ends.remote.text}`;
  }
}
