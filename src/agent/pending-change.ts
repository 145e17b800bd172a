/** A change that nobody has settled yet, and what is told of it. */
import type { ChangeReport, ChangeRequest, ProbeSummary } from './change.js';
import type { ChangeRecord } from './change-record.js';
import type { ProbeTarget } from './reachability.js';
import { nodesOf } from './reachability.js';

export interface Pending {
  readonly request: ChangeRequest;
  readonly record: ChangeRecord;
  /** Counted from the moment when the change is in force and found good. */
  deadlineMs: number;
  readonly configSha256: string;
  readonly blast: ChangeReport['blast'];
  readonly before: ReadonlyMap<string, ProbeTarget>;
  readonly after: ReadonlyMap<string, ProbeTarget>;
  readonly answered: ReadonlySet<string>;
  readonly problems: string[];
}

export function provisionalReport(pending: Pending): ChangeReport {
  const { record, request, blast, problems } = pending;
  const leftMs = remainingMs(pending);
  return {
    schema: 'selvage.change/1',
    node: record.node,
    state: 'provisional',
    reason: record.reason,
    file: request.file,
    configFile: record.configFile,
    startedAt: record.startedAt,
    deadlineAt: new Date(Date.now() + leftMs).toISOString(),
    remainingMs: leftMs,
    blast,
    probes: probeSummary(pending, {}),
    problems: [...problems],
  };
}

export function probeSummary(
  pending: Pending,
  end: Partial<Pick<ProbeSummary, 'lost' | 'stillLost'>>,
): ProbeSummary | undefined {
  if (pending.before.size === 0) return undefined;
  return {
    asked: nodesOf(new Set(pending.before.keys()), pending.before).size,
    answered: nodesOf(pending.answered, pending.before).size,
    lost: end.lost ?? [],
    stillLost: end.stillLost ?? [],
  };
}

export function remainingMs(pending: Pending): number {
  return Math.max(0, Math.round(pending.deadlineMs - performance.now()));
}

export function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
