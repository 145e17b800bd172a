/** What joining and leaving have done, and what comes next. */
import type { JoinReport, LeaveReport } from '../fleet/reports.js';
import type { Terminal } from '../terminal.js';
import { columns, fill } from './layout.js';

export function renderJoin(report: JoinReport, { paint, width }: Terminal): string {
  const { name, cluster, zone, underlay, overlay, made, account, files, here, notes } = report;
  const kept = overlay.filter((prefix) => !made.includes(prefix));
  const blocks = [
    ...made.map((prefix) => `${prefix} (new)`),
    ...kept.map((prefix) => (made.length === 0 ? prefix : `${prefix} (as before)`)),
  ];
  const rows = [
    ['zone', zone],
    ['address', underlay.join(', ')],
    ['prefixes', blocks.join(', ')],
    ['account', account ?? 'none: the store asks nobody who they are'],
    ['written', files.join(', ')],
  ].map(([label = '', text = '']) => [{ text: label, style: paint.dim }, { text }]);
  const done =
    report.kind === 'registered'
      ? `${name} is a node of ${cluster}`
      : `${name} is a node that the configuration of ${cluster} lists`;
  const open =
    account === null
      ? [
          'Anybody who reaches the store can write everything in it: give it users before you trust it (see "etcd with users" in the README).',
        ]
      : [];
  return [
    `${paint.green('✓')} ${done}`,
    // The first row has the labels' column and is no heading.
    ...columns(['', ''], rows, { width, indent: 2, dim: paint.dim }).slice(1),
    ...[...notes, ...open].flatMap((note) =>
      fill([{ text: '!', style: paint.yellow }, note], { width, hang: 2 }),
    ),
    here
      ? 'next: systemctl enable --now selvage-agent'
      : `next: copy these files to /etc/selvage there, "echo SELVAGE_NODE=${name} >>/etc/default/selvage" unless that is its host name, and "systemctl enable --now selvage-agent"`,
  ].join('\n');
}

export function renderLeave(report: LeaveReport, { paint, width }: Terminal): string {
  const { name, cluster, removed, blocks, files } = report;
  if (removed.length === 0 && blocks.length === 0)
    return `${paint.green('✓')} ${name} was no node of ${cluster}: nothing to do`;
  const parts = [
    ...removed,
    ...(blocks.length === 0 ? [] : [`blocks ${blocks.join(', ')}`]),
    ...files,
  ];
  return [
    `${paint.green('✓')} ${name} is no node of ${cluster} any more`,
    ...fill(`removed: ${parts.join(', ')}`, { width, indent: 2 }),
  ].join('\n');
}
