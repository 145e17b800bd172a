/**
 * Why a pair goes another way than before: the first step at which the two trails part, in words
 * that name rules, facts and providers but no nodes.
 */
import type { Rule } from '../cluster.js';
import { describeCarriage, describeExclusion, describeLink, describeRule } from '../describe.js';
import { carriageKey } from '../mode.js';
import type { Carriage } from '../mode.js';
import type { Candidate, Decision, Exclusion, MtuLimit, PairNames, Step } from '../trail.js';
import { stepOf } from '../trail.js';

export interface DiffCause {
  /** `node`: one of the two, or its prefix, comes or goes. */
  readonly step: Step['name'] | 'node';
  readonly text: string;
}

/** What the two ends are called, before and after. */
export interface CauseNames {
  readonly old: PairNames;
  readonly next: PairNames;
}

export function causeOf(old: Decision, next: Decision, names: CauseNames): DiffCause {
  return (
    membershipCause(old, next) ??
    ruleCause(old, next) ??
    feasibleCause(old, next, names) ??
    mtuCause(old, next, names) ?? { step: 'next-hop', text: 'the next hop differs' }
  );
}

function membershipCause(old: Decision, next: Decision): DiffCause | undefined {
  const [before, after] = [old, next].map((decision) => {
    const ends = stepOf(decision, 'membership')?.ends ?? [];
    const words = ends.map((end) => `IPv${end.family}${end.public ? ' (public)' : ''}`);
    return words.length === 0 ? 'none' : words.join(' and ');
  });
  if (before === after) return undefined;
  return { step: 'membership', text: `common underlay addresses: ${before} → ${after}` };
}

function ruleCause(old: Decision, next: Decision): DiffCause | undefined {
  const [before, after] = [stepOf(old, 'rule'), stepOf(next, 'rule')];
  if (before === undefined || after === undefined) return undefined;
  if (
    before.result === after.result &&
    before.rule?.name === after.rule?.name &&
    before.rule?.force === after.rule?.force &&
    before.deniedBack?.name === after.deniedBack?.name
  )
    return undefined;
  const [first, second] = [before, after].map(({ rule, deniedBack, result }) =>
    deniedBack === undefined
      ? `${ruleText(rule)}: ${result}${rule?.force === true ? ' by force' : ''}`
      : `${ruleText(deniedBack)} denies one of the two ways`,
  );
  return { step: 'rule', text: `${first} → ${second}` };
}

function ruleText(rule: Rule | undefined): string {
  return rule === undefined ? 'no rule' : `rule ${describeRule(rule)}`;
}

function feasibleCause(old: Decision, next: Decision, names: CauseNames): DiffCause | undefined {
  const [before, after] = [stepOf(old, 'feasible'), stepOf(next, 'feasible')];
  if (before === undefined || after === undefined) return undefined;
  const [was, is] = [before.chosen, after.chosen];
  if (was && is && carriageKey(was.carriage) === carriageKey(is.carriage) && was.plane === is.plane)
    return undefined;
  // What now speaks against the way it was, and what no longer does against the way it is.
  const parts = [
    was &&
      changed(candidateOf(after.candidates, was.carriage), {
        than: was,
        names: names.next,
        word: 'now',
      }),
    is &&
      changed(candidateOf(before.candidates, is.carriage), {
        than: is,
        names: names.old,
        word: 'no longer',
      }),
  ].filter((part) => part !== undefined);
  const planes =
    was && is && was.plane !== is.plane ? [`carried by ${was.plane} → ${is.plane}`] : [];
  const text = [...parts, ...planes].join('; ');
  return { step: 'feasible', text: text === '' ? 'another mode is the cheapest' : text };
}

function candidateOf(candidates: readonly Candidate[], carriage: Carriage): Candidate | undefined {
  return candidates.find((candidate) => carriageKey(candidate.carriage) === carriageKey(carriage));
}

/** Exclusions of the one that the other has not. */
function changed(
  candidate: Candidate | undefined,
  other: { readonly than: Candidate; readonly names: PairNames; readonly word: string },
): string | undefined {
  if (candidate === undefined) return undefined;
  const { than, names, word } = other;
  const had = new Set(than.exclusions.map(exclusionKey));
  const texts = candidate.exclusions
    .filter((exclusion) => !had.has(exclusionKey(exclusion)))
    .map((exclusion) => describeExclusion(exclusion, names));
  if (texts.length === 0) return undefined;
  // Either end first, so that both ways of a pair read alike.
  const list = [...new Set(texts)].sort().join(', ');
  return `${describeCarriage(candidate.carriage)} ${word} excluded: ${list}`;
}

function exclusionKey(exclusion: Exclusion): string {
  return describeExclusion(exclusion, { from: 'from', to: 'to' });
}

function mtuCause(old: Decision, next: Decision, names: CauseNames): DiffCause | undefined {
  const [before, after] = [stepOf(old, 'mtu')?.ledger, stepOf(next, 'mtu')?.ledger];
  if (before === undefined || after === undefined || before.inner === after.inner) return undefined;
  const [was, is] = [
    smallest(before.limits, before.path, names.old),
    smallest(after.limits, after.path, names.next),
  ];
  return { step: 'mtu', text: `path MTU: ${was} → ${is}` };
}

/** What limits the path. */
function smallest(limits: readonly MtuLimit[], path: number, names: PairNames): string {
  const texts = limits
    .filter(({ bytes }) => bytes === path)
    .map((limit) => `${limit.bytes} of ${limitText(limit, names)}`);
  return [...new Set(texts)].sort()[0] ?? String(path);
}

function limitText({ what, because }: MtuLimit, names: PairNames): string {
  switch (what) {
    case 'own-nic':
      return `the NICs of ${names.from}`;
    case 'peer-nic':
      return `the NICs of ${names.to}`;
    case 'link':
      return because !== undefined && 'ends' in because ? describeLink(because) : 'the link';
    case 'inter-region':
      return 'the path between regions';
    case 'external':
      return 'the path to another provider';
    default:
      return 'the path';
  }
}
