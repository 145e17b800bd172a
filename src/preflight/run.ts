/** Runs the checks over what was read, one after the other, and puts the answer together. */
import type { Check, CheckResult, CheckStatus, Outcome } from './check.js';
import { statuses } from './check.js';
import type { NodeFacts } from './facts.js';

export const preflightSchema = 'selvage.preflight/1';

/** Within a schema fields are only added; ids and statuses stay, words for people may change. */
export interface PreflightReport {
  readonly schema: typeof preflightSchema;
  readonly cluster: string;
  /** Null: the whole cluster, from its file and the APIs alone. */
  readonly node: string | null;
  readonly file: string;
  /** Who keeps this kernel as it should be; null where no kernel was asked. */
  readonly keeper: 'running' | 'frozen' | 'dead' | 'absent' | null;
  readonly checks: readonly CheckResult[];
  readonly counts: Readonly<Record<CheckStatus, number>>;
  readonly worst: CheckStatus;
}

export async function runChecks(
  checks: readonly Check[],
  facts: NodeFacts,
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const check of checks) {
    const outcomes = await outcomesOf(check, facts);
    results.push(...outcomes.map((outcome) => resultOf(check, outcome)));
  }
  return results;
}

/** What one check cannot read keeps no other from its answer. */
async function outcomesOf(check: Check, facts: NodeFacts): Promise<readonly Outcome[]> {
  try {
    const found = await check.run(facts);
    return Array.isArray(found) ? (found as readonly Outcome[]) : [found as Outcome];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [{ status: 'skip', found: `could not be looked at: ${why}` }];
  }
}

export function resultOf(
  { id, group, title }: Pick<Check, 'id' | 'group' | 'title'>,
  { status, found, needed, fix }: Outcome,
): CheckResult {
  return { id, group, title, status, found, needed: needed ?? null, fix: fix ?? null };
}

const order: readonly CheckStatus[] = ['fail', 'warn', 'ok', 'skip'];

export function preflightReport(
  about: Pick<PreflightReport, 'cluster' | 'node' | 'file' | 'keeper'>,
  checks: readonly CheckResult[],
): PreflightReport {
  const count = (status: CheckStatus): number =>
    checks.filter((check) => check.status === status).length;
  const counts = Object.fromEntries(statuses.map((status) => [status, count(status)]));
  return {
    schema: preflightSchema,
    ...about,
    checks,
    counts: counts as PreflightReport['counts'],
    worst: order.find((status) => count(status) > 0) ?? 'ok',
  };
}
