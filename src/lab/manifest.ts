/**
 * What a lab consists of, written down before any of it exists: whoever finds the manifest, also
 * after a crash half-way, can remove all of the lab and nothing else.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Switches } from '../../encap/cluster.js';
import { LabError, type LabPaths, defaultStateRoot, labPaths } from './names.js';
import type { ProcessRecord } from './processes.js';

const schema = 'selvage.lab/1';

export interface Manifest {
  readonly schema: typeof schema;
  readonly lab: string;
  /** Absolute path of the cluster file that the agents read. */
  readonly configFile: string;
  /** `building` until `lab up` has finished. */
  readonly state: 'building' | 'up';
  readonly createdAt: string;
  /** Of the topology, to notice a file whose nodes have changed since. */
  readonly topologyHash: string;
  readonly blackHoles: 'all' | readonly (readonly [string, string])[];
  readonly namespaces: readonly string[];
  readonly processes: readonly ProcessRecord[];
  /** Absent: the agents read the file. */
  readonly store?: 'etcd';
  /** What was set of a node's NIC since it was built, by node name. */
  readonly switches?: Readonly<Record<string, Switches>>;
}

export function newManifest(
  fields: Omit<Manifest, 'schema' | 'state' | 'createdAt' | 'processes'>,
): Manifest {
  return {
    schema,
    ...fields,
    state: 'building',
    createdAt: new Date().toISOString(),
    processes: [],
  };
}

/** Replaces the file in one step: a reader never sees half of it. */
export function writeManifest(paths: LabPaths, manifest: Manifest): void {
  mkdirSync(dirname(paths.manifest), { recursive: true, mode: 0o700 });
  const next = `${paths.manifest}.${process.pid}`;
  writeFileSync(next, `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(next, paths.manifest);
}

/** Undefined when there is no such lab. */
export function readManifest(paths: LabPaths): Manifest | undefined {
  let text: string;
  try {
    text = readFileSync(paths.manifest, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const found = JSON.parse(text) as { readonly schema?: unknown };
  if (found.schema !== schema)
    throw new LabError(
      `cannot use ${paths.manifest}: its schema is "${String(found.schema)}", this version ` +
        `reads "${schema}"; remove that lab with the version that built it`,
    );
  return found as Manifest;
}

/** The manifest, or an error that says which labs there are. */
export function requireManifest(paths: LabPaths, lab: string, stateRoot?: string): Manifest {
  const manifest = readManifest(paths);
  if (manifest !== undefined) return manifest;
  const others = listLabs(stateRoot);
  throw new LabError(
    `there is no lab "${lab}"; ` +
      (others.length === 0 ? 'build one with "selvage lab up"' : `there is ${others.join(', ')}`),
  );
}

export function listLabs(stateRoot: string = defaultStateRoot): readonly string[] {
  return foldersOf(stateRoot)
    .filter((name) => readManifest(labPaths(name, stateRoot)) !== undefined)
    .sort();
}

/** No folder, no labs; a folder that may not be read is another matter, and an error. */
function foldersOf(stateRoot: string): readonly string[] {
  try {
    return readdirSync(stateRoot, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
