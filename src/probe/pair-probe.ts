/**
 * What is asked of a prober and what it answers: one ordered pair of nodes, this one and a peer, in
 * one inner family. The evidence is handed out as it is; routes/diagnose draws the conclusions.
 */
import type { Family } from '../../encap/address.js';
import type { Mode } from '../../encap/mode.js';
import type { OuterEnds } from '../../encap/trail.js';
import type {
  AddressHolders,
  NodeView,
  PathMtuEvidence,
  ProbeEvidence,
} from '../../routes/diagnose/evidence.js';

/** How packets of one direction travel by the decision of the node that sends them. */
export interface Way {
  readonly mode: Mode;
  readonly outerFamily: Family;
  /** Largest inner IP packet in bytes, by that decision. */
  readonly mtu: number;
}

/** A way that is not in use, to be tried with packets made for it. */
export type CraftedWay = Pick<Way, 'mode' | 'outerFamily'>;

export interface PairProbeRequest {
  readonly peer: string;
  /** Of the inner packets. */
  readonly family: Family;
  /** Undefined: no way is decided (denied, unreachable); only the layers below are probed. */
  readonly there: Way | undefined;
  readonly back: Way | undefined;
  /** Would these pass? Empty: not asked. */
  readonly crafted: readonly CraftedWay[];
  /** Outer addresses of the pair, at most one of a family; default: the nodes' underlay addresses. */
  readonly ends?: readonly Pick<OuterEnds, 'family' | 'local' | 'remote'>[];
  /** Packets of each layer; 1 to 20. */
  readonly count: number;
}

export interface PairProbeResult {
  readonly probes: readonly ProbeEvidence[];
  /** Null: no inner echo could be sent at all. */
  readonly pathMtu: PathMtuEvidence | null;
  readonly peerView: NodeView | null;
  /** Why there is no view of the peer; null when there is one. */
  readonly peerSilence: string | null;
  /** Who answers for the addresses of the two, where they share a segment. */
  readonly holders: readonly AddressHolders[];
  /** Another node that answered under the peer's address. */
  readonly answeredInstead: string | null;
  /** What could not be probed and why, and what is odd about the peer's answers, e.g. its clock. */
  readonly notes: readonly string[];
}

export interface Prober {
  probePair(request: PairProbeRequest): Promise<PairProbeResult>;
}

/** A node's own view of its pair with a peer, as the agent has it; sent to that peer when it asks. */
export type ViewProvider = (pair: {
  readonly peer: string;
  readonly family: Family;
}) => Promise<NodeView>;
