/** The store of a fleet for one command about its configuration. */
import { hostname, userInfo } from 'node:os';
import {
  type ConfigHistory,
  type UsableVersion,
  currentOf,
  describeVersion,
  isUsable,
} from '../../store/fleet/config-history.js';
import type { ConfigTarget } from '../../store/fleet/config-write.js';
import { fleetKeys } from '../../store/fleet/keys.js';
import { unableFailure, usageFailure } from '../failure.js';
import { type StoreFlags, requireStore, withStore } from '../store-options.js';

export async function withConfigStore<T>(
  flags: StoreFlags,
  use: (target: ConfigTarget) => Promise<T>,
): Promise<T> {
  const request = await requireStore(flags);
  return withStore(request, (kv, { cluster }) => use({ kv, keys: fleetKeys(cluster) }));
}

/** `anna@ops-1`; who became root by sudo is named, not root. */
export function writer(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const sudo = env['SUDO_USER'] ?? '';
  return `${sudo === '' ? userName() : sudo}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the system's list, as in many containers.
    return String(process.getuid?.() ?? 'unknown');
  }
}

/** The version that was asked for, or the one that counts. */
export function requireVersion(history: ConfigHistory, number: number | undefined): UsableVersion {
  const { versions } = history;
  if (number === undefined) {
    const current = currentOf(history);
    if (current !== undefined) return current;
    throw unableFailure(
      versions.length === 0
        ? 'the store has no configuration of this cluster yet; make one with "selvage config set FILE"'
        : `none of the ${versions.length} versions in the store can be used: ${versions.at(-1)!.problem}; write one with "selvage config set FILE"`,
    );
  }
  const found = versions.find((version) => version.number === number);
  if (found === undefined) throw usageFailure(noSuchVersion(history, number));
  if (!isUsable(found)) throw unableFailure(`${describeVersion(found)}: ${found.problem}`);
  return found;
}

/** The last usable one before a version that says anything else: phases of a change repeat a text. */
export function versionBefore(
  { versions }: ConfigHistory,
  { number, value }: UsableVersion,
): UsableVersion {
  const before = versions
    .filter(isUsable)
    .findLast((version) => version.number < number && version.value.text !== value.text);
  if (before !== undefined) return before;
  throw usageFailure(`there is no version before ${number} that says anything else`);
}

function noSuchVersion({ versions }: ConfigHistory, number: number): string {
  const [first, last] = [versions[0], versions.at(-1)];
  if (first === undefined || last === undefined)
    return `there is no version ${number}: the store has no configuration of this cluster yet`;
  return `there is no version ${number}: the store has ${first.number} to ${last.number}; "selvage config history" lists them`;
}
