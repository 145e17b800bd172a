/** A report with its diagnosis: health, code and findings, and the evidence beside the model. */
import type { ExplainReport, ProbesReport } from '../explain-report.js';
import type { DiagnoseOptions } from './diagnose.js';
import { diagnose } from './diagnose.js';
import type { AddressHolders, Evidence, NodeView } from './evidence.js';

export interface Examination extends DiagnoseOptions {
  readonly from: NodeView | null;
  readonly to: NodeView | null;
  /** Null without probes. */
  readonly probes: ProbesReport | null;
  readonly answeredInstead?: string | null | undefined;
  readonly holders?: readonly AddressHolders[] | undefined;
}

export function withDiagnosis(report: ExplainReport, examination: Examination): ExplainReport {
  const { from, to, probes, answeredInstead = null, holders = [] } = examination;
  const evidence: Evidence = {
    from,
    to,
    answeredInstead,
    holders,
    peerSilence: probes?.peerSilence ?? null,
    probes: probes?.probes ?? [],
    pathMtu: probes?.pathMtu ?? null,
  };
  const { health, findings } = diagnose(report, evidence, examination);
  const { verdict } = report;
  const cause = findings.find(({ severity }) => severity === 'cause')?.code;
  const decided = verdict.kind === 'DENIED' ? 'denied-by-rule' : verdict.reason;
  return {
    ...report,
    verdict: {
      ...verdict,
      health,
      code: cause ?? decided ?? (health === null ? null : 'ok'),
      exitCode: health === null || health === 'OK' ? verdict.exitCode : 1,
    },
    findings,
    hops: { from, to },
    probes,
  };
}
