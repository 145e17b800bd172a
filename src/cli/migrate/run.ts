/** `migrate`, once the words are understood: judges, leads, shows. */
import { exitCodes } from '../exit-codes.js';
import type { Outcome } from '../../migrate/lead.js';
import { leadChange, lookAt } from '../../migrate/lead.js';
import { isUnderWay, migrationOf } from '../../migrate/migration.js';
import { patchText } from '../../migrate/patch-text.js';
import type { Progress } from '../../migrate/stage.js';
import { formatWhatIfProblems } from '../../config/what-if.js';
import { readHistory } from '../../store/fleet/config-history.js';
import type { ConfigTarget } from '../../store/fleet/config-write.js';
import { fleetKeys } from '../../store/fleet/keys.js';
import { Failure, unableFailure } from '../failure.js';
import { exitCodeOf as changeExitCode } from '../fleet-config/propose.js';
import type { ConfigChangeReport } from '../fleet-config/propose.js';
import { readText } from '../fleet-config/set.js';
import { requireVersion, writer } from '../fleet-config/store.js';
import type { Format } from '../options.js';
import { printAnswer } from '../output.js';
import { renderConfigChange } from '../render/config-change.js';
import { renderMigrate } from '../render/migrate.js';
import type { StoreFlags } from '../store-options.js';
import { requireStore, withStore } from '../store-options.js';
import { Display } from './display.js';
import type { NamedText, Plan } from './plan.js';
import { planBegin, planResume, planRollback } from './plan.js';
import type { MigrateReport } from './report.js';
import { exitCodeOf } from './report.js';
import type { MigrateFlags, MigrateRequest } from './request.js';
import { requestOf } from './request.js';

export interface MigrateOptions extends StoreFlags, MigrateFlags {
  readonly message?: string | undefined;
  readonly forceChange: boolean;
  readonly pauseAfter?: 'prepare' | 'switch' | undefined;
  readonly timeout?: number | undefined;
  readonly settle: number;
  readonly skip: readonly string[];
  readonly output: Format;
}

export async function runMigrate(file: string | undefined, options: MigrateOptions): Promise<void> {
  const asked = requestOf(file, options);
  const request = await requireStore(options);
  await withStore(request, async (kv, { cluster }) => {
    const target = { kv, keys: fleetKeys(cluster) };
    if (asked.kind === 'show') return show({ target, cluster, options });
    const plan = await planFor(asked, { target, options });
    if (plan.kind === 'judged') {
      await showJudged(plan.report, { text: plan.text, options });
      process.exitCode = changeExitCode(plan.report.outcome);
      return;
    }
    await lead({ target, cluster, plan, options });
  });
}

interface Context {
  readonly target: ConfigTarget;
  readonly options: MigrateOptions;
}

async function planFor(
  asked: Exclude<MigrateRequest, { readonly kind: 'show' }>,
  { target, options }: Context,
): Promise<Plan> {
  const begin = (next: { readonly text: string; readonly name: string }): Promise<Plan> =>
    planBegin(target, next, {
      ...options,
      onJudged: (report, text) =>
        options.output === 'table' ? showJudged(report, { text, options }) : Promise.resolve(),
    });
  switch (asked.kind) {
    case 'file':
      return begin(await readText(asked.file));
    case 'patch':
      return begin(await patchedText(target, asked.patches));
    case 'version': {
      const history = await readHistory(target.kv, target.keys);
      const version = requireVersion(history, asked.number);
      return begin({ text: version.value.text, name: `version ${version.number}` });
    }
    case 'resume':
      return planResume(target);
    case 'rollback':
      return planRollback(target);
  }
}

async function patchedText(
  { kv, keys }: ConfigTarget,
  patches: readonly string[],
): Promise<NamedText> {
  const history = await readHistory(kv, keys);
  const migration = migrationOf(history);
  // Typed once more half-way, it is the same change of the same text.
  const from = isUnderWay(migration) ? migration.from : undefined;
  const { number, value } = requireVersion(history, from);
  const name = `version ${number} with --set`;
  const patched = patchText({ text: value.text, file: name }, patches);
  if (patched.ok) return { text: patched.text, name };
  if (patched.problems === undefined)
    throw unableFailure(
      `cannot write --set into the text of version ${number}: it is not laid out in plain entries; edit it ("selvage config get > FILE") and migrate to FILE`,
    );
  // Patches are named as those of --what-if are.
  const lines = formatWhatIfProblems(patched.problems, patches);
  throw new Failure(lines.join('\n').replaceAll('--what-if ', '--set '), exitCodes.found);
}

async function showJudged(
  report: ConfigChangeReport,
  { text, options }: { readonly text: string; readonly options: MigrateOptions },
): Promise<void> {
  const { output } = options;
  await printAnswer(report, {
    output,
    render: (shown, terminal) => renderConfigChange(shown, { ...terminal, text }),
  });
}

interface Leading {
  readonly target: ConfigTarget;
  readonly cluster: string;
  readonly plan: Extract<Plan, { readonly kind: 'lead' }>;
  readonly options: MigrateOptions;
}

async function lead({ target, cluster, plan, options }: Leading): Promise<void> {
  const { output, skip, pauseAfter, settle, timeout } = options;
  const display = new Display(output);
  const ended = new AbortController();
  const end = (): void => ended.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  try {
    const outcome = await leadChange(target, {
      ...{ cluster, pauseAfter, timeoutMs: timeout, settleMs: settle * 1000 },
      text: plan.text,
      begin: plan.begin,
      by: writer(),
      skip: new Set(skip),
      signal: ended.signal,
      onProgress: (progress, problem) =>
        display.show(reportOf(cluster, { outcome: 'running', progress, problem })),
    });
    await display.end(ofOutcome(cluster, outcome));
    process.exitCode = exitCodeOf(outcome.kind);
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
  }
}

async function show({ target, cluster, options }: Omit<Leading, 'plan'>): Promise<void> {
  const { progress, isUnderWay } = await lookAt(target, { cluster, skip: new Set(options.skip) });
  const outcome = isUnderWay ? 'under-way' : 'none';
  await printAnswer(reportOf(cluster, { outcome, progress, problem: undefined }), {
    output: options.output,
    render: renderMigrate,
  });
  process.exitCode = exitCodeOf(outcome);
}

function ofOutcome(cluster: string, outcome: Outcome): MigrateReport {
  const { kind } = outcome;
  if (kind !== 'superseded')
    return reportOf(cluster, { outcome: kind, progress: outcome.progress, problem: undefined });
  const report = reportOf(cluster, { outcome: kind, progress: undefined, problem: undefined });
  return { ...report, version: outcome.version };
}

function reportOf(
  cluster: string,
  now: {
    readonly outcome: MigrateReport['outcome'];
    readonly progress: Progress | undefined;
    readonly problem: string | undefined;
  },
): MigrateReport {
  return {
    schema: 'selvage.migrate/1',
    cluster,
    outcome: now.outcome,
    version: now.progress?.version ?? null,
    progress: now.progress ?? null,
    problem: now.problem ?? null,
  };
}
