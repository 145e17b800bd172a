/** A change of a fleet's configuration: whom it touches, what became of it, and what to do next. */
import { formatProblem } from '../../config/problem.js';
import type { ConfigChangeReport, OtherVersion } from '../fleet-config/propose.js';
import type { Terminal } from '../terminal.js';
import { renderDiff } from './diff.js';
import { type Style, fill } from './layout.js';

export interface ConfigChangeView extends Terminal {
  /** For excerpts. */
  readonly text: string;
}

export function renderConfigChange(report: ConfigChangeReport, view: ConfigChangeView): string {
  const { paint } = view;
  const { effect, outcome } = report;
  const problems = report.problems.flatMap((problem) => [
    formatProblem(problem, problem.file === report.file ? { source: view.text } : {}),
    '',
  ]);
  const shown = effect === null || outcome === 'conflict' ? [] : [renderDiff(effect, view), ''];
  return [
    ...problems,
    ...shown,
    ...report.remarks.flatMap((text) => marked({ text, mark: '!', style: paint.yellow }, view)),
    ...report.dangers.flatMap((text) => marked({ text, mark: '✗', style: paint.red }, view)),
    ...verdict(report, view),
  ].join('\n');
}

interface Marked {
  readonly mark: string;
  readonly style: Style;
  readonly text: string;
}

function marked({ mark, style, text }: Marked, { width }: Terminal): string[] {
  return fill([{ text: mark, style }, text], { width, hang: 2 });
}

function verdict(report: ConfigChangeReport, terminal: Terminal): string[] {
  const { paint } = terminal;
  const { file, version, base, registered, other, pruned } = report;
  const good = (text: string): string[] =>
    marked({ text, mark: '✓', style: paint.green }, terminal);
  const bad = (text: string): string[] => marked({ text, mark: '✗', style: paint.red }, terminal);
  const nodes =
    registered === 0 ? '' : ` with ${registered} registered ${registered === 1 ? 'node' : 'nodes'}`;
  switch (report.outcome) {
    case 'unchanged':
      return good(`version ${version} has this text already; nothing was written`);
    case 'would-write':
      return good(`${file} is valid${nodes} and would be version ${version}`);
    case 'written':
      return [
        ...good(
          base === 0
            ? `version 1 is written, the first of this cluster`
            : `version ${version} is written; "selvage config rollback" takes it back`,
        ),
        ...(pruned.length === 0
          ? []
          : fill(`removed as too old: ${pruned.join(', ')}`, { ...terminal, indent: 2 })),
      ];
    case 'invalid':
      return bad(`${file} is not valid; nothing was written`);
    case 'refused':
      return bad('nothing was written; --force-change writes it all the same');
    case 'conflict':
      return bad(conflictText(other, base));
  }
}

/** Who was first, and how to go on. */
function conflictText(other: OtherVersion | null, base: number | null): string {
  if (other === null) return 'nothing was written: somebody else wrote first; look again';
  const { number, by, at, message } = other;
  const who = by === null ? '' : ` by ${by} at ${at}${message === null ? '' : ` ("${message}")`}`;
  return (
    `nothing was written: version ${number} was written${who}; "selvage config diff${base === null || base === 0 ? '' : ` ${base}`}" shows what ` +
    `changed: take that into your text, then "selvage config set FILE --if-version ${number}"`
  );
}
