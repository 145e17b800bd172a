/** Reads a cluster file, or a directory of them, for `validate`: what is wrong with it, and what it describes. */
import type { Problem } from '../config/index.js';
import { parseClusterFile } from '../config/index.js';
import { splitFiles } from '../config/file-set.js';
import type { Members } from '../config/parse.js';
import { cannotOpen, readClusterBytes } from '../config/load.js';
import { unableFailure } from './failure.js';

export interface ValidateReport {
  readonly schema: 'selvage.validate/1';
  readonly file: string;
  readonly valid: boolean;
  readonly problems: readonly Problem[];
  /** What the file describes; null when it is not valid. */
  readonly cluster: {
    readonly name: string;
    readonly nodes: number;
    readonly zones: number;
    readonly links: number;
    readonly rules: number;
    readonly pools: readonly string[];
  } | null;
}

export interface Validated {
  readonly report: ValidateReport;
  /** The texts by file, for excerpts. */
  readonly sources: ReadonlyMap<string, string>;
}

export async function validateFile(
  file: string,
  options: { readonly members?: Members } = {},
): Promise<Validated> {
  const read = await readClusterBytes(file);
  const [missing] = read.ok ? [] : read.problems;
  if (missing !== undefined && cannotOpen.includes(missing.code))
    throw unableFailure(`cannot read ${file}: ${missing.message}; ${missing.remedy}`);
  const result = read.ok ? parseClusterFile({ text: read.bytes, file, ...options }) : read;
  const cluster = result.ok ? result.cluster : undefined;
  return {
    sources: read.ok ? textsOf(file, read.bytes) : new Map(),
    report: {
      schema: 'selvage.validate/1',
      file,
      valid: result.ok,
      problems: result.ok ? result.warnings : result.problems,
      cluster:
        cluster === undefined
          ? null
          : {
              name: cluster.name,
              nodes: cluster.nodes.size,
              zones: cluster.zones.size,
              links: cluster.links.length,
              rules: cluster.rules.length,
              pools: cluster.pools.map((pool) => pool.text),
            },
    },
  };
}

function textsOf(file: string, bytes: Uint8Array): ReadonlyMap<string, string> {
  const parts = splitFiles(bytes) ?? [{ file, bytes }];
  return new Map(parts.map((part) => [part.file, new TextDecoder().decode(part.bytes)]));
}
