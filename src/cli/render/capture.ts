/** Captured packets, each at every place where it was met. */
import type { CapturedPacket, SeenAt } from '../../capture/group.js';
import type { CaptureReport } from '../../capture/run.js';
import type { CapturePlace } from '../../capture/sighting.js';
import type { Terminal } from '../terminal.js';
import { fill, pad, row } from './layout.js';

const placeNames: Readonly<Record<CapturePlace, string>> = {
  workload: 'workload',
  tunnel: 'tunnel',
  nic: 'NIC',
};

export function renderPacket(packet: CapturedPacket, terminal: Terminal): string {
  const { paint, width } = terminal;
  const { direction, source, destination, what, innerBytes, atMs } = packet;
  const arrow = direction === 'there' ? '→' : '←';
  const lines = fill(
    [
      { text: `#${packet.number} ${arrow}`, style: paint.bold },
      `${source} → ${destination}  ${what}, ${innerBytes} B`,
      { text: `at ${(atMs / 1_000).toFixed(3)} s`, style: paint.dim },
    ],
    { width, hang: 5 },
  );
  const deviceWidth = Math.max(...packet.seen.map(({ device }) => device.length));
  for (const seen of packet.seen) lines.push(...seenRows(seen, { terminal, deviceWidth }));
  for (const place of packet.missing)
    lines.push(
      ...row(
        [
          { text: '✗', style: paint.red },
          { text: pad(placeNames[place], 8), style: paint.red },
        ],
        'not seen there',
        { ...terminal, indent: 2 },
      ),
    );
  return lines.join('\n');
}

function seenRows(
  seen: SeenAt,
  { terminal, deviceWidth }: { readonly terminal: Terminal; readonly deviceWidth: number },
): string[] {
  const { paint, width } = terminal;
  const problem = seen.problem === null ? '' : ` [${seen.problem}]`;
  return [
    ...fill(
      [
        { text: pad(placeNames[seen.place], 8), style: paint.dim },
        pad(seen.device, deviceWidth),
        pad(seen.way, 3),
        { text: `+${seen.deltaMs.toFixed(2)} ms`.padStart(11), style: paint.dim },
        `${seen.bytes} B`.padStart(7),
      ],
      { width, indent: 4 },
    ),
    ...fill(
      { text: seen.layers.join(' / ') + problem, style: paint.dim },
      { width, indent: 8, hang: 10 },
    ),
  ];
}

/** What is to be said when it is over. */
export function renderCaptureEnd(report: CaptureReport, { paint, width }: Terminal): string {
  const { packets, wanted, durationMs, lost, destination } = report;
  const seconds = (durationMs / 1_000).toFixed(1);
  const found =
    packets.length === 0
      ? `no packet from or to ${destination} in ${seconds} s`
      : `${packets.length} of ${wanted} packets in ${seconds} s`;
  const dropped = lost === 0 ? '' : `; ${lost} frames came too fast to be read`;
  return fill({ text: `${found}${dropped}`, style: paint.dim }, { width }).join('\n');
}
