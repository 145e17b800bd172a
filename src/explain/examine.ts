/**
 * The second half of an explanation: what is there, beside what is decided. The node's own view of
 * the pair, the peer's where its agent tells, what probes found, and what all of that comes down to.
 */
import { parseAddress } from '../../encap/address.js';
import type { Snapshot } from '../../encap/cluster.js';
import { withDiagnosis } from '../../routes/diagnose/index.js';
import type { NodeView, Predict } from '../../routes/diagnose/index.js';
import type { ActualState } from '../../routes/diff.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import type { Prober } from '../probe/pair-probe.js';
import { pairRequest } from '../probe/pair-request.js';
import { PairViews } from '../probe/pair-view.js';
import type { NodeReading } from './reading.js';
import { predict } from './what-if.js';

export interface ProbeAsked {
  readonly prober: Prober;
  /** Packets of each layer. */
  readonly count: number;
}

export interface ExamineOptions {
  /** What the report was made from. */
  readonly actual: ActualState;
  /** The pair is probed too. */
  readonly probe?: ProbeAsked | undefined;
}

/** Of the node that was read. */
export async function examine(
  report: ExplainReport,
  reading: NodeReading,
  { actual, probe }: ExamineOptions,
): Promise<ExplainReport> {
  const peer = report.verdict.owner?.node;
  const { family } = report.question;
  const predicted = predictionFor(report, reading.snapshot);
  if (peer === undefined || peer === reading.node || report.verdict.prefix === null)
    return withDiagnosis(report, { from: null, to: null, probes: null, predict: predicted });
  const views = new PairViews();
  const view = async (known?: ActualState): Promise<NodeView | null> =>
    (await views.view(reading, {
      peer,
      family,
      role: 'from',
      destination: parseAddress(report.question.address),
      agent: agentOf(reading),
      actual: known,
    })) ?? null;
  const request = probe && pairRequest(reading, { peer, family, count: probe.count, craft: true });
  if (probe === undefined || request === undefined)
    return withDiagnosis(report, {
      from: await view(actual),
      to: null,
      probes: null,
      predict: predicted,
    });
  // Once before: from now on the guard's drops are counted.
  await view();
  const found = await probe.prober.probePair(request);
  const { probes, pathMtu, peerSilence, notes } = found;
  return withDiagnosis(report, {
    // After the probes: neighbours that did not answer are known as such by now.
    from: await view(),
    to: found.peerView,
    holders: found.holders,
    answeredInstead: found.answeredInstead,
    probes: { probes, pathMtu, peerSilence, notes },
    predict: predicted,
  });
}

function agentOf(reading: NodeReading): NodeView['agent'] {
  if (reading.freeze !== undefined) return 'frozen';
  return reading.basis?.kind === 'kernel' ? 'none' : 'running';
}

/** From the file alone: what the two decisions say about each other. */
export function examineFile(report: ExplainReport): ExplainReport {
  return withDiagnosis(report, { from: null, to: null, probes: null });
}

/** A real what-if run for the pair, in one line; null where the patch cannot be laid or changes nothing. */
function predictionFor(report: ExplainReport, snapshot: Snapshot): Predict {
  return (patch) => {
    const to = report.verdict.owner?.node;
    if (to === undefined) return null;
    const { family, from } = report.question;
    const local = snapshot.local?.node === from.node ? snapshot.local : undefined;
    const pair = { from: from.node, to, family, local };
    const found = predict(snapshot.cluster, [patch], pair);
    if (!found.ok || found.after === null) return null;
    const { after, before } = found;
    if (before !== null && before.kind === after.kind && before.back?.kind === after.back?.kind)
      return null;
    const mtu = after.mtu === null ? '' : `, MTU ${after.mtu}`;
    const back =
      after.back === null || after.back.kind === after.kind ? '' : `, ${after.back.kind} back`;
    return `${after.kind}${mtu}${back}`;
  };
}
