/**
 * From what is known of a pair to what is wrong with it. No fault has a detector of its own: the
 * first place where packets are missing says between which stages to look, the state of those
 * stages says why, and what is left with all of them in order is the underlay, told by what passes.
 *
 * Works from state alone, from the probes of one node, and from both; the less is known, the more
 * is UNDETERMINED and names the test that would tell.
 */
import { underlayFacts } from '../../encap/underlay/index.js';
import type { ExplainReport } from '../explain-report.js';
import type { FindingCode } from './codes.js';
import type { Draft } from './draft.js';
import { draft } from './draft.js';
import type { Direction, Evidence } from './evidence.js';
import type { Finding, Health } from './finding.js';
import { agentDrafts } from './from-agents.js';
import { avoidedDrafts } from './from-avoided.js';
import { probeDrafts } from './from-probes.js';
import { segmentDrafts } from './from-segment.js';
import { sizeDrafts } from './from-sizes.js';
import type { Suspect } from './from-state.js';
import { concerns, suspectsIn, suspectsOf } from './from-state.js';
import { stageReport } from './stage.js';
import { termsDrafts } from './from-terms.js';
import { arrived, workloadStages } from './loss.js';
import type { PairFacts, ProbeQuestion } from './probe-question.js';
import type { Predict } from './remedies.js';
import { remediesFor } from './remedies.js';

export interface Diagnosis {
  /** Null: nobody has looked, at neither the kernel nor the network. */
  readonly health: Health | null;
  readonly findings: readonly Finding[];
}

export interface DiagnoseOptions {
  /** A real what-if run, for remedies that change the cluster file. */
  readonly predict?: Predict | undefined;
}

export const noEvidence: Evidence = {
  from: null,
  to: null,
  peerSilence: null,
  probes: [],
  pathMtu: null,
};

export function diagnose(
  report: ExplainReport,
  evidence: Evidence,
  options: DiagnoseOptions = {},
): Diagnosis {
  const facts = pairFacts(report);
  const names = { from: facts.from, to: facts.to };
  const looked =
    evidence.from !== null ||
    evidence.to !== null ||
    evidence.probes.length > 0 ||
    report.kernel.compared;
  const suspects = [
    ...(evidence.from === null ? objectSuspects(report) : suspectsOf(evidence.from, 'from')),
    ...(evidence.to === null ? [] : suspectsOf(evidence.to, 'to')),
  ];
  const drafts = new Map<Suspect, Draft>();
  for (const suspect of suspects) if (suspect.certain) drafts.set(suspect, stateDraft(suspect));
  const question: ProbeQuestion = { evidence, facts, suspects, drafts };
  const all = [
    ...verdictDrafts(report, looked),
    ...drafts.values(),
    ...(report.verdict.owner === null || names.from === names.to
      ? []
      : [
          ...probeDrafts(question),
          ...segmentDrafts(question),
          ...sizeDrafts(question),
          ...termsDrafts({ report, evidence, names }),
          ...agentDrafts(question),
          ...avoidedDrafts(question),
        ]),
  ];
  const found = unrepeated(all);
  for (const one of found) soften(one, evidence);
  const context = {
    report,
    names,
    views: [evidence.from, evidence.to].flatMap((view) => view ?? []),
    predict: options.predict,
  };
  const findings = found.sort(byImportance).map((one) => findingOf(one, remediesFor(one, context)));
  return { health: healthOf(findings, looked), findings };
}

/** Where there is no pair (an own address, one that nobody owns), the prefix's own objects. */
function objectSuspects({ kernel, question }: ExplainReport): readonly Suspect[] {
  const stages = kernel.objects.map((object) =>
    stageReport({
      ...object,
      stage:
        object.type === 'link' ? 'device' : object.type === 'sysctl' ? 'forwarding' : object.type,
      direction: 'there',
    }),
  );
  return suspectsIn(stages, { node: question.from.node, side: 'from' });
}

/** Packets of the pair as the report has them. */
function pairFacts(report: ExplainReport): PairFacts {
  const { verdict, returnPath, question } = report;
  const ends = [question.from.provider, verdict.owner?.provider ?? ''];
  return {
    from: question.from.node,
    to: verdict.owner?.node ?? question.from.node,
    modes: { there: verdict.mode, back: returnPath.mode },
    adjacent: report.wire?.nextHop.includes('on the same segment') === true,
    checksAddresses: ends.some(checksAddresses),
  };
}

/** Does this provider's fabric drop addresses that are not the NIC's own, unless told not to? */
function checksAddresses(provider: string): boolean {
  const known = Object.values(underlayFacts).find((facts) => facts.provider === provider);
  return [...(known?.nativeAdjacent.needs ?? []), ...(known?.nativeRouted.needs ?? [])].some(
    (need) => need.switch === 'sourceDestinationCheck',
  );
}

/** What is decided so is no fault of the network, but it is why packets do not get there. */
function verdictDrafts(report: ExplainReport, looked: boolean): readonly Draft[] {
  const { verdict, question } = report;
  if (!looked || verdict.reason === null) return [];
  // An address that nobody should reach is no trouble.
  if (['outside-pools', 'underlay-address', 'unowned'].includes(verdict.reason)) return [];
  return [
    draft(verdict.reason, {
      direction: 'there',
      place: 0,
      node: question.from.node,
      text: verdict.summary,
    }),
  ];
}

