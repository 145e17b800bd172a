/** Changes of kernel objects as a diff: `+` made, `~` changed, `-` removed, in iproute2's words. */
import type { ApplyReport, DownReport } from '../../agent/one-shot.js';
import type { PlannedChange, PlanReport } from '../../agent/plan-report.js';
import type { Terminal } from '../terminal.js';
import { blastLines, cutLines } from './blast.js';
import { changeoverLines } from './changeover.js';
import { fill } from './layout.js';
import { whatIfLines } from './what-if.js';

export function renderPlan(report: PlanReport, terminal: Terminal): string {
  const { paint } = terminal;
  const lines = [
    ...guardLines(report.guard, terminal),
    ...report.changes.flatMap((change) => changeLines(change, terminal)),
  ];
  const tallied = [
    ...(report.guard === undefined ? [] : ['the guard to renew']),
    tally(report.changes, ['to make', 'to change', 'to remove']),
  ].filter((text) => text !== '');
  const summary =
    lines.length === 0
      ? `${paint.green('✓')} the kernel of ${report.node} is as desired${report.whatIf === undefined ? '' : ' for that as well'} (revision ${report.revision})`
      : `${report.node}, revision ${report.revision}: ${tallied.join(', ')}`;
  return [
    ...whatIfLines(report.whatIf, terminal),
    ...lines,
    ...troubleLines(report, terminal),
    ...(report.changeover === undefined ? [] : changeoverLines(report.changeover, terminal)),
    ...(report.blast === undefined || report.changes.length === 0
      ? []
      : blastLines(report.blast, terminal)),
    ...cutLines(report.managementCuts ?? [], terminal),
    summary,
  ].join('\n');
}

export function renderApply(report: ApplyReport, terminal: Terminal): string {
  const { paint, width } = terminal;
  const failed = report.failed.flatMap(({ object, error }) =>
    fill(
      [{ text: '✗', style: paint.red }, object.object, { text: `— ${error}`, style: paint.red }],
      {
        width,
        hang: 2,
      },
    ),
  );
  const skipped = report.skipped.flatMap((change) =>
    fill([{ text: '·', style: paint.yellow }, `${change.object} (held back)`], { width, hang: 2 }),
  );
  const done = [
    ...(report.guard === undefined ? [] : ['the guard renewed']),
    tally(report.applied, ['made', 'changed', 'removed']),
  ]
    .filter((text) => text !== '')
    .join(', ');
  const trouble = failed.length + skipped.length;
  const mark = trouble === 0 ? paint.green('✓') : paint.red('✗');
  return [
    ...guardLines(report.guard, terminal),
    ...report.applied.flatMap((change) => changeLines(change, terminal)),
    ...failed,
    ...skipped,
    ...troubleLines(report, terminal),
    `${mark} ${report.node}: ${done === '' ? 'nothing to do' : done}${trouble === 0 ? '' : `, ${report.failed.length} failed, ${report.skipped.length} held back`}`,
  ].join('\n');
}

export function renderDown(report: DownReport, terminal: Terminal): string {
  const { paint, width } = terminal;
  const mark = report.failed.length === 0 ? paint.green('✓') : paint.red('✗');
  return [
    ...report.removed.flatMap((change) => changeLines(change, terminal)),
    ...report.restored.map((line) => `${paint.yellow('~')} sysctl ${line}`),
    ...report.failed.flatMap((line) =>
      fill([{ text: '✗', style: paint.red }, line], { width, hang: 2 }),
    ),
    `${mark} ${report.removed.length} removed, ${report.restored.length} settings restored, the guard is gone`,
  ].join('\n');
}

export function renderReload(
  report: { readonly revision: number; readonly problems: readonly string[] },
  terminal: Terminal,
): string {
  const { paint } = terminal;
  if (report.problems.length === 0)
    return `${paint.green('✓')} the agent has read its file again: revision ${report.revision} is in force`;
  return [
    `${paint.red('✗')} the agent keeps revision ${report.revision}; the file has problems:`,
    ...report.problems.map((line) => `  ${line}`),
  ].join('\n');
}

/** Of its rules only the first difference is known: they are renewed as a whole. */
function guardLines(difference: string | undefined, { paint, width }: Terminal): string[] {
  return difference === undefined
    ? []
    : fill([{ text: '~', style: paint.yellow }, `guard: ${difference}`], { width, hang: 4 });
}

function changeLines(change: PlannedChange, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  switch (change.action) {
    case 'create':
      return fill([{ text: '+', style: paint.green }, change.object], { width, hang: 4 });
    case 'delete':
      return fill([{ text: '-', style: paint.red }, change.object], { width, hang: 4 });
    case 'update': {
      const how = change.recreate ? ', made anew' : '';
      const what = `(${change.attributes.join(', ')}${how})`;
      return [
        ...fill(
          [{ text: '~', style: paint.yellow }, change.object, { text: what, style: paint.dim }],
          {
            width,
            hang: 4,
          },
        ),
        ...fill({ text: `was ${change.actual ?? ''}`, style: paint.dim }, { width, indent: 4 }),
      ];
    }
  }
}

function troubleLines(
  report: Pick<PlanReport, 'foreign' | 'problems'>,
  terminal: Terminal,
): string[] {
  const { paint, width } = terminal;
  const lines = [
    ...report.foreign.map(
      ({ desired, actual }) =>
        `left alone, as somebody else holds it: ${actual}; wanted: ${desired}`,
    ),
    ...report.problems,
  ];
  return lines.flatMap((line) =>
    fill([{ text: '!', style: paint.yellow }, line], { width, hang: 2 }),
  );
}

function tally(
  changes: readonly PlannedChange[],
  words: readonly [string, string, string],
): string {
  return (['create', 'update', 'delete'] as const)
    .map((action, i) => [changes.filter((change) => change.action === action).length, words[i]])
    .filter(([number]) => number !== 0)
    .map(([number, word]) => `${number} ${word}`)
    .join(', ');
}
