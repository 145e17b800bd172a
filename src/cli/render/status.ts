/** The agent's state: what is wrong first, then the facts, then a line a peer. */
import type { PeerStatus, StatusReport } from '../../agent/status.js';
import type { ModeTraffic } from '../../agent/traffic.js';
import type { ProbeFinding, ProbesStatus } from '../../probe/continuous/service.js';
import type { StoreHealth } from '../../store/health.js';
import { freezeWords } from '../../explain/freeze-words.js';
import type { Terminal } from '../terminal.js';
import type { Span, Text } from './layout.js';
import { cloudLines } from './cloud.js';
import { changeoverLines } from './changeover.js';
import { columns, fill, pad } from './layout.js';

export function renderStatus(report: StatusReport, terminal: Terminal): string {
  const { paint, width } = terminal;
  const bad = report.peers.filter((peer) => peer.state !== 'ok');
  const state = report.ready
    ? { text: 'READY', style: (text: string) => paint.bold(paint.green(text)) }
    : { text: 'NOT-READY', style: (text: string) => paint.bold(paint.red(text)) };
  const peers = `${report.peers.length} prefixes of peers, ${bad.length === 0 ? 'all in place' : `${bad.length} not in place`}`;
  const lines = fill([state, `${report.node} in cluster ${report.cluster}: ${peers}`], { width });
  for (const problem of [
    ...(report.lastPass?.error === undefined ? [] : [report.lastPass.error]),
    ...report.config.problems,
    ...report.problems,
    ...(report.lastPass?.failed ?? []),
    ...(report.lastPass?.foreign ?? []),
    ...report.contested.map(
      ({ object, repairs }) => `somebody keeps undoing ${object}: ${repairs} repairs so far`,
    ),
  ])
    lines.push(...fill([{ text: '!', style: paint.yellow }, problem], { width, hang: 2 }));
  for (const finding of report.probes?.findings ?? [])
    lines.push(
      ...fill([{ text: '!', style: paint.yellow }, findingWords(finding)], { width, hang: 2 }),
    );
  for (const { bad, text } of report.cloud === undefined ? [] : cloudLines(report.cloud))
    if (bad) lines.push(...fill([{ text: '!', style: paint.yellow }, text], { width, hang: 2 }));
  for (const note of report.notes)
    lines.push(...fill([{ text: '·', style: paint.dim }, note], { width, hang: 2 }));
  if (report.freeze !== undefined) lines.push(...frozen(report.freeze, terminal));
  if (report.changeover !== undefined) lines.push(...changeoverLines(report.changeover, terminal));
  if (report.change !== undefined)
    lines.push(
      ...fill(
        [
          { text: '~', style: paint.yellow },
          `${report.change.file} is in force provisionally: ${Math.ceil(report.change.remainingMs / 1000)} s are left to "selvage confirm"`,
        ],
        { width, hang: 2 },
      ),
    );
  lines.push('', ...facts(report, terminal));
  if (report.peers.length > 0)
    lines.push(
      '',
      ...columns(
        ['NODE', 'PREFIX', 'MODE', 'VIA', 'MTU', 'STATE'],
        report.peers.map((peer) => peerCells(peer, terminal)),
        { width, indent: 2, dim: paint.dim },
      ),
    );
  return lines.join('\n');
}

function findingWords({ node, way, text, acted, instead }: ProbeFinding): string {
  const effect =
    instead === null
      ? 'nothing else is left'
      : acted
        ? `used instead: ${instead}`
        : `"probes: drive" would use ${instead}`;
  return `probes: ${way} to ${node}: ${text}; ${effect}`;
}

function probesWords({ policy, idle, packetsPerSecond, probed }: ProbesStatus): string {
  if (policy === 'off') return 'off';
  if (idle !== undefined) return `${policy}, but idle: ${idle}`;
  return `${policy}: ${probed.length} peers so far, ${packetsPerSecond} packets a second`;
}

/** More of it in `plan`. */
const shownDrift = 5;

function frozen(freeze: NonNullable<StatusReport['freeze']>, { paint, width }: Terminal): string[] {
  const { drift } = freeze;
  const rest = drift.length - shownDrift;
  return [
    freezeWords(freeze),
    ...drift.slice(0, shownDrift).map((line) => `frozen, not done: ${line}`),
    ...(rest > 0 ? [`frozen, not done: ${rest} more, see "selvage plan"`] : []),
  ].flatMap((line) => fill([{ text: '!', style: paint.yellow }, line], { width, hang: 2 }));
}

