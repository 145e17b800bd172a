/**
 * Bundles on disk: gzipped JSON, for their owner only. Addresses and maps are written as the last
 * good cluster is (store/cluster-json.ts).
 */
import { constants } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Cluster } from '../../encap/cluster.js';
import { clusterFromJson, modelFromPlain, modelToPlain } from '../store/cluster-json.js';
import type { SnapshotBundle } from './bundle.js';
import { snapshotSchema } from './bundle.js';

/** The file is no bundle, or not one that this release reads. */
export class SnapshotError extends Error {}

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** More than ten thousand nodes need; a small file may pretend to hold anything. */
const maxBundleBytes = 1024 ** 3;

/** As it crosses the control socket and lies in the file. */
export function bundleToPlain(bundle: SnapshotBundle): unknown {
  const { cluster, ...rest } = bundle;
  return modelToPlain({ ...rest, cluster: { ...cluster, nodes: tableOf(cluster) } });
}

function tableOf(cluster: Cluster): unknown {
  return { $nodes: [...cluster.nodes.values()] };
}

/** Throws `SnapshotError`. */
export function bundleFromPlain(value: unknown, from: string): SnapshotBundle {
  const schema = (value as { schema?: unknown } | null)?.schema;
  if (schema !== snapshotSchema)
    throw new SnapshotError(
      typeof schema === 'string' && schema.startsWith('selvage.snapshot/')
        ? `${from} is a snapshot of format ${schema}, and this release reads ${snapshotSchema}: use the release that took it`
        : `${from} is no snapshot: "selvage snapshot -o FILE" makes one`,
    );
  try {
    const { cluster, ...rest } = value as Record<string, unknown>;
    const bundle = modelFromPlain(rest) as SnapshotBundle;
    for (const part of parts)
      if (bundle[part] === undefined) throw new TypeError(`"${part}" is missing`);
    return { ...bundle, cluster: clusterFromJson(JSON.stringify(cluster)) };
  } catch (error) {
    throw new SnapshotError(`${from} cannot be used: ${(error as Error).message}`);
  }
}

const parts = ['node', 'takenAt', 'plan', 'desired', 'kernel', 'filters', 'journal'] as const;

/** Whole or not at all; `plain` is what `bundleToPlain` makes. */
export async function writeSnapshot(path: string, plain: unknown): Promise<void> {
  const bytes = await compress(JSON.stringify(plain));
  const temporary = `${path}.tmp-${process.pid}`;
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  try {
    const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Throws `SnapshotError`, or what the operating system says. */
export async function readSnapshot(path: string): Promise<SnapshotBundle> {
  const bytes = await readFile(path);
  let value: unknown;
  try {
    const text = await decompress(bytes, { maxOutputLength: maxBundleBytes });
    value = JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw new SnapshotError(
      `${path} is no snapshot, or a damaged one: ${(error as Error).message}`,
    );
  }
  return bundleFromPlain(value, path);
}
