/** A change that is led through a fleet: how far it is, and who is waited for and why. */
import type { NodeStand } from '../../migrate/stand.js';
import type { Progress, Stage } from '../../migrate/stage.js';
import { stages } from '../../migrate/stage.js';
import type { MigrateReport } from '../migrate/report.js';
import type { Terminal } from '../terminal.js';
import { type Span, columns, fill, row } from './layout.js';

/** Nodes by name; the rest are counted, and the JSON has all. */
const shownNodes = 12;
/** Of one node. */
const shownProblems = 2;

const doing: Readonly<Record<Stage, string>> = {
  start: 'waiting until every node sends by the version in force',
  prepare: 'every node learns to receive the new beside the old',
  ready: 'every node receives both',
  switch: 'every node goes over to sending the new',
  settle: 'every node sends the new; what is under way arrives',
  clean: 'every node forgets the old',
  done: 'every node has the new alone',
};

export function renderMigrate(report: MigrateReport, terminal: Terminal): string {
  const { progress, problem, outcome } = report;
  if (progress === null) return outcomeLines(report, terminal).join('\n');
  const { width, paint } = terminal;
  return [
    ...(outcome === 'none' ? [] : [stageLine(progress, terminal), '']),
    ...zoneTable(progress, terminal),
    ...nodeLines(
      outcome === 'none' ? 'a change would begin by waiting for' : 'waiting for',
      progress.waiting,
      terminal,
    ),
    ...nodeLines('not waited for (--skip)', progress.skipped, terminal),
    ...(problem === null
      ? []
      : fill([{ text: '!', style: paint.yellow }, `the store: ${problem}`], { width, hang: 2 })),
    ...outcomeLines(report, terminal),
  ].join('\n');
}

/** One line for a pipe. */
export function progressLine({ cluster, progress, problem }: MigrateReport): string {
  if (progress === null) return `${cluster}: ${problem ?? 'reading'}`;
  const { stage, version, waiting, skipped, zones } = progress;
  const nodes = zones.reduce((sum, zone) => sum + zone.nodes, 0);
  const names = waiting.slice(0, 3).map(({ node, lacks }) => `${node} (${lacks})`);
  const rest = waiting.length - names.length;
  const wait =
    waiting.length === 0
      ? ''
      : `; waiting for ${names.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
  const passedOver = skipped.length === 0 ? '' : `, ${skipped.length} skipped`;
  const done = `${nodes - waiting.length - skipped.length} of ${nodes} nodes${passedOver}`;
  return `version ${version}, ${stage}: ${done}${wait}${problem === null ? '' : `; the store: ${problem}`}`;
}

function stageLine({ stage, version, from, isRollback }: Progress, terminal: Terminal): string {
  const { paint } = terminal;
  const at = stages.indexOf(stage);
  const marks = stages.slice(0, -1).map((name, i) => {
    if (stage === 'done' || i < at) return paint.green(`✓ ${name}`);
    return i === at ? paint.bold(`● ${name}`) : paint.dim(`· ${name}`);
  });
  const what =
    from === undefined
      ? `after version ${version}`
      : `${isRollback ? 'back ' : ''}from version ${from}, now ${version}`;
  return [`${what}: ${doing[stage]}`, marks.join('  ')].join('\n');
}

function zoneTable({ zones }: Progress, { width, paint }: Terminal): readonly string[] {
  const count = (value: number): Span => ({ text: value === 0 ? '–' : String(value) });
  const rows = zones.map(({ zone, nodes, done, waiting, skipped }) => [
    { text: zone },
    count(nodes),
    count(done),
    { ...count(waiting), style: waiting > 0 ? paint.yellow : undefined },
    count(skipped),
  ]);
  const headings = ['zone', 'nodes', 'done', 'waiting', 'skipped'];
  return columns(headings, rows, { width, indent: 2, dim: paint.dim });
}

function nodeLines(
  title: string,
  nodes: readonly NodeStand[],
  { width, paint }: Terminal,
): readonly string[] {
  if (nodes.length === 0) return [];
  const shown = nodes.slice(0, shownNodes);
  const rest = nodes.length - shown.length;
  return [
    `${title}:`,
    ...shown.flatMap(({ node, lacks = '', problems }) =>
      row([{ text: node, style: paint.bold }], [lacks, ...notes(problems)], { width, indent: 2 }),
    ),
    ...(rest > 0 ? [paint.dim(`  and ${rest} more`)] : []),
  ];
}

function notes(problems: readonly string[]): readonly string[] {
  const shown = problems.slice(0, shownProblems).map((line) => `— ${line}`);
  const rest = problems.length - shown.length;
  return rest > 0 ? [...shown, `(and ${rest} more)`] : shown;
}

function outcomeLines(report: MigrateReport, terminal: Terminal): readonly string[] {
  const { paint, width } = terminal;
  const { text, isGood } = outcomeText(report);
  if (text === '') return [];
  const mark = isGood ? { text: '✓', style: paint.green } : { text: '✗', style: paint.red };
  return fill([mark, text], { width, hang: 2 });
}

const onwards = '"selvage migrate --resume" goes on, "selvage migrate --rollback" takes it back';

/** What became of it, and how to go on. */
export function outcomeText({ outcome, progress, cluster, version }: MigrateReport): {
  readonly text: string;
  readonly isGood: boolean;
} {
  const how = progress?.isRollback === true ? '"selvage migrate --resume" goes on' : onwards;
  const isBegun = progress !== null && progress.stage !== 'start';
  const stays = isBegun
    ? `the change stays in its phase and no packet is lost by that; ${how}`
    : 'nothing was written';
  switch (outcome) {
    case 'running':
      return { text: '', isGood: true };
    case 'none':
      return { text: `no change of ${cluster} is being led`, isGood: true };
    case 'under-way':
      return { text: `a change of ${cluster} is under way; ${how}`, isGood: false };
    case 'done':
      return { text: `done: ${cluster} has version ${version} alone`, isGood: true };
    case 'paused':
      return { text: `paused, as asked for; ${how}`, isGood: true };
    case 'timeout':
      return { text: `the time is over; ${stays}`, isGood: false };
    case 'interrupted':
      return { text: `ended before the change was; ${stays}`, isGood: false };
    case 'superseded':
      return {
        text: `version ${version} counts now, which is none of this change: somebody took it back or wrote another configuration; look with "selvage migrate" and "selvage config history"`,
        isGood: false,
      };
  }
}