function facts(report: StatusReport, terminal: Terminal): string[] {
  const { lastPass, guard, planes } = report;
  const dropped = Object.entries(guard.dropped).filter(([, packets]) => packets > 0);
  const drops = dropped.map(([reason, packets]) => `${reason} ${packets}`).join(', ');
  return [
    ...field(
      'config',
      report.config.lastGoodOf === undefined
        ? `${report.config.file}, revision ${report.revision}`
        : `from the last good snapshot of ${report.config.lastGoodOf}, not from ${report.config.file}`,
      terminal,
    ),
    ...(report.store === undefined ? [] : field('store', storeWords(report.store), terminal)),
    ...(report.probes === undefined ? [] : field('probes', probesWords(report.probes), terminal)),
    ...(report.cloud === undefined
      ? []
      : field(
          'cloud',
          cloudLines(report.cloud)
            .filter(({ bad }) => !bad)
            .slice(0, 2)
            .map(({ text }) => text)
            .join('; '),
          terminal,
        )),
    ...(report.peers.length === 0 ? [] : field('peers', peersWords(report), terminal)),
    ...field('agent', `pid ${report.pid}, ${report.repairs} repairs`, terminal),
    ...(lastPass === undefined
      ? []
      : field(
          'pass',
          `${lastPass.at}, ${lastPass.durationMs} ms, ${lastPass.changes} changes (${lastPass.reasons.join(', ')})`,
          terminal,
        )),
    ...(report.traffic ?? []).flatMap((traffic) =>
      field('traffic', trafficWords(traffic), terminal),
    ),
    ...field('guard', `${guard.backend}, dropped ${drops === '' ? 'nothing' : drops}`, terminal),
    ...field('nat', masqueradeText(report.masquerade), terminal),
    ...planes.flatMap((plane) => field('plane', `userspace, pid ${plane.pid}`, terminal)),
  ];
}

function storeWords({
  synced,
  revision,
  lagSeconds,
  outages,
  refusedRecords,
  config,
  phase,
  absent,
}: StoreHealth): string {
  return [
    synced ? 'in sync' : 'OUT: what is known stays in force',
    ...(config === undefined
      ? []
      : [`configuration ${config}${phase === undefined ? '' : ` (${phase})`}`]),
    ...(revision === undefined ? [] : [`revision ${revision}`]),
    ...(lagSeconds === undefined || lagSeconds === 0
      ? []
      : [`${Math.round(lagSeconds)} s behind at most`]),
    ...(outages === undefined || outages === 0 ? [] : [`lost ${outages} times`]),
    ...(refusedRecords === undefined || refusedRecords === 0
      ? []
      : [`${refusedRecords} values refused`]),
    ...(absent === undefined || absent === 0 ? [] : [`${absent} nodes not heard of`]),
  ].join(', ');
}

/** Native packets share a NIC with others': no device counts them. */
function trafficWords({ mode, sent, received }: ModeTraffic): string {
  const way = ({ packets, bytes }: ModeTraffic['sent']): string =>
    `${packets} packets, ${bytesText(bytes)}`;
  const bad = sent.errors + sent.dropped + received.errors + received.dropped;
  const lost = bad === 0 ? '' : `; ${bad} could not be carried`;
  return `${mode} sent ${way(sent)}; received ${way(received)}${lost}`;
}

function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `12 vxlan, 3 native`; those that are not in place by their states. */
function peersWords(report: StatusReport): string {
  const counts = new Map<string, number>();
  for (const { mode, verdict, state } of report.peers) {
    const what = `${mode ?? verdict}${state === 'ok' ? '' : ` ${state}`}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}

function field(name: string, text: Text, terminal: Terminal): string[] {
  const indent = 10;
  const [first = '', ...rest] = fill(text, { width: terminal.width, indent });
  return [`  ${terminal.paint.dim(pad(name, 8))}${first.slice(indent)}`, ...rest];
}

function masqueradeText(masquerade: StatusReport['masquerade']): string {
  if (masquerade === undefined) return 'no workload is masqueraded';
  const { sources, exclude } = masquerade;
  const spared = exclude.length === 0 ? '' : ` and to ${exclude.join(', ')}`;
  return `masquerades ${sources.join(', ')}, but not to the overlay${spared}`;
}

function peerCells(peer: PeerStatus, terminal: Terminal): Span[] {
  const { paint } = terminal;
  const plane = peer.plane === undefined || peer.plane === 'kernel' ? '' : ` (${peer.plane})`;
  const still = peer.keeps === undefined ? '' : `, still ${peer.keeps}`;
  const state = `${peer.state}${still}${peer.error === undefined ? '' : `: ${peer.error}`}`;
  return [
    { text: peer.node },
    { text: peer.prefix },
    { text: `${peer.mode ?? peer.verdict}${plane}` },
    { text: peer.outer ?? '-' },
    { text: String(peer.mtu ?? '-') },
    { text: state, style: peer.state === 'ok' ? paint.green : paint.red },
  ];
}
