/** What the checks look at: read once, then only judged. */
import type { Address } from '../../encap/address.js';
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import type { Decision } from '../../encap/trail.js';
import type { Rulesets } from '../../tunnel/guard/index.js';
import type { KernelDetails } from '../../tunnel/kernel-details.js';
import type { Kernel, KernelState, OwnLink } from '../../tunnel/kernel.js';
import type { NodePlan } from '../agent/planner.js';
import type { PlanReport } from '../agent/plan-report.js';
import type { StatusReport } from '../agent/status.js';
import type { CloudReading, FirewallReading } from '../cloud/control.js';
import type { CloudProviderName, MachineFacts } from '../cloud/machine.js';
import type { Machine } from './machine.js';

export interface NodeFacts {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly machine: Machine;
  readonly paths: NodePaths;
  readonly keeper: Keeper;
  readonly kernel: KernelFacts | { readonly problem: string };
  readonly programs: Programs;
  readonly cloud: CloudFacts | { readonly absent: string };
  readonly now: Date;
}

export interface NodePaths {
  readonly clusterKeyFile: string;
  readonly runtimeDir: string;
  readonly stateDir: string;
}

/**
 * Who puts right what is not as it should be in this kernel.
 *
 * `running`: an agent, within moments. `frozen`: an agent that may not. `dead`: nobody, although
 * something of ours stands there. `absent`: nothing is there yet; the agent makes it when it starts.
 */
export type Keeper =
  | { readonly kind: 'running' | 'frozen'; readonly status: StatusReport }
  | { readonly kind: 'dead' | 'absent' };

export interface KernelFacts {
  readonly kernel: Kernel;
  readonly state: KernelState;
  readonly details: KernelDetails;
  readonly kinds: ReadonlySet<OwnLink['kind']>;
  readonly plan: NodePlan;
  /** What differs from what is wanted; the agent's own word where it runs. */
  readonly report: Pick<PlanReport, 'changes' | 'foreign' | 'problems' | 'guard'>;
  readonly guard: { readonly backend: string } | { readonly problem: string };
  readonly rulesets: Rulesets | { readonly problem: string };
  /** Ways to and from peers, a bounded number of them. */
  readonly ways: readonly Way[];
}

/** One overlay prefix of a peer: how we send there, and how it sends to us. */
export interface Way {
  readonly peer: ClusterNode;
  readonly out: Decision;
  /** Undefined where this node owns no prefix of the family. */
  readonly back: Decision | undefined;
}

/** What else is asked: whether pieces of this program load, and the hosts of the link. */
export interface Programs {
  /** Why not; undefined: it does. */
  readonly addon: () => string | undefined;
  readonly rawSocket: () => Promise<string | undefined>;
  /** MACs of other hosts on the link that answer for an address of ours; rejects where nobody can be asked. */
  readonly whoHas: (nic: NicToAsk, target: Address) => Promise<readonly string[]>;
}

export interface NicToAsk {
  readonly device: string;
  readonly mac: string;
}

export interface CloudFacts {
  readonly provider: CloudProviderName;
  readonly machine: MachineFacts;
  readonly reading: CloudReading | { readonly problem: string };
  readonly firewalls: FirewallReading | { readonly problem: string };
  /** Difference between this clock and the API's, in milliseconds; undefined: nobody asked. */
  readonly clockSkewMs: number | undefined;
}
