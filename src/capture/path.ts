/** What to look for and where: the packets of one explained path at the places of this node. */
import { parseAddress } from '../../encap/address.js';
import { hostPrefix, parsePrefix } from '../../encap/prefix.js';
import type { Prefix } from '../../encap/prefix.js';
import { defaultProbes } from '../../encap/probe/settings.js';
import { vxlanDefaultPort } from '../../encap/vxlan/header.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import { isOwnDeviceName } from '../../routes/ownership.js';
import type { NodeReading } from '../explain/node-reading.js';
import type { ExpectedPlaces } from './group.js';
import type { CapturePath, CapturePlace } from './sighting.js';

/** As it crosses the control socket: plain data. */
export interface CaptureTerms {
  readonly schema: 'selvage.capture-terms/1';
  readonly node: string;
  readonly peer: string;
  /** Inner addresses at the far end. */
  readonly destination: string;
  /** Where the peer is on the underlay. */
  readonly outer: readonly string[];
  readonly nics: readonly string[];
  readonly vxlanPorts: readonly number[];
  /** Our own probes come and go there: they are not what is looked for. */
  readonly probePort: number;
  /** Null: nothing is expected that way. */
  readonly modes: { readonly there: string | null; readonly back: string | null };
}

/** A text says why there is nothing to capture here. */
export function captureTerms(
  reading: Pick<NodeReading, 'node' | 'snapshot' | 'desired'>,
  report: ExplainReport,
): CaptureTerms | string {
  const { question, verdict, returnPath } = report;
  const { cluster, local } = reading.snapshot;
  if (question.from.node !== reading.node)
    return `packets of ${question.from.node} pass ${question.from.node}: capture there`;
  const peer = verdict.owner === null ? undefined : cluster.nodes.get(verdict.owner.node);
  if (verdict.kind === 'LOCAL')
    return `${question.address} is on ${reading.node} itself: its packets pass no tunnel and no NIC`;
  if (peer === undefined || verdict.mode === null || verdict.prefix === null)
    return `no packet leaves for ${question.address}: ${verdict.summary}`;
  const nics = Object.values(local?.nics ?? {}).map(({ name }) => name);
  if (nics.length === 0) return `no device here has an underlay address of ${reading.node}`;
  const ports = [...reading.desired.objects.values()].flatMap((object) =>
    object.type === 'link' && object.kind === 'vxlan' ? [object.port] : [],
  );
  return {
    schema: 'selvage.capture-terms/1',
    node: reading.node,
    peer: peer.name,
    // Of an address its own packets; a node or a prefix stands for the owner's block.
    destination:
      question.kind === 'address'
        ? hostPrefix(parseAddress(question.address)).text
        : verdict.prefix,
    outer: [...peer.underlay.map(({ address }) => address), ...peer.publicAddresses].map(
      ({ text }) => text,
    ),
    nics: [...new Set(nics)],
    vxlanPorts: [...new Set([...ports, cluster.vxlan.port, vxlanDefaultPort])],
    probePort: (cluster.probes ?? defaultProbes).port,
    modes: { there: verdict.mode, back: returnPath.mode },
  };
}

export interface CapturePlan {
  readonly path: CapturePath;
  readonly expected: ExpectedPlaces;
  /** Packets whose outermost addresses are among these: all that a tap needs to hear. */
  readonly filter: readonly Prefix[];
}

export function capturePlan(terms: CaptureTerms): CapturePlan {
  const destination = parsePrefix(terms.destination);
  const nics = new Set(terms.nics);
  return {
    path: {
      destinations: [destination],
      vxlanPorts: terms.vxlanPorts,
      probePort: terms.probePort,
      placeOf: (device) => placeOf(device, nics),
    },
    expected: {
      there: placesOf(terms.modes.there, ['tunnel', 'nic']),
      back: placesOf(terms.modes.back, ['nic', 'tunnel']),
    },
    filter: [destination, ...terms.outer.map((text) => hostPrefix(parseAddress(text)))],
  };
}

function placeOf(device: string, nics: ReadonlySet<string>): CapturePlace | undefined {
  if (isOwnDeviceName(device)) return 'tunnel';
  if (nics.has(device)) return 'nic';
  return device === 'lo' ? undefined : 'workload';
}

function placesOf(
  mode: string | null,
  tunnelled: readonly CapturePlace[],
): readonly CapturePlace[] {
  if (mode === null) return [];
  return mode === 'native' ? ['nic'] : tunnelled;
}
