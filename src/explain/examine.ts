/**
 * The second half of an explanation: what is there, beside what is decided. The node's own view of
 * the pair, the peer's where its agent tells, what probes found, and what all of that comes down to.
 */
import { parseAddress } from '../../encap/address.js';
import type { Snapshot } from '../../encap/cluster.js';
import { withDiagnosis } from '../../routes/diagnose/index.js';
import type { NodeView, Predict } from '../../routes/diagnose/index.js';
import type { ExplainReport, ProbesReport, ReturnPathReport } from '../../routes/explain-report.js';
import type { Prober, Way } from '../probe/pair-probe.js';
import type { NodeReading } from './reading.js';
import { pairView } from './pair-view.js';
import { predict } from './what-if.js';

export interface ProbeAsked {
  readonly prober: Prober;
  /** Packets of each layer. */
  readonly count: number;
}

/** Of the node that was read; with `probe` the pair is probed too. */
export async function examine(
  report: ExplainReport,
  reading: NodeReading,
  probe?: ProbeAsked,
): Promise<ExplainReport> {
  const peer = report.verdict.owner?.node;
  const { address, family } = report.question;
  const isPair = peer !== undefined && peer !== reading.node && report.verdict.prefix !== null;
  const view = (): Promise<NodeView | undefined> =>
    isPair
      ? pairView(reading, { peer, family, role: 'from', destination: parseAddress(address) })
      : Promise.resolve(undefined);
  if (probe === undefined || !isPair)
    return withDiagnosis(report, {
      from: (await view()) ?? null,
      to: null,
      probes: null,
      predict: predictionFor(report, reading.snapshot),
    });
  const found = await probe.prober.probePair({
    peer,
    family,
    there: wayOf(report.verdict),
    back: wayOf(report.returnPath),
    crafted: [
      { mode: 'native', outerFamily: family },
      { mode: 'ipip', outerFamily: 4 },
      { mode: 'vxlan', outerFamily: 4 },
    ],
    count: probe.count,
  });
  const probes: ProbesReport = {
    probes: found.probes,
    pathMtu: found.pathMtu,
    peerSilence: found.peerSilence,
    notes: found.notes,
  };
  return withDiagnosis(report, {
    // After the probes: neighbours that did not answer are known as such by now.
    from: (await view()) ?? null,
    to: found.peerView,
    probes,
    predict: predictionFor(report, reading.snapshot),
  });
}

/** From the file alone: what the two decisions say about each other. */
export function examineFile(report: ExplainReport): ExplainReport {
  return withDiagnosis(report, { from: null, to: null, probes: null });
}

function wayOf(of: ExplainReport['verdict'] | ReturnPathReport): Way | undefined {
  if (of.mode === null || of.mtu === null) return undefined;
  const outerFamily = 'outerFamily' in of ? of.outerFamily : null;
  return { mode: of.mode, outerFamily: outerFamily ?? 4, mtu: of.mtu };
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
