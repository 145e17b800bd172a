/**
 * The explanation on a terminal: the verdict in one line, what is wrong right below it, then the
 * reasons. The words come from the report; this only places them.
 */
import type { ExplainReport, VerdictKind } from '../../../routes/explain-report.js';
import type { Paint, Terminal } from '../terminal.js';
import { freezeWords } from '../../explain/freeze-words.js';
import { findingsSection, healthStyle, remediesSection } from './explain-findings.js';
import { hopsSection, probesSection } from './explain-hops.js';
import { explainKernelSection, explainReturnSection } from './explain-kernel.js';
import { explainOthersSection, explainWhyNotSection } from './explain-others.js';
import { explainWhySection } from './explain-why.js';
import { explainWireSection } from './explain-wire.js';
import type { Style, Text } from './layout.js';
import { fill, pad } from './layout.js';
import { whatIfLines } from './what-if.js';

export interface ExplainRenderOptions {
  /** The bytes of every header. */
  readonly hex?: boolean;
}

export function renderExplain(
  report: ExplainReport,
  terminal: Terminal,
  options: ExplainRenderOptions = {},
): string {
  const sections = [
    headSection(report, terminal),
    remediesSection(report, terminal),
    findingsSection(report, terminal),
    explainWhyNotSection(report, terminal),
    explainWhySection(report, terminal),
    explainOthersSection(report, terminal),
    explainWireSection(report, terminal, options),
    report.hops.from === null ? explainKernelSection(report, terminal) : [],
    hopsSection(report, terminal),
    explainReturnSection(report, terminal),
    probesSection(report, terminal),
    guardSection(report, terminal),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function headSection(report: ExplainReport, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const { verdict, question, basis } = report;
  const lines = headline(report, terminal);
  lines.push(...whatIfLines(basis.whatIf?.patches, terminal, basis.whatIf?.now));
  for (const trouble of troubles(report))
    lines.push(...fill([{ text: '!', style: paint.yellow }, trouble], { width, hang: 2 }));
  lines.push('');
  const { owner } = verdict;
  const fact = (name: string, text: Text): void => {
    lines.push(...field(name, text, terminal));
  };
  fact('from', `${question.from.node} (zone ${question.from.zone}, ${question.from.provider})`);
  const to = owner === null ? '' : ` of ${owner.node} (zone ${owner.zone}, ${owner.provider})`;
  const inside = verdict.prefix === null ? '' : ` in ${verdict.prefix}`;
  fact('to', `${question.address}${inside}${to}`);
  if (question.note !== null) fact('asked', `${question.asked}: ${question.note}`);
  const known = basisWords[basis.kind];
  const note = basis.note === null ? '' : `: ${basis.note}`;
  fact('basis', {
    text: `${known}${note} (cluster ${basis.cluster}, revision ${basis.revision})`,
    style: paint.dim,
  });
  return lines;
}

/** What, whether it works, and if not, all that is wrong by code: the line that ends the call. */
function headline(report: ExplainReport, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const { verdict, findings } = report;
  const { kind, summary, health } = verdict;
  const style = verdictStyle(kind, paint);
  const bold = { text: summary, style: paint.bold };
  const hang = kind.length + 1;
  if (health === null && findings.length === 0)
    return fill([{ text: kind, style }, bold], { width, hang });
  const shown = health ?? 'UNDETERMINED';
  const state = { text: shown, style: healthStyle(shown, paint) };
  const causes = findings.filter(({ severity }) => severity === 'cause');
  const [first] = causes;
  if (first === undefined) return fill([{ text: kind, style }, state, bold], { width, hang });
  const codes = [...new Set(causes.map(({ code }) => code))].join(', ');
  return [
    ...fill([{ text: kind, style }, state, { text: `${codes}:`, style: paint.bold }, first.text], {
      width,
      hang,
    }),
    ...fill({ text: `decided: ${summary}`, style: paint.dim }, { width, indent: 2, hang: 4 }),
  ];
}

const basisWords = {
  agent: "the agent's own snapshot",
  kernel: 'the cluster file and this kernel',
  file: 'the cluster file alone, no kernel facts',
} as const;

function troubles(report: ExplainReport): string[] {
  const { kernel, returnPath, verdict, freeze } = report;
  const bad = kernel.objects.filter((object) => object.state !== 'match');
  const found: string[] = [];
  if (freeze !== null) found.push(freezeWords(freeze));
  // Findings say the same, and more.
  if (report.findings.length > 0) return found;
  if (bad.length > 0)
    found.push(
      `the kernel differs: ${bad.map((object) => `${object.type} ${object.state}`).join(', ')}`,
    );
  const held = bad.some((object) => object.type === 'route' && object.state === 'foreign');
  if (kernel.effective?.ours === false && verdict.kind !== 'LOCAL' && !held)
    found.push(`another route wins in the kernel: ${kernel.effective.route}`);
  if (returnPath.asymmetric) found.push(`asymmetric: ${returnPath.differences.join('; ')}`);
  return found;
}

const fieldWidth = 8;

function field(name: string, text: Text, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const indent = fieldWidth + 2;
  const [first = '', ...rest] = fill(text, { width, indent });
  return [`  ${paint.dim(pad(name, fieldWidth))}${first.slice(indent)}`, ...rest];
}

function guardSection(report: ExplainReport, terminal: Terminal): string[] {
  if (report.guard.length === 0) return [];
  return [
    terminal.paint.bold('Packet filters'),
    ...report.guard.flatMap((note) => fill(note, { width: terminal.width, indent: 2, hang: 4 })),
  ];
}

function verdictStyle(kind: VerdictKind, paint: Paint): Style {
  switch (kind) {
    case 'LOCAL':
    case 'NATIVE':
      return (text) => paint.bold(paint.green(text));
    case 'IPIP':
    case 'VXLAN':
      return (text) => paint.bold(paint.cyan(text));
    case 'DENIED':
    case 'NO-ROUTE':
      return (text) => paint.bold(paint.red(text));
  }
}
