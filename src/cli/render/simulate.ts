/** A simulation for people: what one agent holds, what each phase cost, and whether all of it holds. */
import Table from 'cli-table3';
import type { GrowthReport } from '../../simulate/growth.js';
import type { PhaseReport, SimulationReport } from '../../simulate/report.js';
import type { Terminal } from '../terminal.js';
import { fill } from './layout.js';

export function renderSimulation(report: SimulationReport, terminal: Terminal): string {
  const { paint } = terminal;
  const { input, fleet, memory } = report;
  const zones = Object.entries(fleet.providers).map(([provider, count]) => `${count} ${provider}`);
  return [
    paint.bold(
      `${count(input.nodes)} nodes in ${input.zones} zones (${zones.join(', ')}), ${input.observers} of them whole agents, seed ${input.seed}`,
    ),
    '',
    table(
      [
        'agent',
        'zone',
        'routes',
        'native',
        'ipip',
        'vxlan',
        'heap MiB',
        'cold start ms',
        'decisions/s',
      ],
      report.observers.map((observer) => [
        observer.node,
        observer.zone,
        count(observer.routes),
        count(observer.modes.native),
        count(observer.modes.ipip),
        count(observer.modes.vxlan),
        String(observer.heapMiB),
        count(observer.coldStart.workMs),
        count(observer.decisionsPerSecond),
      ]),
    ),
    '',
    table(
      [
        'phase',
        'events',
        'messages',
        'bytes',
        'reach the kernel ms',
        '',
        'agent work ms',
        '',
        'writes',
        'quiet s',
      ],
      [
        [
          '',
          '',
          'per event',
          'per event',
          'p50 / p90 / p99',
          'max',
          'p50 / p99',
          'per event',
          '',
          '',
        ].map((text) => paint.dim(text)),
        ...report.phases.map(phaseRow),
      ],
    ),
    '',
    `Told without a cause (renewals, status of others): ${unexplained(report)} messages.`,
    `Memory: ${count(memory.residentMiB)} MiB resident, of which the store needs ${fleet.storeMiB} MiB for ${count(fleet.keys)} keys. Took ${report.wallSeconds} s.`,
    '',
    ...report.notes.flatMap((note) =>
      fill(note, { width: terminal.width }).map((line) => paint.dim(line)),
    ),
    '',
    ...verdict(report, terminal),
  ].join('\n');
}

function phaseRow(phase: PhaseReport): string[] {
  const { virtualMs, workMs } = phase.convergence;
  const spread =
    virtualMs === null ? '–' : `${virtualMs.p50} / ${virtualMs.p90} / ${virtualMs.p99}`;
  return [
    phase.name,
    count(phase.events),
    String(phase.perWatcher.messagesPerEvent),
    count(phase.perWatcher.bytesPerEvent),
    spread,
    virtualMs === null ? '–' : String(virtualMs.max),
    workMs === null ? '–' : `${workMs.p50} / ${workMs.p99}`,
    String(phase.workMsPerEvent),
    count(phase.writes),
    String(phase.quietAfterSeconds),
  ];
}

function unexplained({ phases }: SimulationReport): number {
  return phases.reduce(
    (sum, { perWatcher }) => sum + Math.max(0, perWatcher.unexplained) + perWatcher.status,
    0,
  );
}

function verdict(report: SimulationReport, { paint }: Terminal): string[] {
  const lines = report.phases.flatMap(({ name, differences, notFollowed }) => [
    ...(notFollowed === 0
      ? []
      : [paint.red(`✗ ${name}: ${notFollowed} events were not followed by an agent`)]),
    ...differences.flatMap(({ node, missing, unwanted, lines: shown }) => [
      paint.red(
        `✗ ${name}: ${node} lacks ${missing} objects and has ${unwanted} that nobody wants`,
      ),
      ...shown.map((line) => `    ${line}`),
    ]),
  ]);
  if (!report.complete) lines.push(paint.yellow('! interrupted: this is what was known by then'));
  const checked = report.phases.filter((phase) => phase.checked).length;
  if (lines.length === 0)
    lines.push(
      paint.green(
        `✓ after each of ${checked} phases every agent's kernel was what a start from nothing makes`,
      ),
    );
  return lines;
}

export function renderGrowth(report: GrowthReport, terminal: Terminal): string {
  const { paint } = terminal;
  return [
    table(
      [
        'nodes',
        'agents',
        'routes',
        'event ms',
        'p50 / p99 ms',
        'msgs',
        'bytes',
        'cold start ms',
        'rule change ms',
        'decisions/s',
        'heap MiB',
        'RSS MiB',
      ],
      report.sizes.map((size) => [
        count(size.nodes),
        String(size.observers),
        cell(size.routes),
        cell(size.eventMs),
        size.latencyMs === null ? '–' : `${size.latencyMs.p50} / ${size.latencyMs.p99}`,
        cell(size.messagesPerEvent),
        cell(size.bytesPerEvent),
        cell(size.coldStartMs),
        cell(size.ruleChangeMs),
        cell(size.decisionsPerSecond),
        cell(size.heapMiB),
        cell(size.residentMiB),
      ]),
    ),
    '',
    'Exponents (0: independent of the size, 1: in proportion to it):',
    table(
      ['from', 'to', 'event', 'cold start', 'rule change', 'heap'],
      report.exponents.map(({ from, to, of }) => [
        count(from),
        count(to),
        cell(of.eventMs ?? null),
        cell(of.coldStartMs ?? null),
        cell(of.ruleChangeMs ?? null),
        cell(of.heapMiB ?? null),
      ]),
    ),
    '',
    bendLine(report),
    ...report.notes.flatMap((note) =>
      fill(note, { width: terminal.width }).map((line) => paint.dim(line)),
    ),
    '',
    ...report.reports.flatMap((each) =>
      verdict(each, terminal).map((line) => `${count(each.input.nodes)} nodes: ${line}`),
    ),
  ].join('\n');
}

function bendLine({ bend, sizes }: GrowthReport): string {
  if (sizes.length < 2) return 'Fewer than two sizes: nothing can be said of growth.';
  return bend === null
    ? 'The cost of one event does not bend: no exponent is above 0.5.'
    : `The cost of one event bends at ${count(bend.nodes)} nodes: its exponent there is ${bend.exponent}.`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const made = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, index) => (index === 0 ? 'left' : 'right')),
  });
  for (const row of rows) made.push([...row]);
  return made.toString();
}

function cell(value: number | null): string {
  return value === null ? '–' : count(value);
}

/** `12,345`, and a fraction as it is. */
function count(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : String(value);
}
