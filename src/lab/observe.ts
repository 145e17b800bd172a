/**
 * Sorts captured packets by the pair of workloads whose they are and by how they travelled. The
 * bytes decide, not what anybody configured: outer protocol, VXLAN network, outer addresses.
 */
import { type SeenCarriage, decodeStack, seenCarriage } from '../../encap/wire/stack.js';
import { isIpFragment } from '../../encap/wire/ip.js';
import type { Family } from '../../encap/address.js';
import type { Mode } from '../../encap/mode.js';
import type { PairEnds } from './expectation.js';
import type { CapturedFrame } from './pcap.js';
import type { NodePlan } from './plan.js';

export interface Observation {
  readonly departed: Partial<Record<Mode, number>>;
  readonly arrived: Partial<Record<Mode, number>>;
  /** Family of the outer header, of tunnelled packets. */
  outer: Family | undefined;
  vni: number | undefined;
  /** Bytes of the largest inner UDP packet that reached the receiver's port. */
  largestProbe: number;
  /** What no mode explains, e.g. outer addresses of somebody else; each once. */
  readonly oddities: Set<string>;
}

/** UDP; probes are, and unlike TCP they are never captured as merged segments. */
const udpProtocol = 17;

export class Observer {
  readonly #observations = new Map<string, { pair: PairEnds; seen: Observation }>();
  readonly #network: { readonly vni: number; readonly port: number };

  constructor(
    pairs: readonly PairEnds[],
    network: { readonly vni: number; readonly port: number },
  ) {
    this.#network = network;
    for (const pair of pairs)
      this.#observations.set(key(pair.source.address.text, pair.destination.address.text), {
        pair,
        seen: {
          departed: {},
          arrived: {},
          outer: undefined,
          vni: undefined,
          largestProbe: 0,
          oddities: new Set(),
        },
      });
  }

  of(pair: PairEnds): Observation {
    return this.#observations.get(key(pair.source.address.text, pair.destination.address.text))!
      .seen;
  }

  /** Takes a frame that was captured at the port of a node. */
  take(node: NodePlan, frame: CapturedFrame): void {
    const stack = decodeStack(frame.bytes, {
      link: 'ethernet',
      vxlanPorts: [this.#network.port],
    });
    const seen = seenCarriage(stack);
    if (seen === undefined) return;
    const entry = this.#observations.get(key(seen.inner.source.text, seen.inner.destination.text));
    if (entry === undefined) return;
    const { pair, seen: observation } = entry;
    const fromNode = sourceMac(frame.bytes) === node.mac;
    if (fromNode && node === pair.from) count(observation.departed, seen.carriage.mode);
    else if (!fromNode && node === pair.to) count(observation.arrived, seen.carriage.mode);
    // A frame for somebody else, flooded by a bridge that has not learned the MAC yet.
    else return;
    this.#inspect(seen, observation, pair);
    if (!fromNode && seen.inner.protocol === udpProtocol)
      observation.largestProbe = Math.max(observation.largestProbe, innerLength(seen));
  }

  #inspect(seen: SeenCarriage, observation: Observation, pair: PairEnds): void {
    if (isIpFragment(seen.outer)) observation.oddities.add('packets were fragmented on the way');
    if (seen.carriage.mode === 'native') return;
    observation.outer = seen.carriage.outer;
    const { source, destination } = seen.outer;
    if (!has(pair.from, source.text) || !has(pair.to, destination.text))
      observation.oddities.add(
        `outer addresses ${source.text} → ${destination.text} are not the two nodes'`,
      );
    if (seen.vni === undefined) return;
    observation.vni = seen.vni;
    if (seen.vni !== this.#network.vni)
      observation.oddities.add(`VNI ${seen.vni} is not the cluster's ${this.#network.vni}`);
  }
}

function innerLength({ inner }: SeenCarriage): number {
  return inner.family === 4 ? inner.totalLength : 40 + inner.payloadLength;
}

function has(node: NodePlan, address: string): boolean {
  return node.addresses.some((entry) => entry.address.text === address);
}

function count(counts: Partial<Record<Mode, number>>, mode: Mode): void {
  counts[mode] = (counts[mode] ?? 0) + 1;
}

function sourceMac(frame: Uint8Array): string {
  return [...frame.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function key(source: string, destination: string): string {
  return `${source} ${destination}`;
}
