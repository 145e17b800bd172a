/**
 * Takes a lab down: its processes, its namespaces (and with them every device, route and filter),
 * its files. Works on what a crash has left just as well, because it goes by the manifest.
 */
import { existsSync, rmSync } from 'node:fs';
import { type LabPaths, labPaths } from './names.js';
import { type Manifest, requireManifest } from './manifest.js';
import { type ProcessRecord, isRunning, processesIn, stopProcesses } from './processes.js';
import { ipBatch } from './shell.js';

export interface DownResult {
  readonly lab: string;
  readonly namespaces: number;
  readonly processes: number;
}

export async function labDown(
  lab: string,
  options: { readonly stateRoot?: string } = {},
): Promise<DownResult> {
  const paths = labPaths(lab, options.stateRoot);
  return removeLab(paths, requireManifest(paths, lab, options.stateRoot));
}

export async function removeLab(paths: LabPaths, manifest: Manifest): Promise<DownResult> {
  const stopped = new Set<number>();
  // Again until none is left: an agent that sees its data plane end starts the next one before it
  // ends itself, and that one would run on in a namespace without a name.
  for (let records = inside(manifest); records.length > 0; records = inside(manifest)) {
    for (const record of records) stopped.add(record.pid);
    await stopProcesses(records);
  }
  const namespaces = manifest.namespaces.filter((name) => existsSync(`/run/netns/${name}`));
  await ipBatch(namespaces.map((name) => `netns delete ${name}`));
  rmSync(paths.folder, { recursive: true, force: true });
  return { lab: manifest.lab, namespaces: namespaces.length, processes: stopped.size };
}

function inside(manifest: Manifest): readonly ProcessRecord[] {
  const found = processesIn(manifest.namespaces);
  const known = new Set(found.map((record) => record.pid));
  return [
    ...found,
    ...manifest.processes.filter((record) => !known.has(record.pid) && isRunning(record)),
  ];
}
