/** The stages of both nodes, and beside them, never merged, what probes found. */
import type { NodeView, StageReport } from '../../../routes/diagnose/index.js';
import { places } from '../../../routes/diagnose/evidence.js';
import type { ProbeEvidence } from '../../../routes/diagnose/index.js';
import type { ExplainReport } from '../../../routes/explain-report.js';
import type { Terminal } from '../terminal.js';
import type { Span } from './layout.js';
import { columns, fill, pad, row, widest } from './layout.js';

export function hopsSection(report: ExplainReport, terminal: Terminal): string[] {
  const { from, to } = report.hops;
  const silence = report.probes?.peerSilence ?? null;
  const peer = report.verdict.owner?.node ?? 'the peer';
  return [
    ...(from === null ? [] : viewRows(from, terminal)),
    ...(to === null
      ? report.probes === null
        ? []
        : fill(
            {
              text: `Hops of ${peer}: not known${silence === null ? '' : `, ${silence}`}`,
              style: terminal.paint.dim,
            },
            { width: terminal.width, hang: 2 },
          )
      : viewRows(to, terminal)),
  ];
}

function viewRows(view: NodeView, terminal: Terminal): string[] {
  const { paint } = terminal;
  const stageWidth = widest(view.stages.map(({ stage }) => stage));
  const drops = Object.entries(view.guardDrops).filter(([, count]) => count > 0);
  return [
    `${paint.bold(`Hops of ${view.node}`)}${paint.dim(`, agent ${view.agent}, decided ${view.terms.verdict}${view.terms.mtu === null ? '' : `, MTU ${view.terms.mtu}`}`)}`,
    ...view.stages.flatMap((stage) => stageRows(stage, { terminal, stageWidth })),
    ...(drops.length === 0
      ? []
      : fill(
          {
            text: `the guard has dropped: ${drops.map(([reason, count]) => `${count} ${reason}`).join(', ')}`,
            style: paint.dim,
          },
          { width: terminal.width, indent: 2, hang: 4 },
        )),
  ];
}

function stageRows(
  report: StageReport,
  of: { readonly terminal: Terminal; readonly stageWidth: number },
): string[] {
  const { terminal, stageWidth } = of;
  const { paint } = terminal;
  const match = report.state === 'match';
  const style = match ? paint.dim : report.state === 'missing' ? paint.red : paint.yellow;
  const mark: Span = match
    ? { text: '✓', style: paint.green }
    : report.state === 'unknown'
      ? { text: '?', style }
      : { text: '✗', style: paint.red };
  const head = [
    mark,
    { text: pad(report.state, 'missing'.length), style },
    { text: pad(report.stage, stageWidth), style: match ? paint.dim : undefined },
    { text: pad(report.direction, 'there'.length), style: paint.dim },
  ];
  const options = { ...terminal, indent: 2 };
  const wanted = report.desired ?? report.key;
  const lines = row(
    head,
    { text: match ? (report.actual ?? wanted) : wanted, style: match ? paint.dim : undefined },
    options,
  );
  if (match) return lines;
  const why = [
    ...(report.attributes.length > 0 ? [`differs in ${report.attributes.join(', ')}`] : []),
    ...(report.holder === null ? [] : [report.holder]),
  ].join('; ');
  const below = (name: string): Span[] => [
    { text: ' ' },
    { text: pad('', 'missing'.length) },
    { text: pad(name, stageWidth), style: paint.dim },
    { text: pad('', 'there'.length) },
  ];
  if (report.actual !== null)
    lines.push(
      ...row(
        below('is'),
        [report.actual, ...(why === '' ? [] : [{ text: `(${why})`, style }])],
        options,
      ),
    );
  if (report.changedAt !== null)
    lines.push(
      ...row(
        below('changed'),
        {
          text: `${report.changedAt}${report.changedBy === null ? '' : `: ${report.changedBy}`}`,
          style: paint.dim,
        },
        options,
      ),
    );
  return lines;
}

export function probesSection(report: ExplainReport, terminal: Terminal): string[] {
  const { probes } = report;
  if (probes === null) return [];
  const { paint, width } = terminal;
  const { pathMtu, notes } = probes;
  const shown = probes.probes.filter(({ layer }) => layer !== 'size');
  const table =
    shown.length === 0
      ? []
      : columns(
          ['layer', 'way', 'packets', 'sent', 'back', 'loss', 'RTT ms', 'seen'],
          shown.map((probe) => probeCells(probe)),
          { width, indent: 2, dim: paint.dim },
        );
  return [
    paint.bold('Probes') + paint.dim(', beside the model above'),
    ...table,
    ...(pathMtu === null
      ? []
      : fill(
          `path MTU IPv${pathMtu.family}: ${pathMtu.measuredBytes === null ? 'nothing came back' : `${pathMtu.measuredBytes} bytes measured`}, ${pathMtu.expectedBytes} expected${pathMtu.blackHole ? '; larger packets vanish without a word' : ''}`,
          { width, indent: 2, hang: 4 },
        )),
    ...notes.flatMap((text) => fill({ text, style: paint.dim }, { width, indent: 2, hang: 4 })),
  ];
}

const shortPlaces = {
  'sender-tunnel': 'tunnel',
  'sender-nic': 'NIC',
  'receiver-nic': 'NIC',
  'receiver-tunnel': 'tunnel',
  delivered: 'delivered',
} as const;

function probeCells(probe: ProbeEvidence): readonly Span[] {
  const oneWay = probe.direction !== 'round-trip';
  const seen = places.flatMap((place) => {
    const count = probe.seen[place];
    const end = place.startsWith('sender') ? 'sender' : 'receiver';
    if (count === undefined) return [];
    return [place === 'delivered' ? `${count} delivered` : `${count} ${end} ${shortPlaces[place]}`];
  });
  const end = oneWay
    ? (probe.seen.delivered ?? probe.seen['receiver-tunnel'] ?? probe.seen['receiver-nic'])
    : probe.answered;
  const loss =
    end === undefined || probe.sent === 0
      ? ''
      : `${Math.round((100 * (probe.sent - end)) / probe.sent)} %`;
  const { rttMs } = probe;
  return [
    { text: probe.layer },
    { text: oneWay ? probe.direction : 'both' },
    {
      text: [
        probe.mode ?? `IPv${probe.family}`,
        probe.path === 'crafted' && probe.layer === 'tunnel' ? '(crafted)' : '',
      ]
        .join(' ')
        .trim(),
    },
    { text: String(probe.sent) },
    { text: oneWay ? '' : String(probe.answered) },
    { text: loss },
    { text: rttMs === null ? '' : rttMs.avg.toFixed(2) },
    { text: [...seen, ...new Set(probe.errors)].join(', ') },
  ];
}
