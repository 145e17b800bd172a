/** A simulation for people: what one agent holds, what each phase cost, and whether all of it holds. */
import type { PhaseReport, SimulationReport } from '../../simulate/report.js';
import type { Terminal } from '../terminal.js';
import type { Column } from './figures.js';
import { count, figures } from './figures.js';
import { fill } from './layout.js';

type ObserverReport = SimulationReport['observers'][number];

const observerColumns: readonly Column<ObserverReport>[] = [
  ['agent', ({ node }) => node],
  ['zone', ({ zone }) => zone],
  ['routes', ({ routes }) => routes],
  ['native', ({ modes }) => modes.native],
  ['ipip', ({ modes }) => modes.ipip],
  ['vxlan', ({ modes }) => modes.vxlan],
  ['heap MiB', ({ heapMiB }) => heapMiB],
  ['cold start ms', ({ coldStart }) => coldStart.workMs],
  ['decisions/s', ({ decisionsPerSecond }) => decisionsPerSecond],
];

const phaseColumns: readonly Column<PhaseReport>[] = [
  ['phase', ({ name }) => name],
  ['events', ({ events }) => events],
  ['messages', ({ perWatcher }) => perWatcher.messagesPerEvent],
  ['bytes', ({ perWatcher }) => perWatcher.bytesPerEvent],
  ['p50', ({ convergence }) => convergence.virtualMs?.p50],
  ['p90', ({ convergence }) => convergence.virtualMs?.p90],
  ['p99', ({ convergence }) => convergence.virtualMs?.p99],
  ['max', ({ convergence }) => convergence.virtualMs?.max],
  ['p50', ({ convergence }) => convergence.workMs?.p50],
  ['p99', ({ convergence }) => convergence.workMs?.p99],
  ['an event', ({ workMsPerEvent }) => workMsPerEvent],
  ['most', ({ workMsPerEventMost }) => workMsPerEventMost],
  ['writes', ({ writes }) => writes],
  ['quiet s', ({ quietAfterSeconds }) => quietAfterSeconds],
];

export function renderSimulation(report: SimulationReport, terminal: Terminal): string {
  const { paint, width } = terminal;
  const { input, fleet, memory } = report;
  const zones = Object.entries(fleet.providers).map(
    ([provider, number]) => `${number} ${provider}`,
  );
  return [
    paint.bold(
      `${count(input.nodes)} nodes in ${input.zones} zones, ${input.observers} of them whole agents, seed ${input.seed}`,
    ),
    ...fill(`Zones: ${zones.join(', ')}`, { width }),
    '',
    ...figures({ columns: observerColumns, rows: report.observers, words: 2 }, paint),
    '',
    ...figures(
      {
        groups: [
          ['', 2],
          ['an event', 2],
          ['write to kernel, ms', 4],
          ['work of one agent, ms', 4],
          ['', 2],
        ],
        columns: phaseColumns,
        rows: report.phases,
        words: 1,
      },
      paint,
    ),
    '',
    `Told without a cause (renewals, status of others): ${unexplained(report)} messages.`,
    `Memory: ${count(memory.residentMiB)} MiB resident, of which the store needs ${fleet.storeMiB} MiB for ${count(fleet.keys)} keys. Took ${report.wallSeconds} s.`,
    '',
    ...noteLines(report.notes, terminal),
    '',
    ...verdictLines(report, terminal),
  ].join('\n');
}

export function noteLines(notes: readonly string[], { paint, width }: Terminal): string[] {
  return notes.flatMap((note) =>
    fill(`· ${note}`, { width, hang: 2 }).map((line) => paint.dim(line)),
  );
}

export function verdictLines(report: SimulationReport, { paint }: Terminal): string[] {
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
  if (lines.length > 0) return lines;
  const checked = report.phases.filter((phase) => phase.checked).length;
  return [
    paint.green(
      `✓ after each of ${checked} phases every agent's kernel was what a start from nothing makes`,
    ),
  ];
}

function unexplained({ phases }: SimulationReport): number {
  return phases.reduce(
    (sum, { perWatcher }) => sum + Math.max(0, perWatcher.unexplained) + perWatcher.status,
    0,
  );
}