function stateDraft(suspect: Suspect): Draft {
  const { code, report, node, side } = suspect;
  return draft(code, {
    node,
    report,
    stage: report.stage,
    direction: report.direction,
    severity: suspect.consequence ? 'contributing' : 'cause',
    place: side === 'from' ? 10 : 30,
    text: `${node}: ${stateText(suspect)}`,
    evidence: [
      ...(report.desired === null ? [] : [`should be: ${report.desired}`]),
      ...(report.actual === null ? [] : [`is: ${report.actual}`]),
      ...(report.changedAt === null
        ? []
        : [
            `changed ${report.changedAt}${report.changedBy === null ? '' : `: ${report.changedBy}`}`,
          ]),
    ],
  });
}

function stateText({ report }: Suspect): string {
  const { state, key, holder, attributes, actual, desired } = report;
  switch (state) {
    case 'missing':
      return `${key} is missing`;
    case 'foreign':
      return report.attributes.includes('duplicate') || report.stage === 'foreign-filter'
        ? (actual ?? key)
        : `${actual ?? key} is ${holder === null ? 'not ours' : `held by ${holder}`}`;
    case 'drift':
      return report.stage === 'nic' || report.stage === 'underlay-route'
        ? `${actual ?? key}; wanted: ${desired ?? ''}`
        : `${key}: ${drifted(report.attributes, { actual, desired })}`;
    case 'match':
    case 'unknown':
      return `${key}${attributes.length > 0 ? ` (${attributes.join(', ')})` : ''}`;
  }
}

function drifted(
  attributes: readonly string[],
  of: { readonly actual: string | null; readonly desired: string | null },
): string {
  if (of.actual?.startsWith('sysctl ') === true)
    return `${of.actual.split('=').at(-1)} instead of ${of.desired?.split('=').at(-1) ?? '?'}`;
  return `differs in ${attributes.join(', ')}${of.actual === null ? '' : `: ${of.actual}`}`;
}

/** Both ends may tell of the same thing, and several probes too. */
function unrepeated(drafts: readonly Draft[]): Draft[] {
  const byKey = new Map<string, Draft>();
  for (const one of drafts) {
    const key = `${one.code} ${one.node ?? ''} ${one.report?.key ?? ''} ${one.report === null ? one.direction : ''}`;
    const other = byKey.get(key);
    if (other === undefined) byKey.set(key, one);
    else other.evidence.push(...one.evidence.filter((line) => !other.evidence.includes(line)));
  }
  return [...byKey.values()];
}

/** A difference that packets pass all the same is no break; what they do not touch stays as it is. */
function soften(one: Draft, evidence: Evidence): void {
  if (one.report === null || one.health !== 'BROKEN' || one.lostBetween !== null) return;
  if (one.stage === null || (workloadStages.has(one.stage) && one.code !== 'filter-drops-tunnel'))
    return;
  const passes = (direction: Direction): boolean =>
    evidence.probes.some(
      (probe) =>
        probe.path === 'routed' &&
        ((probe.layer === 'inner' && arrived(probe)) ||
          (probe.layer === 'tunnel' && probe.direction === direction && arrived(probe))),
    );
  const report = one.report;
  const touched = (['there', 'back'] as const).filter((direction) => concerns(report, direction));
  if (touched.length === 0 || !touched.every(passes)) return;
  one.health = 'DEGRADED';
  one.evidence.push('packets pass all the same');
}

const severities = ['cause', 'contributing', 'note'] as const;
const healths = ['BROKEN', 'UNDETERMINED', 'DEGRADED'] as const;

/** Causes first, the worst first, then in the order in which a packet meets them. */
function byImportance(a: Draft, b: Draft): number {
  return (
    severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
    healths.indexOf(a.health) - healths.indexOf(b.health) ||
    way(a) - way(b)
  );
}

/** Place on the way there, then on the way back, where the ends change roles. */
function way(one: Draft): number {
  return one.direction === 'back' ? 100 + 40 - one.place : one.place;
}

function findingOf(one: Draft, remedies: Finding['remedies']): Finding {
  return {
    code: one.code,
    severity: one.severity,
    health: one.health,
    node: one.node,
    stage: one.stage,
    direction: one.direction,
    text: one.text,
    evidence: one.evidence,
    lostBetween: one.lostBetween,
    alternatives: one.alternatives,
    remedies,
  };
}

function healthOf(findings: readonly Finding[], looked: boolean): Health | null {
  const causes = findings.filter(({ severity }) => severity === 'cause');
  const worst = healths.find((health) => causes.some((finding) => finding.health === health));
  return worst ?? (looked ? 'OK' : null);
}

/** The codes of the causes, the first of them first; for one line. */
export function causeCodes(findings: readonly Finding[]): readonly FindingCode[] {
  const causes = findings.filter(({ severity }) => severity === 'cause');
  return [...new Set(causes.map(({ code }) => code as FindingCode))];
}
