/**
 * What `route-explain` says, as plain data: no class instances, addresses as text, sizes in bytes.
 *
 * The shape is versioned by `schema`. Within a version fields are only added; a change of meaning
 * makes a new version. Words for people (`summary`, `text`, `lines`) may change at any time; names
 * (`kind`, `reason`, `state`, `code`, `outcome`) do not.
 */
import type { Family } from '../encap/address.js';
import type { Mode, Plane, RuleResult } from '../encap/mode.js';
import type { NodeView, ObjectState, PathMtuEvidence, ProbeEvidence } from './diagnose/evidence.js';
import type { Finding, Health } from './diagnose/finding.js';

export const explainSchema = 'selvage.route-explain/1';

export interface ExplainReport {
  readonly schema: typeof explainSchema;
  readonly question: QuestionReport;
  readonly basis: BasisReport;
  /** Set while the agent writes nothing, because somebody said so. */
  readonly freeze: FreezeReport | null;
  readonly verdict: VerdictReport;
  readonly why: WhyReport;
  /** The answer to `--why-not`, where that was asked. */
  readonly whyNot?: WhyNotReport;
  /** Null when no packet leaves. */
  readonly wire: WireReport | null;
  readonly kernel: KernelReport;
  readonly returnPath: ReturnPathReport;
  /** What the packet filters of this node have to say, one line each. */
  readonly guard: readonly string[];
  /** What is wrong, the causes first; empty where nothing is. */
  readonly findings: readonly Finding[];
  /** The stages that packets of the pair pass at each of the two nodes; null: not looked at. */
  readonly hops: HopsReport;
  /** What probes found, beside the model and never merged with it; null without `--probe`. */
  readonly probes: ProbesReport | null;
}

export interface HopsReport {
  readonly from: NodeView | null;
  /** Only the peer's own agent can tell. */
  readonly to: NodeView | null;
}

export interface ProbesReport {
  readonly probes: readonly ProbeEvidence[];
  readonly pathMtu: PathMtuEvidence | null;
  /** Why the peer told nothing; null where it did. */
  readonly peerSilence: string | null;
  /** What could not be probed, and what is odd. */
  readonly notes: readonly string[];
}

export interface QuestionReport {
  /** As it was typed. */
  readonly asked: string;
  readonly kind: DestinationKind;
  /** The address that the answer is about. */
  readonly address: string;
  readonly family: Family;
  readonly from: { readonly node: string; readonly zone: string; readonly provider: string };
  /** How `asked` became `address`, where that is not obvious. */
  readonly note: string | null;
}

export type DestinationKind = 'address' | 'prefix' | 'node';

export interface BasisReport {
  /**
   * `agent`: of a running agent's snapshot. `kernel`: the cluster file and this node's kernel, read
   * without an agent. `file`: of a cluster file alone.
   */
  readonly kind: 'agent' | 'kernel' | 'file';
  readonly cluster: string;
  readonly revision: number;
  /** Are the facts that only the node itself can know (NIC, routes) part of it? */
  readonly localFacts: boolean;
  readonly note: string | null;
  /** Set where the answer is about a cluster that there is not: nothing of it is in force. */
  readonly whatIf: WhatIfReport | null;
}

export interface WhatIfReport {
  /** What was laid over the cluster, as it was asked. */
  readonly patches: readonly string[];
  /** The verdict as it is; null where what is asked about is not there yet. */
  readonly now: {
    readonly kind: VerdictKind;
    readonly summary: string;
    readonly mode: Mode | null;
    readonly mtu: number | null;
  } | null;
}

export interface FreezeReport {
  /** ISO 8601. */
  readonly since: string;
  /** Null: until somebody says `thaw`. */
  readonly until: string | null;
  readonly reason: string | null;
}

export type VerdictKind = 'LOCAL' | 'NATIVE' | 'IPIP' | 'VXLAN' | 'DENIED' | 'NO-ROUTE';

export type NoRouteReason =
  | 'outside-pools'
  | 'underlay-address'
  | 'unowned'
  | 'withdrawn'
  | 'no-common-address'
  | 'no-mode'
  | 'no-underlay-route'
  | 'no-data-plane';

export interface VerdictReport {
  readonly kind: VerdictKind;
  /** One line. */
  readonly summary: string;
  readonly owner: {
    readonly node: string;
    readonly zone: string;
    readonly provider: string;
  } | null;
  /** The prefix that decides: the owner's, else the pool, else null. */
  readonly prefix: string | null;
  readonly mode: Mode | null;
  readonly outerFamily: Family | null;
  /** The worse data plane of both ends; null unless packets are encapsulated. */
  readonly plane: Plane | null;
  /** Largest inner packet in bytes; null when none leaves. */
  readonly mtu: number | null;
  /** Set for NO-ROUTE only. */
  readonly reason: NoRouteReason | null;
  /** Do kernel and network do what is decided? Null: nobody has looked at either. */
  readonly health: Health | null;
  /** The first cause's code, else why no packet gets there, else `ok`; null as for `health`. */
  readonly code: string | null;
  /** 0: packets get there as decided. 1: they do not, or something is wrong on the way. */
  readonly exitCode: 0 | 1;
}

export interface WhyReport {
  /** The steps of the decision, in the order in which they ran. */
  readonly steps: readonly StepReport[];
  /** Every rule of the cluster in order; empty when the decision did not get that far. */
  readonly rules: readonly RuleReport[];
  /** Every mode looked at, cheapest first. */
  readonly candidates: readonly CandidateReport[];
  /** The smallest change of the cluster file for each mode that was not chosen. */
  readonly flips: readonly FlipReport[];
  /** Modes that no change of the file would bring. */
  readonly unflippable: readonly UnflippableReport[];
}

