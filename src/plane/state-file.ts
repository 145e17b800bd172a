/**
 * The plane's last configuration, beside its socket, so that a restarted plane forwards again
 * before any agent speaks to it. Written whole to a second name and renamed: a reader finds the old
 * one or the new one.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { PlaneSpec } from '../../tunnel/userspace/plane.js';
import { specFromJson, specToJson } from '../../tunnel/userspace/spec-json.js';

const formatVersion = 1;

export function stateFileOf(socketPath: string): string {
  return `${socketPath}.state.json`;
}

/** Undefined when there is none; throws when there is one that cannot be used. */
export function loadState(path: string): PlaneSpec | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const state = JSON.parse(text) as { version?: unknown; spec?: unknown };
  if (state.version !== formatVersion)
    throw new Error(
      `state file ${path} has version ${String(state.version)}, not ${formatVersion}`,
    );
  return specFromJson(state.spec);
}

export function saveState(path: string, spec: PlaneSpec): void {
  const next = `${path}.next`;
  const text = JSON.stringify({ version: formatVersion, spec: specToJson(spec) });
  writeFileSync(next, `${text}\n`, { mode: 0o600 });
  renameSync(next, path);
}

export function removeState(path: string): void {
  rmSync(path, { force: true });
}
