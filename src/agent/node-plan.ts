/** What a node should have, and what of it is under way. */
import type { Cluster, LocalFacts, Snapshot } from '../../encap/cluster.js';
import type { LedPhase } from '../../routes/changeover.js';
import type { DesiredObject, DesiredState } from '../../routes/desired.js';
import type { KeptWay } from '../../routes/hold.js';
import type { Rib } from '../../routes/rib.js';
import type { GuardSpec } from '../../tunnel/guard/guard.js';
import type { OwnLink, SysctlObject } from '../../tunnel/kernel.js';
import type { PlaneSpec } from '../../tunnel/userspace/plane.js';

export interface NodePlan {
  /** As the store has it; the snapshot has the cluster that packets are sent by just now. */
  readonly configured: Cluster;
  readonly snapshot: Snapshot & { readonly local: LocalFacts };
  readonly rib: Rib;
  readonly desired: DesiredState;
  /** Those of `desired`, and the host's settings. */
  readonly objects: ReadonlyMap<string, DesiredObject>;
  /** Of devices that the kernel makes. */
  readonly kinds: ReadonlySet<OwnLink['kind']>;
  readonly hostSysctls: readonly SysctlObject[];
  readonly guard: GuardSpec;
  readonly planes: readonly PlaneSpec[];
  readonly problems: readonly string[];
  /** True and worth knowing, but nothing that is wrong. */
  readonly notes: readonly string[];
  /** Prefixes that stay on their old way, as peers may not be ready for the new one. */
  readonly kept: readonly KeptWay[];
  /** Set while somebody leads a change; not whole: there is no room yet for what is to be received. */
  readonly led?: { readonly phase: LedPhase; readonly isWhole: boolean };
}

/** A change that is under way. */
export interface UnderWay {
  readonly plan: NodePlan;
  /** Is anything waiting to be sent? */
  readonly switching: boolean;
  readonly nextStepInMs: number | undefined;
}

/** What became of a plan: what could not be made of it, by key (see `objectKey`). */
export interface PlanOutcome {
  readonly unmade: Iterable<string>;
}
