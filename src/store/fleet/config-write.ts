/**
 * Writes a version of the configuration. Its key is made, which succeeds for one writer only: whoever
 * had the same version before him and comes second gets a conflict. Nothing that was written is
 * ever changed.
 */
import type { KeyValue } from '../kv.js';
import {
  type ConfigHistory,
  type ConfigVersion,
  isUsable,
  lastNumber,
  readHistory,
} from './config-history.js';
import type { FleetKeys } from './keys.js';
import { type ConfigValue, formatVersion } from './records.js';

export interface ConfigDraft {
  readonly text: string;
  /** User and host. */
  readonly by: string;
  readonly at: Date;
  readonly message?: string | undefined;
  /** Of a change that is led in phases. */
  readonly changeover?: ConfigValue['changeover'];
}

export type ConfigWritten =
  | {
      readonly kind: 'written';
      readonly number: number;
      /** Old versions that were removed for it. */
      readonly pruned: readonly number[];
    }
  /** Somebody wrote this one since. */
  | { readonly kind: 'conflict'; readonly other: ConfigVersion | undefined };

export interface ConfigTarget {
  readonly kv: KeyValue;
  readonly keys: FleetKeys;
}

/**
 * Versions that are kept: a change every working day for four months. A hundred texts of the size of
 * a site's file (20 KB) are 2 MB of the 2 GB that etcd holds.
 */
export const keptVersions = 100;

/**
 * What one value may have, in bytes: etcd refuses requests of more than 1.5 MiB, and the key and the
 * request around it take a little. That is a text of about 10,000 nodes.
 */
export const maxValueBytes = 1_500_000;

/** `base`: the history that the draft was made from. */
export async function writeVersion(
  { kv, keys }: ConfigTarget,
  { base, draft }: { readonly base: ConfigHistory; readonly draft: ConfigDraft },
): Promise<ConfigWritten> {
  const number = lastNumber(base) + 1;
  const value = configValue(base, draft);
  const result = await kv.put(keys.config(number), value, { ifRevision: 0 });
  // An answer that was lost on its way, and the same request once more: then it is our own.
  if (result.kind === 'conflict' && result.entry?.value !== value)
    return { kind: 'conflict', other: await newest({ kv, keys }) };
  const history = await readHistory(kv, keys);
  const own = history.versions.find((version) => version.number === number);
  const last = history.versions.at(-1);
  if (
    own !== undefined &&
    last !== undefined &&
    last.number > number &&
    isBehind(history, number)
  ) {
    await kv.delete(own.entry.key, { ifRevision: own.entry.modRevision });
    return { kind: 'conflict', other: last };
  }
  return { kind: 'written', number, pruned: await prune(kv, history) };
}

/** The text as a value: what later releases have added to the version before is carried on. */
export function configValue(base: ConfigHistory, draft: ConfigDraft): string {
  const { text, by, at, message, changeover } = draft;
  const value: ConfigValue = {
    ...unknownFields(base.versions.findLast(isUsable)?.value),
    version: formatVersion,
    text,
    at: at.toISOString(),
    by,
    ...(message === undefined ? {} : { message }),
    ...(changeover === undefined ? {} : { changeover }),
  };
  return JSON.stringify(value);
}

const knownFields = ['version', 'text', 'at', 'by', 'message', 'changeover'];

function unknownFields(value: ConfigValue | undefined): object {
  return Object.fromEntries(
    Object.entries(value ?? {}).filter(([name]) => !knownFields.includes(name)),
  );
}

/**
 * Was the key made below versions that exist already? That takes a writer that was away while a
 * hundred others wrote, so that the number which he knew to be the next was pruned.
 */
function isBehind({ versions }: ConfigHistory, number: number): boolean {
  const own = versions.find((version) => version.number === number);
  const { createRevision = 0 } = own?.entry ?? {};
  return versions.some(
    (other) => other.number > number && other.entry.createRevision < createRevision,
  );
}

async function newest({ kv, keys }: ConfigTarget): Promise<ConfigVersion | undefined> {
  return (await readHistory(kv, keys)).versions.at(-1);
}

/** Removes what is older than the last hundred; what another writer has touched meanwhile stays. */
async function prune(kv: KeyValue, history: ConfigHistory): Promise<readonly number[]> {
  const { versions } = history;
  const kept = versions.slice(-keptVersions);
  const referred = new Set(kept.flatMap(({ value }) => value?.changeover?.from ?? []));
  const current = versions.findLast(isUsable);
  const pruned: number[] = [];
  for (const version of versions.slice(0, -keptVersions)) {
    if (referred.has(version.number) || version === current) continue;
    const { key, modRevision } = version.entry;
    const result = await kv.delete(key, { ifRevision: modRevision });
    if (result.kind === 'written') pruned.push(version.number);
  }
  return pruned;
}
