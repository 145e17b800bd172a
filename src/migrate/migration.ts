/**
 * A change that is led through the fleet, as the versions of the configuration tell it. Nothing else
 * is kept of it anywhere, so whoever leads it may be killed, and anybody may go on:
 *
 *     version  phase    from  packets are
 *          41                 the configuration before
 *          42  prepare    41  received by 41 and 42, sent by 41
 *          43  switch     41  received by both, sent by 43 (the text of 42)
 *          44  settled    41  received and sent by 44 (the same text)
 *
 * Taken back half-way, the text of 41 becomes the next version, in its phase `switch`: all nodes that
 * may be sent to by the text of 42 had said that they receive by both, and go on doing so.
 */
import type { ConfigHistory, UsableVersion } from '../store/fleet/config-history.js';
import { currentOf, isUsable } from '../store/fleet/config-history.js';
import type { ConfigDraft } from '../store/fleet/config-write.js';

export type Phase = 'prepare' | 'switch' | 'settled';

export interface Migration {
  readonly phase: Phase;
  /** Number of the version that is its phase. */
  readonly version: number;
  /** Number of the version that it replaces. */
  readonly from: number;
  /** Of the configuration that it leads to. */
  readonly text: string;
  /** What it replaces had been begun and was given up. */
  readonly isRollback: boolean;
  /** Of whoever wrote the phase. */
  readonly by: string;
  readonly at: string;
  readonly message: string | undefined;
}

/** The change whose last phase is what counts now; undefined: what counts was not led. */
export function migrationOf(history: ConfigHistory): Migration | undefined {
  const current = currentOf(history);
  const changeover = current?.value.changeover;
  if (current === undefined || changeover === undefined) return undefined;
  const { text, by, at, message } = current.value;
  const { phase, from } = changeover;
  return {
    ...{ phase, from, text, by, at, message },
    version: current.number,
    isRollback: isUnfinished(versionOf(history, from)),
  };
}

/** Is there something to resume or to take back? */
export function isUnderWay(migration: Migration | undefined): migration is Migration {
  return migration !== undefined && migration.phase !== 'settled';
}

export function versionOf(history: ConfigHistory, number: number): UsableVersion | undefined {
  return history.versions.filter(isUsable).find((version) => version.number === number);
}

function isUnfinished(version: UsableVersion | undefined): boolean {
  const phase = version?.value.changeover?.phase;
  return phase === 'prepare' || phase === 'switch';
}

export type Draft = Pick<ConfigDraft, 'text' | 'changeover' | 'message'>;

export function firstPhase(
  current: UsableVersion,
  next: { readonly text: string; readonly message?: string | undefined },
): Draft {
  return { ...next, changeover: { phase: 'prepare', from: current.number } };
}

/** Undefined after the last. */
export function nextPhase({ phase, text, from, message }: Migration): Draft | undefined {
  switch (phase) {
    case 'prepare':
      return { text, message, changeover: { phase: 'switch', from } };
    case 'switch':
      return { text, message, changeover: { phase: 'settled', from } };
    case 'settled':
      return undefined;
  }
}

/** Undefined: the version that it goes back to is not there any more. */
export function backwards(history: ConfigHistory, migration: Migration): Draft | undefined {
  const before = versionOf(history, migration.from);
  if (before === undefined) return undefined;
  return {
    text: before.value.text,
    message: `back to version ${before.number}`,
    changeover: { phase: 'switch', from: migration.version },
  };
}