export interface FlipReport {
  readonly mode: Mode;
  /** One line. */
  readonly text: string;
  /** Each of them is needed. */
  readonly changes: readonly ChangeReport[];
  /** Decided anew with the changes made; nothing else is told. */
  readonly verified: true;
  /** Largest inner packet in bytes with the changes made. */
  readonly mtu: number | null;
}

export interface ChangeReport {
  readonly text: string;
  /** For `--what-if`. */
  readonly patch: string;
  /** For the cluster file: the entry with its line, and YAML to be indented as the entry is. */
  readonly file: { readonly where: string; readonly lines: readonly string[] };
}

export interface UnflippableReport {
  readonly mode: Mode;
  readonly text: string;
}

export interface WhyNotReport {
  readonly mode: Mode;
  /** One line. */
  readonly summary: string;
  readonly lines: readonly WhyNotLine[];
  /** What would bring it; null where it is there already, or the question does not arise. */
  readonly flip: string | null;
}

export interface WhyNotLine {
  readonly code: string;
  readonly text: string;
  readonly fact: FactReport | null;
}

export interface StepReport {
  readonly step: 'local' | 'membership' | 'rule' | 'feasible' | 'next-hop' | 'mtu';
  readonly outcome: 'pass' | 'exclude' | 'decide';
  readonly summary: string;
  readonly lines: readonly string[];
}

export interface RuleReport {
  readonly name: string;
  /** `file:line`, or null for a rule that no file has. */
  readonly source: string | null;
  readonly asksFor: RuleResult;
  readonly outcome: 'matched' | 'mismatched' | 'not-reached';
  /** The mismatch, or why it was not looked at. */
  readonly text: string;
  /** The rule that matched first, where this one would have matched too. */
  readonly shadowedBy: string | null;
  readonly reason: string | null;
}

export interface CandidateReport {
  readonly name: string;
  readonly mode: Mode;
  readonly outerFamily: Family;
  readonly innerFamily: Family;
  readonly overheadBytes: number;
  readonly plane: Plane;
  readonly outcome: 'chosen' | 'possible' | 'excluded';
  /** Chosen by `force` against its exclusions. */
  readonly forced: boolean;
  readonly exclusions: readonly ExclusionReport[];
  readonly facts: readonly FactReport[];
}

export interface ExclusionReport {
  readonly code: string;
  /** The node that it is about, where it is one of the two. */
  readonly end: string | null;
  /** Without the fact's own source and mark where `fact` carries them. */
  readonly text: string;
  readonly fact: FactReport | null;
}

export interface FactReport {
  readonly text: string;
  readonly source: string;
  /** P: primary source. S: secondary. G: general knowledge, so the safe side is taken. */
  readonly mark: 'P' | 'S' | 'G';
}

export interface WireReport {
  /** Outermost first. The underlay's own Ethernet header is not shown: it changes at every hop. */
  readonly headers: readonly HeaderReport[];
  readonly nextHop: string;
  /** Addresses of the outer header, and why those; null for a native packet. */
  readonly outer: { readonly local: string; readonly remote: string; readonly why: string } | null;
  readonly ledger: LedgerReport;
}

export interface HeaderReport {
  readonly header: string;
  /** Null for the inner packet, whose header is part of its size. */
  readonly bytes: number | null;
  /** Source and destination, where the header has them. */
  readonly source: string | null;
  readonly destination: string | null;
  readonly fields: readonly { readonly name: string; readonly value: string }[];
  /** The bytes of an example, an echo request of the node itself; null where an address is missing. */
  readonly hex: string | null;
}

export interface LedgerReport {
  readonly limits: readonly {
    readonly what: string;
    readonly bytes: number;
    readonly text: string;
  }[];
  readonly pathMtu: number;
  readonly overhead: readonly { readonly header: string; readonly bytes: number }[];
  readonly overheadBytes: number;
  readonly largestInnerPacket: number;
  /** Largest segment of a TCP connection without options. */
  readonly tcpMss: number;
  /** `ping -s` of the largest packet that passes with don't-fragment. */
  readonly pingPayload: number;
}

export type { ObjectState };

export interface KernelObjectReport {
  readonly type: 'link' | 'address' | 'fdb' | 'neighbour' | 'route' | 'sysctl';
  readonly key: string;
  readonly state: ObjectState;
  readonly desired: string;
  /** Null when missing. */
  readonly actual: string | null;
  /** Attributes that differ, for `drift`. */
  readonly attributes: readonly string[];
  /** Who holds the key instead of us, for `foreign`: the route's protocol or the device's kind. */
  readonly holder: string | null;
  /** When it last changed as far as the agent knows (ISO 8601), and the log line that said so. */
  readonly changedAt: string | null;
  readonly changedBy: string | null;
}

export interface KernelReport {
  readonly compared: boolean;
  /** Why there is nothing to compare, or null. */
  readonly reason: string | null;
  readonly objects: readonly KernelObjectReport[];
  /** The route that wins for the address in the kernel's main table; null: none, or not read. */
  readonly effective: { readonly route: string; readonly ours: boolean } | null;
}

export interface ReturnPathReport {
  /** Why there is none to look at, or null. */
  readonly omitted: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly prefix: string | null;
  readonly kind: VerdictKind | null;
  readonly summary: string | null;
  /** With its place; `default` where none matched. */
  readonly rule: string | null;
  readonly mode: Mode | null;
  readonly mtu: number | null;
  readonly asymmetric: boolean;
  /** What differs, one line each. */
  readonly differences: readonly string[];
}
