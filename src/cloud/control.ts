/**
 * A provider's control plane as Selvage uses it: read what concerns the cluster's nodes, and say
 * which calls would make this node's own attachment fit for native routing. Reading never writes;
 * each change is carried out, or tried as a dry run, by whoever decides that it should be.
 */
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import type { Observations, SwitchName } from '../../encap/observed.js';
import type { Firewall } from './admission.js';
import type { CloudProviderName, MachineFacts } from './machine.js';

export interface CloudQuestion {
  readonly cluster: Cluster;
  readonly self: ClusterNode;
  readonly machine: MachineFacts;
  /** The overlay prefixes of this node that a rule may want routed natively by the fabric. */
  readonly routed: boolean;
  /** Routes of ours that a route table may hold; beyond it nodes stay encapsulated. */
  readonly routeLimit: number;
  readonly signal?: AbortSignal | undefined;
}

/** One call that would change something. */
export interface CloudChange {
  /** What it does, with the ids: `switch the source/destination check of eni-0a1b off`. */
  readonly text: string;
  /** `ModifyNetworkInterfaceAttribute`, `compute.routes.insert`. */
  readonly call: string;
  /** The permission that it needs: `ec2:ModifyNetworkInterfaceAttribute`. */
  readonly permission: string;
  /** The switch that waits for it. */
  readonly makes: SwitchName;
  /** Undefined: the API has no dry run. */
  readonly tryOut?: ((signal?: AbortSignal) => Promise<'allowed' | 'denied'>) | undefined;
  /** Rejects with a CloudError. */
  readonly carryOut: (signal?: AbortSignal) => Promise<void>;
}

export interface CloudReading {
  /** By node name; nodes that this API does not know of are left out. */
  readonly observed: Observations;
  /** What would make this node's own switches as native needs them, in order. */
  readonly changes: readonly CloudChange[];
  /** What is wrong and no change here mends: a limit, a missing permission to read. */
  readonly problems: readonly string[];
  /** Worth knowing: `48 of 50 routes of rtb-1 are in use`. */
  readonly notes: readonly string[];
}

/** One firewall in front of a node; a packet has to pass all of its node's. */
export interface AppliedFirewall {
  readonly node: string;
  /** What commands call it by: `sg-0a1b`, a GCE network, `resource-group/nsg`. */
  readonly id: string;
  /** For people: `security groups sg-0a1b, sg-2c3d of eni-1`. */
  readonly text: string;
  readonly firewall: Firewall;
}

export interface FirewallReading {
  readonly firewalls: readonly AppliedFirewall[];
  /** Groups (security groups, tags) that a node's NIC is in, by node name: `peerGroups` of packets. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** What could not be read, and why. */
  readonly problems: readonly string[];
}

export interface CloudControl {
  readonly provider: CloudProviderName;
  read(question: CloudQuestion): Promise<CloudReading>;
  /** Removes what was made for this node (routes, tags); what it returns has to be carried out. */
  leave(question: CloudQuestion): Promise<readonly CloudChange[]>;
  /**
   * The firewalls in front of the cluster's nodes as far as this API shows them, for preflight.
   * Undefined: this provider's are not read. Rejects with a CloudError.
   */
  firewalls?(question: CloudQuestion): Promise<FirewallReading>;
  close(): void;
}

/** How a call failed, in the words that decide what to do next. */
export type CloudFailure =
  /** Try again later, with back-off: throttled, overloaded, not reachable, timed out. */
  | 'retry'
  /** The credentials do not permit it. */
  | 'denied'
  /** No credentials, or they are refused. */
  | 'credentials'
  /** A quota or limit is reached. */
  | 'limit'
  /** The object is not there (any more). */
  | 'absent'
  /** Anything else: told, and tried again at the next round. */
  | 'other';

export class CloudError extends Error {
  readonly failure: CloudFailure;
  /** The provider's own code: `UnauthorizedOperation`. */
  readonly code: string;
  /** The API action. */
  readonly call: string;

  constructor(
    message: string,
    details: { readonly failure: CloudFailure; readonly code: string; readonly call: string },
  ) {
    super(message);
    this.failure = details.failure;
    this.code = details.code;
    this.call = details.call;
  }
}
