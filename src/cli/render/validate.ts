/** Problems as a compiler prints them: the place, what is wrong, the line with a caret below. */
import { type FormatOptions, formatProblem } from '../../config/index.js';
import type { Terminal } from '../terminal.js';
import type { ValidateReport } from '../validate-file.js';

export interface ValidateView extends Terminal {
  readonly sources: ReadonlyMap<string, string>;
}

export function renderValidate(report: ValidateReport, view: ValidateView): string {
  const { paint } = view;
  const lines = new Map(
    [...view.sources].map(([file, text]) => [file, text.split(/\r\n|\n/)] as const),
  );
  const excerptOf = (file: string): FormatOptions => {
    const source = lines.get(file);
    return source === undefined ? {} : { source };
  };
  const shown = report.problems.map((problem) => {
    const [head = '', ...excerpt] = formatProblem(problem, excerptOf(problem.file)).split('\n');
    const word = `${problem.severity}:`;
    const style = problem.severity === 'error' ? paint.red : paint.yellow;
    return [head.replace(word, paint.bold(style(word))), ...excerpt.map(paint.dim)].join('\n');
  });
  const errors = report.problems.filter((problem) => problem.severity === 'error').length;
  const warnings = report.problems.length - errors;
  const counts = [count(errors, 'error'), count(warnings, 'warning')].filter((text) => text !== '');
  return [...shown, summary(report, { counts, paint })].join(shown.length > 0 ? '\n\n' : '');
}

function summary(
  report: ValidateReport,
  parts: { readonly counts: readonly string[]; readonly paint: Terminal['paint'] },
): string {
  const { cluster, file } = report;
  const { counts, paint } = parts;
  if (cluster === null) return `${paint.red('✗')} ${file}: ${counts.join(', ')}`;
  const what = [
    count(cluster.nodes, 'node'),
    count(cluster.zones, 'zone'),
    count(cluster.links, 'link'),
    count(cluster.rules, 'rule'),
    ...counts,
  ].filter((text) => text !== '');
  return `${paint.green('✓')} ${file}: cluster ${cluster.name}, ${what.join(', ')}`;
}

function count(number: number, noun: string): string {
  return number === 0 ? '' : `${number} ${noun}${number === 1 ? '' : 's'}`;
}
