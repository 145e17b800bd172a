/** The versions of a fleet's configuration in columns. */
import type { HistoryReport, VersionReport } from '../fleet-config/reports.js';
import type { Terminal } from '../terminal.js';
import { type Span, columns, fill } from './layout.js';

export function renderConfigHistory(report: HistoryReport, terminal: Terminal): string {
  const { versions, total } = report;
  const { paint, width } = terminal;
  if (total === 0)
    return fill(
      'the store has no configuration of this cluster yet; make one with "selvage config set FILE"',
      { width },
    ).join('\n');
  const lines = columns(
    ['version', 'at', 'by', 'changes', 'message'],
    versions.map((version) => cells(version, terminal)),
    { width, indent: 0, dim: paint.dim },
  );
  const older = total - versions.length;
  return [...lines, ...(older === 0 ? [] : [paint.dim(`and ${older} older`)])].join('\n');
}

function cells(version: VersionReport, { paint }: Terminal): readonly Span[] {
  const { number, at, by, message, phase, problem, inForce } = version;
  const note = [
    ...(phase === null ? [] : [`[${phase}]`]),
    problem === null ? (message ?? '') : `cannot be used: ${problem}`,
  ].join(' ');
  return [
    { text: `${number}${inForce ? '*' : ''}`, style: inForce ? paint.bold : undefined },
    { text: at === null ? '–' : at.replace(/\.\d+Z$/, 'Z') },
    { text: by ?? '–' },
    { text: changes(version) },
    { text: note, style: problem === null ? undefined : paint.red },
  ];
}

function changes({ lines, bytes }: VersionReport): string {
  if (lines !== null) return `+${lines.added} -${lines.removed}`;
  return bytes === null ? '–' : `${bytes} bytes`;
}
