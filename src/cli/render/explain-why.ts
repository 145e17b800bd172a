/** The trail, step by step, with the rules and the modes that were looked at below their steps. */
import { basename } from 'node:path';
import type {
  CandidateReport,
  ExclusionReport,
  ExplainReport,
  FactReport,
  RuleReport,
  StepReport,
} from '../../../routes/explain-report.js';
import type { Terminal } from '../terminal.js';
import type { Span } from './layout.js';
import { fill, pad, padStart, row, widest } from './layout.js';

const stepNames: Readonly<Record<StepReport['step'], string>> = {
  local: 'local',
  membership: 'owner',
  rule: 'rule',
  feasible: 'mode',
  'next-hop': 'next hop',
  mtu: 'MTU',
};
const nameWidth = widest(Object.values(stepNames));
const detailIndent = 4;

export function explainWhySection(report: ExplainReport, terminal: Terminal): string[] {
  const { why } = report;
  if (why.steps.length === 0) return [];
  const { paint } = terminal;
  return [
    paint.bold('Why'),
    ...why.steps.flatMap((step) => [
      ...row([{ text: pad(stepNames[step.step], nameWidth), style: paint.bold }], step.summary, {
        ...terminal,
        indent: 2,
      }),
      ...details(step, report, terminal),
    ]),
  ];
}

function details(step: StepReport, report: ExplainReport, terminal: Terminal): string[] {
  const { width, paint } = terminal;
  switch (step.step) {
    case 'rule':
      return ruleRows(report.why.rules, terminal);
    case 'feasible':
      return candidateRows(report.why.candidates, terminal);
    case 'local':
    case 'membership':
    case 'next-hop':
    case 'mtu':
      return step.lines.flatMap((text) =>
        fill({ text, style: paint.dim }, { width, indent: nameWidth + 4, hang: nameWidth + 6 }),
      );
  }
}

function ruleRows(rules: readonly RuleReport[], terminal: Terminal): string[] {
  const { paint } = terminal;
  const names = Math.min(30, widest(rules.map((rule) => rule.name)));
  const sources = widest(rules.map((rule) => place(rule)));
  return rules.flatMap((rule) => {
    const matched = rule.outcome === 'matched';
    const style = matched ? undefined : paint.dim;
    const reason = matched && rule.reason !== null ? ` — ${rule.reason}` : '';
    return row(
      [
        ruleMark(rule, terminal),
        { text: pad(rule.name, names), style },
        { text: pad(place(rule), sources), style: paint.dim },
      ],
      { text: matched ? `${rule.asksFor}${reason}` : rule.text, style },
      { ...terminal, indent: detailIndent },
    );
  });
}

function ruleMark(rule: RuleReport, terminal: Terminal): Span {
  const { paint } = terminal;
  switch (rule.outcome) {
    case 'matched':
      return { text: '✓', style: paint.green };
    case 'mismatched':
      return { text: '✗', style: paint.red };
    case 'not-reached':
      return { text: '·', style: paint.dim };
  }
}

/** `cluster.yaml:31`; the whole path is in the step's own line. */
function place(rule: RuleReport): string {
  return rule.source === null ? '' : basename(rule.source);
}

function candidateRows(candidates: readonly CandidateReport[], terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const names = widest(candidates.map((candidate) => candidate.name));
  const costs = widest(candidates.map(cost));
  const lines = candidates.flatMap((candidate) => {
    const chosen = candidate.outcome === 'chosen';
    const style = chosen ? undefined : paint.dim;
    return candidateTexts(candidate, terminal).flatMap((text, position) =>
      row(
        [
          position === 0 ? candidateMark(candidate, terminal) : { text: ' ' },
          { text: pad(position === 0 ? candidate.name : '', names), style },
          { text: padStart(position === 0 ? cost(candidate) : '', costs), style: paint.dim },
        ],
        text,
        { ...terminal, indent: detailIndent },
      ),
    );
  });
  const marks = marksSeen(candidates);
  if (marks === '') return lines;
  const legend = fill({ text: marks, style: paint.dim }, { width, indent: detailIndent });
  return [...lines, ...legend];
}

function cost(candidate: CandidateReport): string {
  return `+${candidate.overheadBytes} B`;
}

function candidateMark(candidate: CandidateReport, terminal: Terminal): Span {
  const { paint } = terminal;
  switch (candidate.outcome) {
    case 'chosen':
      return { text: '✓', style: paint.green };
    case 'excluded':
      return { text: '✗', style: paint.red };
    case 'possible':
      return { text: '·', style: paint.dim };
  }
}

function candidateTexts(candidate: CandidateReport, terminal: Terminal): (string | Span)[][] {
  const { paint } = terminal;
  if (candidate.outcome === 'possible') return [['possible, but costs more']];
  const against = merged(candidate.exclusions).map((exclusion): (string | Span)[] => [
    ...(candidate.forced ? [{ text: 'against:', style: paint.yellow }] : []),
    exclusion.text,
    ...(exclusion.fact === null ? [] : [sourceSpan(exclusion.fact, terminal)]),
  ]);
  if (candidate.outcome === 'excluded') return against;
  const plane = candidate.plane === 'kernel' ? '' : `, in ${candidate.plane}`;
  return [
    [candidate.forced ? `forced by the rule${plane}` : `chosen${plane}`],
    ...candidate.facts.map((fact) => [fact.text, sourceSpan(fact, terminal)]),
    ...against,
  ];
}

/** What holds for both ends is said once. */
function merged(exclusions: readonly ExclusionReport[]): readonly ExclusionReport[] {
  const ends = new Map<string, { readonly names: string[]; readonly exclusion: ExclusionReport }>();
  for (const exclusion of exclusions) {
    const { end, text, code } = exclusion;
    const rest = end !== null && text.startsWith(end) ? text.slice(end.length) : text;
    const key = `${code}\n${end === null ? '' : 'end'}\n${rest}`;
    const entry = ends.get(key);
    if (entry === undefined) ends.set(key, { names: end === null ? [] : [end], exclusion });
    else if (end !== null) entry.names.push(end);
  }
  return [...ends.values()].map(({ names, exclusion }) =>
    names.length < 2
      ? exclusion
      : { ...exclusion, text: names.join(' and ') + exclusion.text.slice(names[0]!.length) },
  );
}

function sourceSpan(fact: FactReport, terminal: Terminal): Span {
  return { text: `[${fact.source}, ${fact.mark}]`, style: terminal.paint.dim };
}

const markWords = {
  P: 'P read in a primary source',
  S: 'S secondary source',
  G: 'G general knowledge, the safe side',
} as const;

/** What the marks mean, for those that are on the screen. */
function marksSeen(candidates: readonly CandidateReport[]): string {
  const shown = candidates.flatMap((candidate) => [
    ...(candidate.outcome === 'chosen' ? candidate.facts : []),
    ...candidate.exclusions.flatMap((exclusion) => exclusion.fact ?? []),
  ]);
  const marks = (['P', 'S', 'G'] as const).filter((mark) =>
    shown.some((fact) => fact.mark === mark),
  );
  return marks.length === 0
    ? ''
    : `[source, mark: ${marks.map((mark) => markWords[mark]).join('; ')}]`;
}
