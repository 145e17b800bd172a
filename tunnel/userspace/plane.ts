/**
 * What the agent asks of a userspace data plane, which runs as a process of its own so that the
 * agent may die or be replaced while packets flow.
 */
import type { Address } from '../../encap/address.js';
import type { InterfaceAddress, Prefix } from '../../encap/prefix.js';

export interface PlanePeer {
  readonly node: string;
  /** Where its packets are sent: the outer destination. */
  readonly remote: Address;
  /** Outer sources accepted from it. */
  readonly outerSources: readonly Address[];
  /** Inner destinations that are sent to it. */
  readonly prefixes: readonly Prefix[];
  /** Inner sources accepted from it. */
  readonly innerSources: readonly Prefix[];
  /** Largest inner packet in bytes on the path to it. */
  readonly mtu: number;
}

export interface PlaneSpec {
  /** TUN device, e.g. `slip4`. */
  readonly device: string;
  readonly mtu: number;
  /** Outer source. */
  readonly local: Address;
  /** Outer destinations that are ours besides `local`, while peers learn of a new one. */
  readonly otherLocals?: readonly Address[];
  readonly addresses: readonly InterfaceAddress[];
  readonly ttl: number;
  readonly peers: readonly PlanePeer[];
}

export interface PlaneStatus {
  readonly pid: number;
  readonly device: string;
  readonly peers: number;
  /** By reason, see `counters.ts`; they start at zero with the process. */
  readonly counters: Readonly<Record<string, number>>;
  /** Outer path MTUs in bytes that the underlay has taught, by outer destination. */
  readonly learnedMtus?: Readonly<Record<string, number>>;
  /** Why packets do not flow at the moment although the plane is configured. */
  readonly problem?: string;
}

/** The agent's handle on the plane's process. */
export interface UserspacePlane {
  /** Finds a running plane or starts one, and gives it this configuration. */
  ensure(spec: PlaneSpec): Promise<PlaneStatus>;
  status(): Promise<PlaneStatus | undefined>;
  /** Stops the process and removes its device. */
  stop(): Promise<void>;
}
