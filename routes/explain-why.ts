/**
 * The trail as data: each step in words, each rule with what became of it, each mode with what
 * speaks for and against it. All of it is read off the decision; only the rules behind the one
 * that matched are looked at here, since the decision never got to them.
 */
import {
  describeCarriage,
  describeExclusion,
  describeMismatch,
  describeRule,
  describeSource,
  describeStep,
} from '../encap/describe.js';
import { siteOf } from '../encap/relation.js';
import type { RulePair } from '../encap/rules.js';
import { ruleMismatch } from '../encap/rules.js';
import type { Candidate, Decision, Exclusion, PairNames } from '../encap/trail.js';
import { stepOf } from '../encap/trail.js';
import type { Fact } from '../encap/underlay/fact.js';
import type { FlipsInput } from './explain-flips.js';
import { explainFlips } from './explain-flips.js';
import type {
  CandidateReport,
  ExclusionReport,
  FactReport,
  RuleReport,
  WhyReport,
} from './explain-report.js';

/** The owner is undefined when the decision never asked the rules. */
export type WhyInput = FlipsInput;

export function explainWhy(decision: Decision, input: WhyInput): WhyReport {
  const pair = pairOf(decision, input);
  return {
    steps: decision.trail.map((step) => ({ ...describeStep(step, pair), outcome: step.outcome })),
    rules: ruleReports(decision, input, pair),
    candidates: candidateReports(decision),
    ...explainFlips(decision, input),
  };
}

function pairOf(decision: Decision, input: WhyInput): RulePair | undefined {
  const { snapshot, from, owner } = input;
  if (owner === undefined) return undefined;
  return {
    from: siteOf(snapshot.cluster, from),
    to: siteOf(snapshot.cluster, owner),
    family: decision.prefix.family,
  };
}

function ruleReports(
  decision: Decision,
  input: WhyInput,
  pair: RulePair | undefined,
): readonly RuleReport[] {
  const step = stepOf(decision, 'rule');
  if (step === undefined || pair === undefined) return [];
  return input.snapshot.cluster.rules.map((rule, position): RuleReport => {
    const base = {
      name: rule.name,
      source: rule.source === undefined ? null : describeSource(rule.source),
      asksFor: rule.mode,
      reason: rule.reason ?? null,
      shadowedBy: null,
    };
    const trial = step.trials[position];
    if (trial !== undefined)
      return trial.mismatch === undefined
        ? { ...base, outcome: 'matched', text: 'matched' }
        : { ...base, outcome: 'mismatched', text: describeMismatch(trial.mismatch, pair) };
    const winner = describeRule(step.rule!);
    const mismatch = ruleMismatch(rule, pair);
    return mismatch === undefined
      ? {
          ...base,
          outcome: 'not-reached',
          text: `shadowed by ${winner}`,
          shadowedBy: step.rule!.name,
        }
      : {
          ...base,
          outcome: 'not-reached',
          text: `not reached: ${describeMismatch(mismatch, pair)}`,
        };
  });
}

function candidateReports(decision: Decision): readonly CandidateReport[] {
  const step = stepOf(decision, 'feasible');
  if (step === undefined) return [];
  return step.candidates.map((candidate) => ({
    name: describeCarriage(candidate.carriage),
    mode: candidate.carriage.mode,
    outerFamily: candidate.carriage.outer,
    innerFamily: candidate.carriage.inner,
    overheadBytes: candidate.overheadBytes,
    plane: candidate.plane,
    outcome: outcomeOf(candidate, step.chosen),
    forced: candidate === step.chosen && step.forced,
    exclusions: candidate.exclusions.map((exclusion) => exclusionReport(exclusion, step.pair)),
    facts: [...new Set(candidate.facts)].map(factReport),
  }));
}

function outcomeOf(
  candidate: Candidate,
  chosen: Candidate | undefined,
): CandidateReport['outcome'] {
  if (candidate === chosen) return 'chosen';
  return candidate.exclusions.length === 0 ? 'possible' : 'excluded';
}

function exclusionReport(exclusion: Exclusion, pair: PairNames): ExclusionReport {
  const text = describeExclusion(exclusion, pair);
  const end = 'end' in exclusion ? pair[exclusion.end] : null;
  if (!('fact' in exclusion)) return { code: exclusion.code, end, text, fact: null };
  const fact = factReport(exclusion.fact);
  const suffix = ` (${fact.source}, ${fact.mark})`;
  return {
    code: exclusion.code,
    end,
    text: text.endsWith(suffix) ? text.slice(0, -suffix.length) : text,
    fact,
  };
}

function factReport(fact: Fact): FactReport {
  return { text: fact.text, source: fact.source, mark: fact.mark };
}
