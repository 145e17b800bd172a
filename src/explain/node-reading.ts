/**
 * What the explanations of one node rest on, whoever has read it: its agent, a command on the node
 * when no agent answers, or a snapshot that was taken there. One function makes the answer, so the
 * three cannot disagree.
 */
import { explain } from '../../routes/explain.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import { ownerOf } from '../../routes/explain-target.js';
import type { Cluster } from '../../encap/cluster.js';
import { type ProbeAsked, examine, examineFile } from './examine.js';
import { interestOf } from './interest.js';
import { resolveDestination, resolveNode } from './resolve.js';
import type { NodeReading } from './reading.js';
import { whatIfCluster } from './what-if.js';

export type { NodeReading };

export interface ExplainAsked {
  /** An address, a prefix or a node's name. */
  readonly destination: string;
  /** The sender; this node when not given. */
  readonly from?: string | undefined;
  /** Laid over the cluster for this question; what is in force stays as it is. */
  readonly whatIf?: readonly string[] | undefined;
  /** The pair is probed too, and not only looked at. */
  readonly probe?: ProbeAsked | undefined;
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
  if (from.name !== node) return examineFile(explain({ snapshot, destination, from, basis }));
  const owner = ownerOf(snapshot.cluster, destination.address)?.node;
  const peer = owner?.name === node ? undefined : owner;
  const [actual, guardNotes] = await Promise.all([
    reading.actual(interestOf(reading, { destination: destination.address, peer })),
    reading.guardNotes(),
  ]);
  const { desired, history } = reading;
  const here = { desired, actual, guardNotes, history, freeze };
  const report = explain({ snapshot, destination, from, basis, ...here });
  return examine(report, reading, { actual, probe: asked.probe });
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
  if (typeof from === 'string') return from;
  return examineFile(explain({ snapshot, destination, from, basis }));
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
