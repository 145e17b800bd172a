/**
 * The versions of the configuration, as a command looks at them: all that are kept, in one reading.
 * Agents follow the same keys by a watch instead.
 */
import type { Entry, KeyValue } from '../kv.js';
import type { FleetKeys } from './keys.js';
import type { ConfigValue } from './records.js';
import { readConfigValue } from './values.js';

export interface ConfigVersion {
  readonly number: number;
  readonly entry: Entry;
  /** Undefined: it cannot be used, `problem` says why. */
  readonly value: ConfigValue | undefined;
  readonly problem?: string;
}

export interface ConfigHistory {
  /** Oldest first. */
  readonly versions: readonly ConfigVersion[];
  /** Keys among them that are no version. */
  readonly foreign: readonly string[];
}

export async function readHistory(kv: KeyValue, keys: FleetKeys): Promise<ConfigHistory> {
  const versions: ConfigVersion[] = [];
  const foreign: string[] = [];
  for (const entry of (await kv.list(keys.configs)).entries) {
    const number = numberOf(entry.key, keys);
    if (number === undefined) {
      foreign.push(entry.key);
      continue;
    }
    const read = readConfigValue(entry);
    versions.push(
      read.ok
        ? { number, entry, value: read.value }
        : { number, entry, value: undefined, problem: read.problem },
    );
  }
  return { versions, foreign };
}

/** The one that counts, as far as can be told without reading its text. */
export function currentOf({ versions }: ConfigHistory): UsableVersion | undefined {
  return versions.findLast(isUsable);
}

export interface UsableVersion extends ConfigVersion {
  readonly value: ConfigValue;
}

export function isUsable(version: ConfigVersion): version is UsableVersion {
  return version.value !== undefined;
}

/** Of the last that was written, usable or not; 0: there is none. */
export function lastNumber({ versions }: ConfigHistory): number {
  return versions.at(-1)?.number ?? 0;
}

/** `version 3, written by anna@ops-1 at 2026-03-04T05:06:07.000Z ("more zones")` */
export function describeVersion({ number, value }: ConfigVersion): string {
  if (value === undefined) return `version ${number}, which cannot be read`;
  const message = value.message === undefined ? '' : ` ("${value.message}")`;
  return `version ${number}, written by ${value.by} at ${value.at}${message}`;
}

function numberOf(key: string, keys: FleetKeys): number | undefined {
  const number = Number(key.slice(keys.configs.length));
  return Number.isSafeInteger(number) && number > 0 && keys.config(number) === key
    ? number
    : undefined;
}
