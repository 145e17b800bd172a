/**
 * Where the repository is. Tests run from their sources (`tsx`) and from `dist/test` alike, so data
 * files are found from the root and never relative to the file that asks.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json in ${from} or above it`);
  }
}

/** The folder that holds package.json, absolute. */
export const root = findRoot(dirname(fileURLToPath(import.meta.url)));

/** A file of the repository by its path from the root. */
export function fromRoot(...parts: string[]): string {
  return join(root, ...parts);
}
