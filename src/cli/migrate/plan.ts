/**
 * From what is asked to what is led: a change that begins, one that goes on, or the way back. What a
 * change would do is judged as for `config set`, before anything is written.
 */
import { readClusterFile } from '../../config/reader.js';
import type { Draft, Migration } from '../../migrate/migration.js';
import { backwards, firstPhase, isUnderWay, migrationOf } from '../../migrate/migration.js';
import { movedNodes } from '../../migrate/moved-nodes.js';
import type { FirstStep } from '../../migrate/lead.js';
import type { ConfigHistory, UsableVersion } from '../../store/fleet/config-history.js';
import { lastNumber, readHistory } from '../../store/fleet/config-history.js';
import type { ConfigTarget } from '../../store/fleet/config-write.js';
import { writeVersion } from '../../store/fleet/config-write.js';
import { unableFailure } from '../failure.js';
import type { ConfigChangeReport } from '../fleet-config/propose.js';
import { propose } from '../fleet-config/propose.js';
import { requireVersion, writer } from '../fleet-config/store.js';
import { remark } from '../output.js';

/** A text with a name for messages. */
export interface NamedText {
  readonly text: string;
  readonly name: string;
}

export type Plan =
  | { readonly kind: 'lead'; readonly text: string; readonly begin?: FirstStep }
  /** Told and not led: it is not valid, or would cut somebody off. */
  | { readonly kind: 'judged'; readonly report: ConfigChangeReport; readonly text: string };

export interface BeginOptions {
  readonly message?: string | undefined;
  readonly forceChange: boolean;
  /** Told what the change would do. */
  readonly onJudged: (report: ConfigChangeReport, text: string) => Promise<void>;
}

export async function planBegin(
  target: ConfigTarget,
  next: NamedText,
  options: BeginOptions,
): Promise<Plan> {
  const history = await readHistory(target.kv, target.keys);
  const current = requireVersion(history, undefined);
  const migration = migrationOf(history);
  if (migration?.text === next.text && !migration.isRollback) {
    if (isUnderWay(migration)) remark(`going on with ${described(migration)}`);
    return { kind: 'lead', text: next.text };
  }
  refuseUnfinished(migration);
  const { text } = next;
  const draft = {
    ...firstPhase(current, { text, message: options.message }),
    ...{ by: writer(), at: new Date() },
  };
  const base = lastNumber(history);
  const report = await propose(target, {
    proposal: { ...draft, file: next.name, ifVersion: base },
    flags: { forceChange: options.forceChange, dryRun: true },
  });
  if (report.outcome !== 'would-write') return { kind: 'judged', report, text };
  await refuseMoved(current, next);
  await options.onJudged(report, text);
  const write = () => writeVersion(target, { base: history, draft });
  return { kind: 'lead', text, begin: { base, write } };
}

export async function planResume(target: ConfigTarget): Promise<Plan> {
  const migration = migrationOf(await readHistory(target.kv, target.keys));
  if (migration === undefined) throw unableFailure(nothing('resume'));
  if (isUnderWay(migration)) remark(`going on with ${described(migration)}`);
  return { kind: 'lead', text: migration.text };
}

export async function planRollback(target: ConfigTarget): Promise<Plan> {
  const history = await readHistory(target.kv, target.keys);
  const migration = migrationOf(history);
  if (migration?.isRollback === true) {
    if (isUnderWay(migration)) remark(`going on with ${described(migration)}`);
    return { kind: 'lead', text: migration.text };
  }
  if (!isUnderWay(migration)) throw unableFailure(nothing('roll back'));
  const draft = backwards(history, migration);
  if (draft === undefined)
    throw unableFailure(
      `cannot go back: version ${migration.from} is not in the store any more; lead the change to an end with --resume`,
    );
  await write(target, history, draft);
  return { kind: 'lead', text: draft.text };
}

async function write(target: ConfigTarget, base: ConfigHistory, draft: Draft): Promise<void> {
  const written = await writeVersion(target, {
    base,
    draft: { ...draft, by: writer(), at: new Date() },
  });
  if (written.kind === 'conflict')
    throw unableFailure(
      `cannot go back: version ${written.other?.number ?? '?'} was written meanwhile; look with "selvage migrate" and try again`,
    );
}

function nothing(what: string): string {
  return `there is nothing to ${what}: no change is being led; begin one with "selvage migrate FILE", or go to an earlier configuration with "selvage migrate --to-version N"`;
}

function refuseUnfinished(migration: Migration | undefined): void {
  if (!isUnderWay(migration)) return;
  throw unableFailure(
    `cannot begin another change: ${described(migration)} is not finished; go on with "selvage migrate --resume"${migration.isRollback ? '' : ', or take it back with "selvage migrate --rollback"'}`,
  );
}

function described({ isRollback, from, version, phase, by }: Migration): string {
  return `${isRollback ? 'the way back' : 'the change'} from version ${from} (now version ${version}, phase ${phase}, by ${by})`;
}

/** Phases speak of rules and segments; where a node is must be known before anybody sends there. */
async function refuseMoved(current: UsableVersion, next: NamedText): Promise<void> {
  const [old, fresh] = await Promise.all([
    clusterOf(current.value.text, `version ${current.number}`),
    clusterOf(next.text, next.name),
  ]);
  if (old === undefined || fresh === undefined)
    throw unableFailure(
      `cannot lead a change from version ${current.number}: this release does not accept its text; write a good one with "selvage config set" first`,
    );
  const moved = movedNodes(old, fresh);
  if (moved.length > 0)
    throw unableFailure(
      `cannot lead this change: it also gives other addresses to nodes that the configuration lists (${moved.join(', ')}); change those first with "selvage config set"`,
    );
}

async function clusterOf(text: string, file: string) {
  const bytes = Buffer.from(text, 'utf8');
  const read = await readClusterFile({ bytes, file, members: 'registering' });
  return read.ok ? read.cluster : undefined;
}
