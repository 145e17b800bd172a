/**
 * What `verify` and `diff` say, as plain data. Within a schema fields are only added; words for
 * people (`text`, `remedy`) may change at any time, names (`code`, `severity`, `effect`) do not.
 */
import type { Family } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import { describeSource } from '../../encap/describe.js';
import type { ClusterDiff, DiffEffect } from '../../encap/verify/diff.js';
import { diffClusters } from '../../encap/verify/diff.js';
import type { DiffCause } from '../../encap/verify/diff-cause.js';
import type { RecordDiff } from '../../encap/verify/diff-records.js';
import type { FindingCode, Severity, ZonePair } from '../../encap/verify/finding.js';
import { severities } from '../../encap/verify/finding.js';
import type { PairsSummary } from '../../encap/verify/pairs.js';
import { verify } from '../../encap/verify/verify.js';

export interface Basis {
  readonly file: string;
  /** What was laid over the file; absent: nothing. */
  readonly whatIf?: readonly string[];
}

export interface CheckedPairs extends PairsSummary {
  /** Ordered pairs of nodes, all of which were judged. */
  readonly pairs: number;
}

export interface VerifyReport {
  readonly schema: 'selvage.verify/1';
  readonly basis: Basis;
  readonly cluster: string;
  readonly checked: CheckedPairs;
  /** `null`: nothing was found. */
  readonly worst: Severity | null;
  readonly counts: Readonly<Record<Severity, number>>;
  /** Ordered pairs by the way they go. */
  readonly outcomes: readonly {
    readonly family: Family;
    readonly way: string;
    readonly pairs: number;
  }[];
  readonly findings: readonly FindingReport[];
}

export interface FindingReport {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly text: string;
  readonly remedy: string;
  readonly rule: string | null;
  /** `file:line` */
  readonly source: string | null;
  readonly pairs: number;
  readonly families: readonly Family[];
  readonly zonePairs: readonly ZonePair[];
}

export function verifyReport(cluster: Cluster, basis: Basis): VerifyReport {
  const { summary, pairs, outcomes, findings } = verify(cluster);
  const counts = Object.fromEntries(
    severities.map((severity) => [
      severity,
      findings.filter((finding) => finding.severity === severity).length,
    ]),
  ) as Record<Severity, number>;
  return {
    schema: 'selvage.verify/1',
    basis,
    cluster: cluster.name,
    checked: { ...summary, pairs },
    worst: severities.find((severity) => counts[severity] > 0) ?? null,
    counts,
    outcomes: outcomes.map(({ family, text, pairs: count }) => ({
      family,
      way: text,
      pairs: count,
    })),
    findings: findings.map(({ source, rule, ...finding }) => ({
      ...finding,
      rule: rule ?? null,
      source: source === undefined ? null : describeSource(source),
    })),
  };
}

export interface DiffReport {
  readonly schema: 'selvage.diff/1';
  readonly old: Basis;
  readonly new: Basis;
  readonly same: boolean;
  readonly checked: CheckedPairs;
  /** Ordered pairs of which at least one family goes another way. */
  readonly changedPairs: number;
  readonly groups: readonly DiffGroupReport[];
  readonly records: RecordDiff;
}

export interface DiffGroupReport {
  readonly family: Family;
  readonly effect: DiffEffect;
  readonly from: string;
  readonly to: string;
  readonly cause: DiffCause;
  readonly pairs: number;
  readonly zonePairs: readonly ZonePair[];
}

export interface DiffSide {
  readonly cluster: Cluster;
  readonly basis: Basis;
}

export function diffReport(old: DiffSide, next: DiffSide): DiffReport {
  const diff: ClusterDiff = diffClusters(old.cluster, next.cluster);
  return {
    schema: 'selvage.diff/1',
    old: old.basis,
    new: next.basis,
    same: diff.same,
    checked: { ...diff.summary, pairs: diff.pairs },
    changedPairs: diff.changedPairs,
    groups: diff.groups,
    records: diff.records,
  };
}
