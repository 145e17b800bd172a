/**
 * The file of the last good cluster: two lines, a header and the cluster, both JSON.
 *
 *     {"format":"selvage.last-good","version":1,"savedAt":"…","source":"/etc/…","sha256":"…"}
 *     {"name":"…","revision":7,…}
 *
 * The checksum is over the bytes of the second line. The file is replaced by a rename, after both
 * it and its directory have reached the disk; readers see the old one or the new one. A later
 * version must go on reading version 1 (test/golden/last-good-1.json).
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as otherWork } from 'node:timers/promises';
import type { Cluster } from '../../encap/cluster.js';
import { clusterFromJson, clusterJsonPieces } from './cluster-json.js';

export interface SavedCluster {
  readonly cluster: Cluster;
  readonly savedAt: Date;
  /** Name of the store it came from. */
  readonly source: string;
}

export type ReadResult =
  | { readonly kind: 'found'; readonly saved: SavedCluster }
  | { readonly kind: 'none' }
  /** There is a file, and it must not be used; one line says why and what to do. */
  | { readonly kind: 'refused'; readonly problem: string };

const format = 'selvage.last-good';
const currentVersion = 1;

export async function writeLastGood(path: string, saved: SavedCluster): Promise<void> {
  const { pieces, sha256 } = await encoded(saved.cluster);
  const header = JSON.stringify({
    format,
    version: currentVersion,
    savedAt: saved.savedAt.toISOString(),
    source: saved.source,
    sha256,
  });
  const directory = dirname(path);
  const temporary = `${path}.tmp`;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  try {
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
    const file = await open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(`${header}\n`);
      for (const piece of pieces) await file.writeFile(piece);
      await file.writeFile('\n');
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // On a full disk the half of a file would be in the way of the next try.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  const folder = await open(directory, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export async function readLastGood(
  path: string,
  options: { readonly source: string },
): Promise<ReadResult> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? { kind: 'none' } : refused(path, `it cannot be read: ${message}`);
  }
  const [headerText = '', body = '', ...rest] = text.split('\n');
  const header = parseHeader(headerText);
  if (header === undefined) return refused(path, 'its first line is not a header of ours');
  if (header.version !== currentVersion)
    return refused(
      path,
      `it is of format version ${header.version}, and this release reads ${currentVersion}`,
    );
  if (header.source !== options.source)
    return refused(path, `it was taken from ${header.source}, not from ${options.source}`);
  if (rest.join('') !== '' || digestOf(body) !== header.sha256)
    return refused(path, 'its checksum is wrong: it is damaged or was edited');
  try {
    const cluster = clusterFromJson(body);
    return { kind: 'found', saved: { cluster, savedAt: header.savedAt, source: header.source } };
  } catch (error) {
    return refused(path, `its content cannot be used: ${(error as Error).message}`);
  }
}

interface Header {
  readonly version: number;
  readonly savedAt: Date;
  readonly source: string;
  readonly sha256: string;
}

/** In breaths: ten thousand nodes take long enough for a packet's worth of events to wait. */
async function encoded(
  cluster: Cluster,
): Promise<{ readonly pieces: readonly string[]; readonly sha256: string }> {
  const hash = createHash('sha256');
  const pieces: string[] = [];
  for (const piece of clusterJsonPieces(cluster)) {
    hash.update(piece);
    pieces.push(piece);
    await otherWork();
  }
  return { pieces, sha256: hash.digest('hex') };
}

function parseHeader(text: string): Header | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { format: name, version, savedAt, source, sha256 } = value as Record<string, unknown>;
  if (name !== format || typeof version !== 'number') return undefined;
  if (typeof savedAt !== 'string' || Number.isNaN(Date.parse(savedAt))) return undefined;
  if (typeof source !== 'string' || typeof sha256 !== 'string') return undefined;
  return { version, savedAt: new Date(savedAt), source, sha256 };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function refused(path: string, why: string): ReadResult {
  return {
    kind: 'refused',
    problem: `the last good configuration in ${path} is not used: ${why}; mend the store, or remove that file`,
  };
}
