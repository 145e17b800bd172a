/**
 * What is known about one ordered pair of nodes before anybody concludes anything: what each of the
 * two nodes sees of its own state, and where marked packets were seen and where not.
 *
 * A marked packet of one direction passes five places in this order; the first one where it is
 * missing says between which two it was lost, and the state of the stages between them says why:
 *
 *     sender                                      receiver
 *     workload → route → tunnel device → NIC ═══ underlay ═══ NIC → guard → tunnel device → workload
 *                        sender-tunnel   sender-nic           receiver-nic  receiver-tunnel  delivered
 *
 * A native packet passes no tunnel device. Everything is plain data: the peer's part crosses the
 * network as JSON.
 */
import type { Family } from '../../encap/address.js';
import type { Mode } from '../../encap/mode.js';

export const places = [
  'sender-tunnel',
  'sender-nic',
  'receiver-nic',
  'receiver-tunnel',
  'delivered',
] as const;
export type Place = (typeof places)[number];

/** An object of a kernel beside the one that is desired. */
export type ObjectState = 'match' | 'missing' | 'drift' | 'foreign';

/** `there`: from the node that explains to the destination's. */
export type Direction = 'there' | 'back';

/** What a probe went through. */
export type ProbeLayer =
  /** ICMP echo between the underlay addresses. */
  | 'underlay'
  /** Authenticated question and answer between the agents over UDP on the underlay. */
  | 'control'
  /** The mode's own packets (protocol 4 or 41, UDP to the VXLAN port, bare packets), marked. */
  | 'tunnel'
  /** ICMP echo between the tunnel addresses, by the kernel's own routes. */
  | 'inner'
  /** As `inner`, with don't-fragment, in one size. */
  | 'size';

export interface ProbeEvidence {
  readonly layer: ProbeLayer;
  /** A one-way probe has the places where it was seen; a round trip only has its answers. */
  readonly direction: Direction | 'round-trip';
  /** The inner family; for `underlay` and `control` the outer one. */
  readonly family: Family;
  /** Of `tunnel`: which mode's packets, and over which outer family. */
  readonly mode: Mode | null;
  readonly outerFamily: Family | null;
  /** Went along the kernel's routes as traffic does, or was handed to the underlay as asked. */
  readonly path: 'routed' | 'crafted';
  readonly sent: number;
  readonly answered: number;
  /** By place; a place where nobody looked is absent. */
  readonly seen: Readonly<Partial<Record<Place, number>>>;
  /** Seen on the right node at a device that no place stands for, or for a MAC that is not its own. */
  readonly elsewhere?: readonly SeenElsewhere[];
  /** Whole (inner) IP packet in bytes. */
  readonly packetBytes: number;
  readonly rttMs: { readonly min: number; readonly avg: number; readonly max: number } | null;
  /** What the kernel or the network answered instead, e.g. `EMSGSIZE`, `ECONNREFUSED`, `frag-needed 1400`. */
  readonly errors: readonly string[];
}

export interface SeenElsewhere {
  readonly end: 'sender' | 'receiver';
  readonly device: string;
  /** `stray`: it came in for another MAC address, and the kernel drops it unseen. */
  readonly way: 'in' | 'out' | 'stray';
  readonly packets: number;
}

/** The largest inner packet that came back, found by bisection; null when not even a small one did. */
export interface PathMtuEvidence {
  readonly family: Family;
  readonly expectedBytes: number;
  readonly measuredBytes: number | null;
  /** Packets that were too large were lost without a word (no ICMP answer). */
  readonly blackHole: boolean;
}

/** The stages of a node that packets of the pair pass, in the order of a packet that is sent. */
export const stages = [
  'agent',
  'forwarding',
  'policy-rule',
  'route',
  'device',
  'address',
  'neighbour',
  'fdb',
  'own-filter',
  'foreign-filter',
  'underlay-route',
  'nic',
  'reverse-path',
  'conntrack',
  'delivery',
] as const;
export type Stage = (typeof stages)[number];

/**
 * One thing of one node that packets of the pair depend on, as it should be and as it is. `unknown`:
 * it may or may not touch these packets, which cannot be judged from the state alone; it counts only
 * where packets are missing.
 */
export interface StageReport {
  readonly stage: Stage;
  /** Which direction of the pair depends on it. */
  readonly direction: Direction | 'both';
  readonly state: ObjectState | 'unknown';
  /** The object, e.g. `link slv4a` or `sysctl net/ipv4/ip_forward`. */
  readonly key: string;
  readonly desired: string | null;
  readonly actual: string | null;
  /** Attributes that differ, for `drift`. */
  readonly attributes: readonly string[];
  /** Who holds it instead of us, for `foreign`. */
  readonly holder: string | null;
  /** When it last changed as far as the agent knows, ISO 8601, and the log line that said so. */
  readonly changedAt: string | null;
  readonly changedBy: string | null;
}

/** What a node believes about the pair; both nodes must believe the same. */
export interface PairTerms {
  /** Digest of the configuration that the decision rests on. */
  readonly configDigest: string;
  readonly vxlan: { readonly vni: number; readonly port: number };
  /** Its own decision towards the other: `NATIVE`, `VXLAN`, …, and its MTU. */
  readonly verdict: string;
  readonly mtu: number | null;
  readonly underlay: readonly string[];
  readonly overlay: readonly string[];
  /** Ways that its own probes were lost on and that it therefore does not take; absent: none. */
  readonly avoids?: readonly AvoidedWay[];
}

export interface AvoidedWay {
  readonly mode: Mode;
  readonly outerFamily: Family;
  /** `IPIP over IPv4`. */
  readonly name: string;
  /** What the probes found. */
  readonly text: string;
}

/** Who is where on the segment that the two nodes share, if they do. */
export interface SegmentView {
  /** MACs of this node's own NICs. */
  readonly ownMacs: readonly string[];
  /** Outer addresses of the peer that this node sends to without a gateway, and whose MAC answers. */
  readonly peerMacs: readonly {
    readonly address: string;
    readonly mac: string;
    readonly device: string;
  }[];
}

/** One node's view of the pair. */
export interface NodeView {
  readonly node: string;
  readonly agent: 'running' | 'frozen' | 'none';
  readonly terms: PairTerms;
  readonly segment: SegmentView;
  /** In the order of `stages`; what matches is listed too. */
  readonly stages: readonly StageReport[];
  /** Packets that the guard has dropped so far, by reason. */
  readonly guardDrops: Readonly<Record<string, number>>;
}

/** Who answers on the segment for an address of one of the two nodes. */
export interface AddressHolders {
  /** Whose address it is by the cluster file. */
  readonly node: string;
  readonly address: string;
  readonly device: string;
  /** All that answered, none of them of the node that asked. */
  readonly macs: readonly string[];
  /** The MAC that the kernel sends to; null: it has none just now. */
  readonly inUse: string | null;
}

export interface Evidence {
  readonly from: NodeView | null;
  /** Null: the peer did not tell; `peerSilence` says why. */
  readonly to: NodeView | null;
  readonly peerSilence: string | null;
  /** Another node that answered under the peer's address, by its name. */
  readonly answeredInstead?: string | null;
  /** Absent without `--probe`, and where the two share no segment. */
  readonly holders?: readonly AddressHolders[];
  /** Empty without `--probe`. */
  readonly probes: readonly ProbeEvidence[];
  readonly pathMtu: PathMtuEvidence | null;
}
