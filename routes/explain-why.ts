/**
 * The trail as data: each step in words, each rule with what became of it, each mode with what
 * speaks for and against it. All of it is read off the decision; only the rules behind the one
 * that matched are looked at here, since the decision never got to them.
 */
import type { Cluster, ClusterNode } from '../encap/cluster.js';
import {
  describeCarriage,
  describeExclusion,
  describeMismatch,
  describeSource,
  describeStep,
} from '../encap/describe.js';
import { siteOf } from '../encap/relation.js';
import { ruleMismatch } from '../encap/rules.js';
import type { Candidate, Decision, Exclusion, PairNames } from '../encap/trail.js';
import { stepOf } from '../encap/trail.js';
import type { Fact } from '../encap/underlay/fact.js';
import type {
  CandidateReport,
  ExclusionReport,
  FactReport,
  RuleReport,
  WhyReport,
} from './explain-report.js';

export interface WhyInput {
  readonly cluster: Cluster;
  readonly from: ClusterNode;
  /** Undefined when the decision never asked the rules. */
  readonly owner: ClusterNode | undefined;
}

export function explainWhy(decision: Decision, input: WhyInput): WhyReport {
  return {
    steps: decision.trail.map((step) => ({ ...describeStep(step), outcome: step.outcome })),
    rules: ruleReports(decision, input),
    candidates: candidateReports(decision),
  };
}

function ruleReports(decision: Decision, input: WhyInput): readonly RuleReport[] {
  const step = stepOf(decision, 'rule');
  const { cluster, from, owner } = input;
  if (step === undefined || owner === undefined) return [];
  const pair = {
    from: siteOf(cluster, from),
    to: siteOf(cluster, owner),
    family: decision.prefix.family,
  };
  return cluster.rules.map((rule, position): RuleReport => {
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
        : { ...base, outcome: 'mismatched', text: describeMismatch(trial.mismatch) };
    const winner = step.rule!.name;
    const mismatch = ruleMismatch(rule, pair);
    return mismatch === undefined
      ? {
          ...base,
          outcome: 'not-reached',
          text: `not reached: shadowed by ${winner}, it would match too`,
          shadowedBy: winner,
        }
      : {
          ...base,
          outcome: 'not-reached',
          text: `not reached: ${winner} matched first (${describeMismatch(mismatch)})`,
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
