/** The package that this program is part of, found from the sources and from `dist/` alike. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface PackageInfo {
  readonly name: string;
  readonly version: string;
  /** Absolute path of the folder that holds package.json. */
  readonly root: string;
}

export function packageInfo(): PackageInfo {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const text = readIfThere(join(folder, 'package.json'));
    if (text !== undefined) {
      const { name, version } = JSON.parse(text) as { name: string; version: string };
      return { name, version, root: folder };
    }
    if (folder === dirname(folder)) throw new Error('no package.json above the program');
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
