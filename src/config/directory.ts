/**
 * A directory of cluster files: which of its entries are read, and in which order.
 *
 * Read are the files whose names end in `.yaml`, in the order of the names' bytes. Not read are
 * hidden files (editors' locks and swap files, Kubernetes' `..data`), what ends in anything else
 * (`a.yaml~`, `a.yaml.bak`, `a.yaml.dpkg-old`, a README), and sub-directories. A name in `.yml`
 * looks as if it were meant, so it is an error and not one more thing that is passed over.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

export interface DirectoryEntries {
  /** Paths of what is read, in order. */
  readonly files: readonly string[];
  /** Paths of what is probably named wrongly. */
  readonly misnamed: readonly string[];
}

export async function directoryEntries(directory: string): Promise<DirectoryEntries> {
  const names = (await readdir(directory)).filter((name) => !name.startsWith('.')).sort(byBytes);
  const ending = (pattern: RegExp): readonly string[] =>
    names.filter((name) => pattern.test(name)).map((name) => join(directory, name));
  return { files: ending(/\.yaml$/), misnamed: ending(/\.(?:yml|YAML|YML)$/) };
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
