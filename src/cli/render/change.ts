/** A guarded change: how it stands, whom it touches, and what to do next. */
import type { ChangeReport } from '../../agent/change.js';
import { formatLost } from '../../agent/lost.js';
import type { Terminal } from '../terminal.js';
import { blastLines } from './blast.js';
import { fill } from './layout.js';

export function renderChange(report: ChangeReport, terminal: Terminal): string {
  const { paint, width } = terminal;
  const { blast, probes } = report;
  const lines = blast === undefined ? [] : blastLines(blast, terminal);
  if (probes !== undefined)
    lines.push(
      ...fill(`probed ${probes.asked} peers, of which ${probes.answered} answered before`, {
        width,
      }),
    );
  for (const problem of report.problems)
    lines.push(...fill([{ text: '!', style: paint.yellow }, problem], { width, hang: 2 }));
  if (probes !== undefined && probes.lost.length > 0 && report.state === 'rolled-back')
    lines.push(
      ...fill(
        probes.stillLost.length === 0
          ? 'on the way back all of them answer again'
          : `still silent after the way back: ${formatLost(probes.stillLost)}`,
        { width },
      ),
    );
  return [...lines, ...verdictLines(report, terminal)].join('\n');
}

function verdictLines(report: ChangeReport, terminal: Terminal): string[] {
  const { paint, width } = terminal;
  const { file, reason } = report;
  switch (report.state) {
    case 'provisional': {
      const left = `${Math.ceil(report.remainingMs / 1000)} s`;
      return fill(
        [
          { text: '~', style: paint.yellow },
          `${file} is in force provisionally: "selvage confirm" within ${left} keeps it, "selvage rollback" goes back at once`,
        ],
        { width, hang: 2 },
      );
    }
    case 'confirmed':
      return fill([{ text: '✓', style: paint.green }, `${file} is in force: ${reason}`], {
        width,
        hang: 2,
      });
    case 'rolled-back':
      return fill([{ text: '✗', style: paint.red }, `${file} was rolled back: ${reason}`], {
        width,
        hang: 2,
      });
  }
}
