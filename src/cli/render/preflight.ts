/**
 * Preflight for people: by group, a short line for what is right; what is not, with what was found,
 * what is needed, and what to type.
 */
import type { Check, CheckResult, CheckStatus, Fix, Group } from '../../preflight/check.js';
import { groups } from '../../preflight/check.js';
import type { PreflightReport } from '../../preflight/run.js';
import type { Paint, Terminal } from '../terminal.js';
import type { Style } from './layout.js';
import { pad, row, widest } from './layout.js';

const headings: Readonly<Record<Group, string>> = {
  kernel: 'Kernel',
  host: 'Host settings',
  underlay: 'Underlay',
  conflicts: 'Others on this machine',
  filters: 'Packet filters',
  service: 'Service',
  cloud: 'Cloud',
  cluster: 'Cluster',
};

const marks: Readonly<Record<CheckStatus, string>> = { ok: '✓', warn: '!', fail: '✗', skip: '·' };

function styleOf(status: CheckStatus, paint: Paint): Style {
  switch (status) {
    case 'ok':
      return paint.green;
    case 'warn':
      return paint.yellow;
    case 'fail':
      return paint.red;
    case 'skip':
      return paint.dim;
  }
}

const keepers = {
  running: 'its agent runs',
  frozen: 'its agent is frozen',
  dead: 'no agent answers, though its devices are here',
  absent: 'nothing of selvage is here yet',
} as const satisfies Record<NonNullable<PreflightReport['keeper']>, string>;

export interface RenderOptions {
  /** What was skipped as well. */
  readonly all: boolean;
}

export function renderPreflight(
  report: PreflightReport,
  terminal: Terminal,
  { all }: RenderOptions,
): string {
  const { paint } = terminal;
  const { cluster, node, keeper, file } = report;
  const about = node === null ? `cluster ${cluster}` : `node ${node} of cluster ${cluster}`;
  const head = `${paint.bold(about)} (${file})${keeper === null ? '' : `: ${keepers[keeper]}`}`;
  const shown = report.checks.filter(({ status }) => all || status !== 'skip');
  const width = widest(shown.map(({ title }) => title));
  const body = groups.flatMap((group) => {
    const results = shown.filter((result) => result.group === group);
    if (results.length === 0) return [];
    return [
      paint.bold(headings[group]),
      ...results.flatMap((result) => resultLines(result, { terminal, width })),
      '',
    ];
  });
  return [head, '', ...body, summary(report, { terminal, all })].join('\n');
}

function resultLines(
  { status, title, found, id, needed, fix }: CheckResult,
  { terminal, width }: { readonly terminal: Terminal; readonly width: number },
): readonly string[] {
  const { paint } = terminal;
  const quiet = status === 'skip' ? paint.dim : undefined;
  const mark = { text: marks[status], style: styleOf(status, paint) };
  const first = row(
    [mark, { text: pad(title, width), style: quiet }],
    { text: found, style: quiet },
    { width: terminal.width, indent: 2 },
  );
  if (status === 'ok' || status === 'skip') return first;
  const indent = width + 6;
  const told = (word: string, text: string): readonly string[] =>
    row([{ text: pad(word, 6), style: paint.dim }], text, { width: terminal.width, indent });
  return [
    ...first,
    ...(needed === null ? [] : told('needed', needed)),
    ...(fix === null ? [] : fixLines(fix, { told, indent: indent + 8, paint })),
    ...told('id', id),
  ];
}

/** Commands are never broken: they are for copying. */
function fixLines(
  fix: Fix,
  of: {
    readonly told: (word: string, text: string) => readonly string[];
    readonly indent: number;
    readonly paint: Paint;
  },
): readonly string[] {
  const at = ' '.repeat(of.indent);
  const { file, commands, terraform = [] } = fix;
  return [
    ...of.told('fix', fix.text),
    ...(file === undefined
      ? []
      : [`${at}${of.paint.dim(`${file.path}:`)}`, ...file.lines.map((line) => `${at}  ${line}`)]),
    ...commands.map((line) => `${at}${line.startsWith('#') ? '' : '$ '}${line}`),
    ...(terraform.length === 0 ? [] : [`${at}${of.paint.dim('Terraform:')}`]),
    ...terraform.map((line) => `${at}  ${line}`),
  ];
}

function summary(
  { counts, worst }: PreflightReport,
  { terminal, all }: { readonly terminal: Terminal; readonly all: boolean },
): string {
  const { paint } = terminal;
  const words = [
    `${counts.ok} ok`,
    ...(counts.warn > 0 ? [paint.yellow(`${counts.warn} warn`)] : []),
    ...(counts.fail > 0 ? [paint.red(`${counts.fail} fail`)] : []),
    `${counts.skip} skipped${all || counts.skip === 0 ? '' : ' (--all shows them)'}`,
  ];
  const verdict =
    worst === 'fail'
      ? paint.red('✗ packets would be lost')
      : paint.green('✓ nothing here loses packets');
  return `${verdict}: ${words.join(', ')}`;
}

/** The list of checks, for people and for the documentation. */
export function renderChecks(checks: readonly Check[]): string {
  const width = widest(checks.map(({ id }) => id));
  return checks.map(({ id, about }) => `${pad(id, width)}  ${about}`).join('\n');
}
