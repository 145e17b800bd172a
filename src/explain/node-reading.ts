/**
 * What the explanations of one node rest on, whoever has read it: its agent, a command on the node
 * when no agent answers, or a snapshot that was taken there. One function makes the answer, so the
 * three cannot disagree.
 */
import type { DesiredState } from '../../routes/desired.js';
import type { ActualState } from '../../routes/diff.js';
import { explain } from '../../routes/explain.js';
import type { ObjectHistory } from '../../routes/explain-kernel.js';
import type { BasisReport, ExplainReport, FreezeReport } from '../../routes/explain-report.js';
import type { Cluster, Snapshot } from '../../encap/cluster.js';
import type { Kernel } from '../../tunnel/kernel.js';
import type { FilterReading } from './filter-reading.js';
import { resolveDestination, resolveNode } from './resolve.js';
import { whatIfCluster } from './what-if.js';

export interface NodeReading {
  /** The node whose kernel was read. */
  readonly node: string;
  readonly snapshot: Snapshot;
  /** With the host's settings among the objects. */
  readonly desired: DesiredState;
  /** Read when it is needed: an explanation for another node needs none of it. */
  actual(): Promise<ActualState>;
  /** What packet filters, ours and others', have to say; one line each. */
  guardNotes(): Promise<readonly string[]>;
  readonly history?: ObjectHistory | undefined;
  readonly freeze?: FreezeReport | undefined;
  readonly basis?: Pick<BasisReport, 'kind' | 'note'> | undefined;
}
  /** For what only a question makes known: policy rules, the kernel's own lookups, settings. */
  readonly kernel: Kernel;
  readonly filters: FilterReading;

export interface ExplainAsked {
  /** An address, a prefix or a node's name. */
  readonly destination: string;
  /** The sender; this node when not given. */
  readonly from?: string | undefined;
  /** Laid over the cluster for this question; what is in force stays as it is. */
  readonly whatIf?: readonly string[] | undefined;
}

/** A text instead of a report is what is wrong with the question, one line. */
export async function explainReading(
  reading: NodeReading,
  asked: ExplainAsked,
): Promise<ExplainReport | string> {
  if (asked.whatIf !== undefined && asked.whatIf.length > 0)
    return explainWhatIf(reading, asked, asked.whatIf);
  const { snapshot, node, basis, freeze } = reading;
  const destination = resolveDestination(snapshot.cluster, asked.destination);
  if (typeof destination === 'string') return destination;
  const from = resolveNode(snapshot.cluster, asked.from ?? node);
  if (typeof from === 'string') return from;
  const here =
    from.name === node
      ? {
          desired: reading.desired,
          actual: await reading.actual(),
          guardNotes: await reading.guardNotes(),
          history: reading.history,
          freeze,
        }
      : {};
  return explain({ snapshot, destination, from, basis, ...here });
}

/** Of a cluster file alone, without any kernel. */
export function explainFile(
  cluster: Cluster,
  asked: ExplainAsked & { readonly from: string; readonly note: string },
): ExplainReport | string {
  const snapshot = { cluster, local: undefined };
  const basis = { kind: 'file', note: asked.note } as const;
  if (asked.whatIf !== undefined && asked.whatIf.length > 0)
    return explainWhatIf({ snapshot, node: asked.from, basis }, asked, asked.whatIf);
  const destination = resolveDestination(cluster, asked.destination);
  if (typeof destination === 'string') return destination;
  const from = resolveNode(cluster, asked.from);
  return typeof from === 'string' ? from : explain({ snapshot, destination, from, basis });
}

/** Nothing of it is in the kernel, so there is nothing to compare; what the node knows stays true. */
function explainWhatIf(
  { snapshot, node, basis }: Pick<NodeReading, 'snapshot' | 'node' | 'basis'>,
  asked: ExplainAsked,
  patches: readonly string[],
): ExplainReport | string {
  const cluster = whatIfCluster(snapshot.cluster, patches);
  if (typeof cluster === 'string') return cluster;
  const destination = resolveDestination(cluster, asked.destination);
  if (typeof destination === 'string') return destination;
  const from = resolveNode(cluster, asked.from ?? node);
  if (typeof from === 'string') return from;
  const sender = snapshot.cluster.nodes.get(from.name);
  const now =
    sender === undefined ? undefined : explain({ snapshot, destination, from: sender }).verdict;
  return explain({
    snapshot: { ...snapshot, cluster },
    destination,
    from,
    basis,
    kernelReason: 'nothing of a what-if is in a kernel',
    whatIf: {
      patches,
      now:
        now === undefined
          ? null
          : { kind: now.kind, summary: now.summary, mode: now.mode, mtu: now.mtu },
    },
  });
}
