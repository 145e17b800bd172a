/** Two versions of a fleet's configuration: the lines that differ, then what comes of it. */
import type { ConfigDiffReport } from '../fleet-config/reports.js';
import type { Terminal } from '../terminal.js';
import { renderDiff } from './diff.js';
import type { Style } from './layout.js';

export function renderConfigDiff(report: ConfigDiffReport, terminal: Terminal): string {
  const { paint } = terminal;
  const { text, effect } = report;
  const lines =
    text === ''
      ? [`${paint.green('✓')} versions ${report.old} and ${report.new} have the same text`]
      : text
          .replace(/\n$/, '')
          .split('\n')
          .map((line) => styleOf(line, terminal)(line));
  return [...lines, ...(effect === null ? [] : ['', renderDiff(effect, terminal)])].join('\n');
}

function styleOf(line: string, { paint }: Terminal): Style {
  if (/^(?:---|\+\+\+) version \d/.test(line)) return paint.bold;
  switch (line[0]) {
    case '+':
      return paint.green;
    case '-':
      return paint.red;
    case '@':
      return paint.dim;
    default:
      return (text) => text;
  }
}
