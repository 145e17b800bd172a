/** A block as the store has it: which prefix, whose, and by which write. */
import type { Prefix } from '../../encap/prefix.js';
import { tryParsePrefix } from '../../encap/prefix.js';
import type { BlockValue } from '../store/fleet/records.js';
import { formatVersion } from '../store/fleet/records.js';
import { readBlockValue } from '../store/fleet/values.js';
import type { Entry } from '../store/kv.js';

export interface Block {
  readonly key: string;
  readonly prefix: Prefix;
  readonly node: string;
  /** When it was given. */
  readonly at: string;
  readonly createRevision: number;
  readonly modRevision: number;
}

/** The block, or a sentence about why it is none; `folder` is where all blocks are. */
export function readBlock(entry: Entry, folder: string): Block | string {
  const { key, createRevision, modRevision } = entry;
  const prefix = tryParsePrefix(key.slice(folder.length).replace('_', '/'));
  if (typeof prefix === 'string') return `${key}: the key names no prefix`;
  const read = readBlockValue(entry);
  if (!read.ok) return `${key}: ${read.problem}`;
  const { node, at } = read.value;
  return { key, prefix, node, at, createRevision, modRevision };
}

export function blockText(node: string, at: Date): string {
  const value: BlockValue = { version: formatVersion, node, at: at.toISOString() };
  return JSON.stringify(value);
}

/** The block's value with these addresses in place of those that it had; fields of others stay. */
export function withAddresses(value: string, addresses: readonly string[]): string {
  return JSON.stringify({ ...(JSON.parse(value) as object), addresses });
}
