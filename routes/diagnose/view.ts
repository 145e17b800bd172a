/**
 * One node's view of a pair: every stage that its packets pass there, as it should be and as it is.
 *
 * A packet that is sent: forwarding → policy rules → route → device with its address → neighbour
 * (next hop → MAC) → FDB (MAC → outer address) → what filters say → the way of the outer packet →
 * NIC. One that arrives: NIC → filters → device → reverse-path filter → delivery. What we make is
 * compared with what is desired, by the same comparison that the reconciler repairs by; only what
 * lies outside of that is judged here.
 */
import type { GuardSpec } from '../../tunnel/guard/guard.js';
import type { ActualState } from '../diff.js';
import type { NodeView, SegmentView, StageReport } from './evidence.js';
import { stages } from './evidence.js';
import { pairOf, termsOf, type Pair, type PairQuestion } from './pair.js';
import type { PairReadsQuestion } from './reads.js';
import type { ViewInput, ViewParts } from './view-input.js';
import { entryStages } from './view-entries.js';
import { filterStages, hostStages } from './view-host.js';
import { objectStages } from './view-objects.js';
import { routeStages } from './view-route.js';
import { underlayStages } from './view-underlay.js';

/** What must be read from the kernel for this view. */
export function viewReads(question: PairQuestion, actual: ActualState): PairReadsQuestion {
  const pair = pairOf(question);
  if (pair === undefined) return { destinations: [], devices: [] };
  const { route, nic, outer, source, destination } = pair;
  const device = route?.target.kind === 'unicast' ? route.target.device : undefined;
  return {
    destinations: [
      ...(destination === undefined ? [] : [{ to: destination, from: source }]),
      ...(outer === undefined ? [] : [{ to: outer.remote, from: outer.local }]),
    ],
    devices: [
      ...new Set([device, nic, ...pair.inDevices, ...workloadDevices(pair, actual)]),
    ].filter((name) => name !== undefined),
  };
}

/** Undefined when one of the two nodes is not in this node's cluster. */
export function viewOf(input: ViewInput): NodeView | undefined {
  const pair = pairOf(input);
  if (pair === undefined) return undefined;
  const parts: ViewParts = { pair, input };
  const found = [
    ...hostStages(parts, workloadDevices(pair, input.actual)),
    ...routeStages(parts),
    ...objectStages(parts),
    ...entryStages(parts),
    ...filterStages(parts),
    ...underlayStages(parts),
  ];
  const known = input.changes;
  const order = new Map(stages.map((stage, position) => [stage, position]));
  const reports = merged(found)
    .sort((a, b) => order.get(a.stage)! - order.get(b.stage)!)
    .map((report): StageReport => {
      const change = known?.(report.key, report.desired ?? '');
      return change === undefined
        ? report
        : { ...report, changedAt: change.at, changedBy: change.line };
    });
  return {
    node: pair.self.name,
    agent: input.agent,
    terms: termsOf(pair),
    segment: segmentView(parts),
    stages: reports,
    guardDrops: input.guardDrops,
  };
}

/** The guard's specification with this peer alone: what others' rules do to the pair's packets. */
export function pairGuardSpec(spec: GuardSpec, peer: string): GuardSpec {
  // Nor are the others' addresses asked about.
  return { ...spec, peers: spec.peers.filter(({ node }) => node === peer), nodeAddresses: [] };
}

/** Devices that our own workloads are behind: those of routes inside of our own prefixes. */
function workloadDevices(pair: Pair, actual: ActualState): readonly string[] {
  const own = pair.self.overlay.filter((prefix) => prefix.family === pair.family);
  const devices = new Set<string>();
  for (const { prefix, target } of actual.kernel.routes) {
    if (target.kind !== 'unicast' || target.device === 'lo') continue;
    const inside = own.some(
      (entry) =>
        entry.family === prefix.family &&
        prefix.length >= entry.length &&
        samePart(entry.bytes, prefix.bytes, entry.length),
    );
    if (inside) devices.add(target.device);
  }
  return [...devices];
}

function samePart(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  for (let bit = 0; bit < bits; bit++) {
    const mask = 0x80 >> (bit & 7);
    if ((a[bit >> 3]! & mask) !== (b[bit >> 3]! & mask)) return false;
  }
  return true;
}

/** An object that both directions need is one line. */
function merged(reports: readonly StageReport[]): StageReport[] {
  const byKey = new Map<string, StageReport>();
  for (const report of reports) {
    const key = `${report.stage} ${report.key} ${report.state} ${report.actual ?? ''}`;
    const other = byKey.get(key);
    byKey.set(
      key,
      other === undefined || other.direction === report.direction
        ? report
        : { ...report, direction: 'both' },
    );
  }
  return [...byKey.values()];
}

function segmentView({ pair, input }: ViewParts): SegmentView {
  const { details, lookups } = input.reads;
  const nics = Object.values(input.snapshot.local?.nics ?? {}).map((nic) => nic.name);
  const own = new Set(nics);
  const ownMacs = details.devices.flatMap(({ name, mac }) =>
    own.has(name) && mac !== undefined ? [mac] : [],
  );
  const remote = pair.outer?.remote;
  const way = remote && lookups.get(remote.text);
  // Behind a gateway the MAC that answers is the gateway's.
  const direct = remote !== undefined && way?.kind === 'unicast' && way.gateway === undefined;
  return {
    ownMacs: [...new Set(ownMacs)],
    peerMacs: details.neighbours.flatMap((entry) =>
      direct &&
      entry.address.text === remote.text &&
      entry.device === way.device &&
      entry.mac !== undefined
        ? [{ address: remote.text, mac: entry.mac, device: entry.device }]
        : [],
    ),
  };
}
