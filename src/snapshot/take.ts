/** Takes the bundle: one look at everything, by the same reading that explanations are made from. */
import { arch, release } from 'node:os';
import { loadClusterFile } from '../config/index.js';
import { joinFiles, splitFiles } from '../config/file-set.js';
import { readClusterBytes } from '../config/load.js';
import { judgeRulesets } from '../../tunnel/guard/index.js';
import { foreignRuleLine } from '../agent/foreign-rule-line.js';
import type { PlanReport } from '../agent/plan-report.js';
import type { StatusReport } from '../agent/status.js';
import { guardLines } from '../explain/guard-words.js';
import type { NodeReading } from '../explain/node-reading.js';
import type { JournalData } from '../journal/journal.js';
import type { ConfigRecord, FilterRecord, SnapshotBundle } from './bundle.js';
import { snapshotSchema } from './bundle.js';
import { keptCluster } from './cluster-shape.js';
import { withoutComments } from './config-text.js';
import { recordKernel } from './record-kernel.js';
import { withoutNotes } from './rulesets.js';

export interface TakeQuestion {
  readonly reading: NodeReading;
  readonly status: StatusReport | null;
  readonly plan: PlanReport;
  readonly journal: JournalData;
  readonly configFile: string;
  /** Of this program. */
  readonly version: string;
  readonly now: Date;
}

export async function takeSnapshot(question: TakeQuestion): Promise<SnapshotBundle> {
  const { reading, status, plan } = question;
  const { objects, ...desired } = reading.desired;
  const { kernel: state } = await reading.actual();
  return {
    schema: snapshotSchema,
    takenAt: question.now.toISOString(),
    node: reading.node,
    host: {
      selvage: question.version,
      kernelRelease: release(),
      architecture: arch(),
      nodejs: process.versions.node,
    },
    status: status && withoutQuotes(status),
    plan,
    config: await recordConfig(question.configFile),
    cluster: keptCluster(reading.snapshot.cluster),
    local: reading.snapshot.local ?? null,
    basis: reading.basis ?? null,
    freeze: reading.freeze ?? null,
    desired: { ...desired, objects: [...objects.values()] },
    kernel: await recordKernel(reading, state),
    filters: await recordFilters(reading),
    journal: question.journal,
  };
}

/** What is wrong with a file that was refused may quote what is in it. */
function withoutQuotes(status: StatusReport): StatusReport {
  const problems = status.config.problems.map((text) =>
    text.replace(/^(.*?:\d+:\d+: (?:error|warning)): .*$/s, '$1: its words are left out here'),
  );
  return { ...status, config: { ...status.config, problems } };
}

/** Only of a valid file is it known that nothing but the fields of the format is in it. */
async function recordConfig(file: string): Promise<ConfigRecord> {
  const loaded = await loadClusterFile(file);
  if (!loaded.ok) return { file, text: null, omitted: 'it is not valid' };
  const read = await readClusterBytes(file);
  if (!read.ok) return { file, text: null, omitted: 'it cannot be read' };
  const parts = splitFiles(read.bytes);
  const text =
    parts === undefined
      ? bareText(read.bytes)
      : new TextDecoder().decode(
          joinFiles(
            parts.map(({ file: part, bytes }) => ({
              file: part,
              bytes: new TextEncoder().encode(bareText(bytes)),
            })),
          ),
        );
  return { file, text, omitted: null };
}

function bareText(bytes: Uint8Array): string {
  return withoutComments(new TextDecoder().decode(bytes));
}

async function recordFilters(reading: NodeReading): Promise<FilterRecord> {
  const { filters, freeze, basis } = reading;
  const { spec } = filters;
  let problem: string | null = null;
  const guard = await filters.guard().catch((error: unknown) => {
    problem = error instanceof Error ? error.message : String(error);
    return undefined;
  });
  const rulesets = await filters.rulesets().catch(() => ({}));
  const found = judgeRulesets(spec, rulesets);
  // An agent that may write has put its own rules right before anybody could read of it.
  const tellsOwn = freeze !== undefined || basis?.kind === 'kernel';
  const own = guardLines({
    difference: guard?.ok === false ? (guard.difference ?? 'its rules') : undefined,
    problems: problem === null ? [] : [`cannot read the guard: ${String(problem)}`],
  });
  return {
    spec,
    guard: guard === undefined ? null : { ok: guard.ok, difference: guard.difference ?? null },
    problem,
    dropped: await filters.dropped().catch(() => ({})),
    rulesets: withoutNotes(rulesets, new Set(found.map(({ rule }) => rule))),
    // From the same rules that are recorded, not from an earlier look.
    notes: [...(tellsOwn ? own : []), ...found.map(foreignRuleLine)],
  };
}
