/**
 * The guard: the packet filter that lets tunnel packets in only from cluster nodes, and only with
 * inner sources that belong to the sender. No guard, no tunnel: the agent brings no tunnel device
 * up before `apply` has succeeded.
 */
import type { Address } from '../../encap/address.js';
import type { Prefix } from '../../encap/prefix.js';

export interface GuardPeer {
  readonly node: string;
  /** Outer sources it sends from: underlay and, where a link allows it, public addresses. */
  readonly outerSources: readonly Address[];
  /** Inner sources that are its own: overlay prefixes and node addresses as host prefixes. */
  readonly innerSources: readonly Prefix[];
  /** Overlay prefixes that may arrive from it without encapsulation. */
  readonly nativeSources: readonly Prefix[];
}

export interface GuardSpec {
  readonly vxlan: readonly { readonly vni: number; readonly port: number }[];
  /** This node's own addresses that tunnel packets are sent to. */
  readonly localAddresses: readonly Address[];
  readonly peers: readonly GuardPeer[];
  /** NICs that native overlay packets may arrive on. */
  readonly nics: readonly string[];
  /** Our tunnel devices. */
  readonly tunnelDevices: readonly string[];
  /** Every overlay pool: overlay sources are checked against these. */
  readonly pools: readonly Prefix[];
  /** This node's own overlay prefixes: what its workloads may use as a source. */
  readonly ownPrefixes: readonly Prefix[];
  /** All node addresses of the cluster: workloads may not send tunnel packets there. */
  readonly nodeAddresses: readonly Address[];
  /** Workloads may not reach 169.254.169.254 and fd00:ec2::254. */
  readonly blockMetadata: boolean;
  /** Overlay prefixes that may leave without encapsulation: those decided to go natively. */
  readonly nativeDestinations: readonly Prefix[];
  /** Absent: nothing is translated, and the kernel need not track connections for us. */
  readonly masquerade?: GuardMasquerade;
}

/** Workloads that reach what is outside of the overlay with an address of the node's. */
export interface GuardMasquerade {
  /** Sources to translate. */
  readonly sources: readonly Prefix[];
  /** Destinations that see the workload's own address; the pools always do. */
  readonly exclude: readonly Prefix[];
}

export interface GuardApplyOptions {
  /**
   * What may leave natively now still may, until the next `apply` without this: for the time in
   * which the routes are exchanged, as packets still follow the old ones.
   */
  readonly keepNative?: boolean;
}

/** What goes and what comes. */
export interface Exchange<T> {
  readonly gone: readonly T[];
  readonly come: readonly T[];
}

/** What differs between two specs, in terms of their facts (facts.ts). */
export interface GuardDelta {
  readonly pairs: Exchange<{ readonly outer: Address; readonly inner: Prefix }>;
  readonly outers: Exchange<Address>;
  readonly nodes: Exchange<Address>;
  readonly native: Exchange<Prefix>;
  readonly nativeTo: Exchange<Prefix>;
}

/** From a spec to the next, where only a few peers differ. */
export interface GuardStep {
  readonly from: GuardSpec;
  readonly to: GuardSpec;
  /** All that differs between them. */
  readonly delta: GuardDelta;
}

export interface Guard {
  readonly backend: 'nftables' | 'iptables' | 'memory';
  /** Makes the kernel's rules exactly these, atomically; the old ones hold until then. */
  apply(spec: GuardSpec, options?: GuardApplyOptions): Promise<void>;
  /** Does the kernel hold exactly what was applied last? The text says what differs. */
  verify(
    spec: GuardSpec,
  ): Promise<{ readonly ok: boolean; readonly difference: string | undefined }>;
  /**
   * As `apply`, for few differences, at a cost that does not depend on how many peers there are. False:
   * `from` is not known to be what the kernel holds, nothing was changed, and `apply` is to be used.
   * Absent where the packet filter has no means for it.
   */
  step?(step: GuardStep): Promise<boolean>;
  /**
   * Calls back after somebody changed the rules: at once where the kernel announces that, else at
   * the next of regular looks. Our own changes may be told as well.
   */
  watch(listener: () => void): { close(): void };
  /** Packets dropped so far, by reason. */
  counters(): Promise<Readonly<Record<string, number>>>;
  /** Removes all of it and nothing else. */
  remove(): Promise<void>;
}
