/** What is known of one node for its explanations, whoever has read it. */
import type { Snapshot } from '../../encap/cluster.js';
import type { DesiredState } from '../../routes/desired.js';
import type { ActualState } from '../../routes/diff.js';
import type { ObjectHistory } from '../../routes/explain-kernel.js';
import type { BasisReport, FreezeReport } from '../../routes/explain-report.js';
import type { KernelInterest } from '../../tunnel/kernel-interest.js';
import type { Kernel } from '../../tunnel/kernel.js';
import type { FilterReading } from './filter-reading.js';

export interface NodeReading {
  /** The node whose kernel was read. */
  readonly node: string;
  readonly snapshot: Snapshot;
  /** With the host's settings among the objects. */
  readonly desired: DesiredState;
  /** Read when it is needed: an explanation for another node needs none of it, and one for this node little. */
  actual(interest?: KernelInterest): Promise<ActualState>;
  /** What packet filters, ours and others', have to say; one line each. */
  guardNotes(): Promise<readonly string[]>;
  readonly history?: ObjectHistory | undefined;
  readonly freeze?: FreezeReport | undefined;
  readonly basis?: Pick<BasisReport, 'kind' | 'note'> | undefined;
  /** For what only a question makes known: policy rules, the kernel's own lookups, settings. */
  readonly kernel: Kernel;
  readonly filters: FilterReading;
}
