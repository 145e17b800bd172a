/**
 * The trail: the steps that led to a decision. It is data that the steps themselves return, so an
 * explanation is the execution read aloud and cannot disagree with it.
 */
import type { Address, Family } from './address.js';
import type { Link, MeasuredMtu, Rule } from './cluster.js';
import type { Carriage, Mode, Plane, RuleResult } from './mode.js';
import type { InnerMtu, OverheadItem, PathMtu } from './mtu.js';
import type { ObservedNode } from './cluster.js';
import type { Prefix } from './prefix.js';
import type { RuleTrial } from './rules.js';
import type { Fact, FirewallClass, Need } from './underlay/fact.js';

/** Outer addresses of one family that a tunnel between the two nodes could use. */
export interface OuterEnds {
  readonly family: Family;
  readonly local: Address;
  readonly remote: Address;
  /** The remote address is a public one. */
  readonly public: boolean;
}

/** An end of the pair in question; an exclusion names it so, to be true of every pair of its kind. */
export type End = 'from' | 'to';

/** The names of the pair in question. */
export type PairNames = Readonly<Record<End, string>> & {
  /** What their providers' APIs say of them, where somebody asked. */
  readonly observed?: Readonly<Partial<Record<End, ObservedNode>>>;
};

/**
 * Why a candidate mode is out. `open`: the file leaves it to the provider's API, so it may be
 * otherwise at any time without a change of the file.
 */
export type Exclusion =
  | { readonly code: 'rule'; readonly wanted: RuleResult; readonly rule: Rule }
  | { readonly code: 'no-outer-address'; readonly family: Family }
  | {
      readonly code: 'provider-forbids' | 'unconfirmed';
      readonly end: End;
      readonly provider: string;
      readonly fact: Fact;
    }
  | {
      readonly code: 'switch';
      readonly end: End;
      readonly need: Need;
      /** Undefined: nobody has confirmed it. */
      readonly actual: string | undefined;
      readonly fact: Fact;
      readonly open?: true;
    }
  | {
      readonly code: 'firewall';
      readonly end: End;
      readonly traffic: FirewallClass;
      readonly open?: true;
    }
  | { readonly code: 'other-subnet'; readonly fact: Fact }
  | { readonly code: 'foreign-fabric' }
  | { readonly code: 'link'; readonly link: Link }
  /** The remote address is a public one, and no link allows that. */
  | { readonly code: 'public' }
  | { readonly code: 'accepts'; readonly end: End; readonly plane: Plane }
  | { readonly code: 'mtu'; readonly mtu: number; readonly minimum: number }
  /** Our own probes are lost on this way; only `auto` heeds it, and only while another way is left. */
  | { readonly code: 'probe'; readonly text: string };

export interface Candidate {
  readonly carriage: Carriage;
  readonly overheadBytes: number;
  /** The worse of the two ends' data planes. */
  readonly plane: Plane;
  /** All that speaks against it; empty when it is feasible. */
  readonly exclusions: readonly Exclusion[];
  /** The facts that speak for it. */
  readonly facts: readonly Fact[];
  /** What probes found against it and nobody acts on: they only observe, or no other way is left. */
  readonly unheeded?: string;
  readonly adjacent: boolean;
  /** Undefined where the ends have no address of the outer family. */
  readonly ledger: MtuLedger | undefined;
}

export interface MtuLimit {
  readonly what: 'own-nic' | 'peer-nic' | 'link' | 'inter-region' | 'external' | 'measured';
  readonly bytes: number;
  readonly because: Fact | Link | MeasuredMtu | undefined;
}

export interface MtuLedger {
  readonly limits: readonly MtuLimit[];
  readonly path: PathMtu;
  readonly overhead: readonly OverheadItem[];
  readonly inner: InnerMtu;
}

export type NextHop =
  /** The owner itself, on the NIC's segment. */
  | { readonly kind: 'adjacent'; readonly via: Address; readonly device: string | undefined }
  /** The kernel's own way to the owner; undefined parts are known only on the node itself. */
  | {
      readonly kind: 'routed';
      readonly via: Address | undefined;
      readonly device: string | undefined;
    }
  /** Through our tunnel device to the peer's outer address. */
  | { readonly kind: 'tunnel'; readonly ends: OuterEnds };

export type Step =
  | {
      readonly name: 'local';
      readonly outcome: 'pass' | 'decide';
    }
  | {
      readonly name: 'membership';
      readonly outcome: 'pass' | 'decide';
      readonly owner: string | undefined;
      readonly problem: 'unknown' | 'withdrawn' | 'no-common-address' | undefined;
      /** The owner's agent is not heard of any more: since when; see `ClusterNode.stale`. */
      readonly stale?: string;
      readonly ends: readonly OuterEnds[];
    }
  | {
      readonly name: 'rule';
      readonly outcome: 'pass' | 'decide';
      /** In order; the last one matched unless the default applies. */
      readonly trials: readonly RuleTrial[];
      /** Undefined: no rule matched, the default `auto` applies. */
      readonly rule: Rule | undefined;
      readonly result: RuleResult;
      /** The rule that denies the way back, which denies this way too. */
      readonly deniedBack: Rule | undefined;
    }
  | {
      readonly name: 'feasible';
      readonly outcome: 'exclude' | 'decide';
      readonly pair: PairNames;
      /** In order of cost. */
      readonly candidates: readonly Candidate[];
      /** Undefined: none is left. */
      readonly chosen: Candidate | undefined;
      /** The rule said `force` and the chosen one has exclusions. */
      readonly forced: boolean;
    }
  | {
      readonly name: 'next-hop';
      readonly outcome: 'pass' | 'decide';
      /** Undefined: this kernel has no route to the owner. */
      readonly nextHop: NextHop | undefined;
    }
  | { readonly name: 'mtu'; readonly outcome: 'decide'; readonly ledger: MtuLedger };

export type Verdict =
  | { readonly kind: 'local' }
  | { readonly kind: 'deny'; readonly rule: Rule }
  /** No mode is left, or no way to the owner. */
  | {
      readonly kind: 'unreachable';
      readonly reason:
        'unknown' | 'withdrawn' | 'no-common-address' | 'no-mode' | 'no-underlay-route';
    }
  | {
      readonly kind: 'forward';
      readonly mode: Mode;
      readonly carriage: Carriage;
      readonly plane: Plane;
      readonly ends: OuterEnds | undefined;
      readonly nextHop: NextHop;
      readonly mtu: InnerMtu;
    };

export interface Decision {
  readonly from: string;
  readonly prefix: Prefix;
  /** The node that owns the prefix. */
  readonly owner: string | undefined;
  readonly verdict: Verdict;
  readonly trail: readonly Step[];
}

/** The step of that name, if the decision got so far. */
export function stepOf<N extends Step['name']>(
  decision: Decision,
  name: N,
): Extract<Step, { readonly name: N }> | undefined {
  return decision.trail.find(
    (step): step is Extract<Step, { readonly name: N }> => step.name === name,
  );
}
