/**
 * How the overlay's pools are cut into blocks for nodes that join: ranges inside the pools, each
 * with the size of its blocks and the zones that it is for. A zone with a range of its own is
 * reached by a few wide prefixes, whatever the order in which its nodes came.
 */
import type { Zone } from '../../encap/cluster.js';
import { type Prefix, comparePrefixes, prefixCovers, prefixesOverlap } from '../../encap/prefix.js';
import { isFault, readPrefix } from './address-text.js';
import { type PlacedPrefix, enumerate, items } from './draft.js';
import { defaultBlockLength, namedItems } from './limits.js';
import type { Path } from './problem.js';
import type { References } from './references.js';
import type { Report } from './report.js';
import type { OverlayEntry } from './overlay-schema.js';

/** A part of a pool that blocks are taken from. */
export interface BlockRange {
  readonly within: Prefix;
  /** Of a block, in bits. */
  readonly length: number;
  /** Undefined: for every zone that no range of this family names. */
  readonly zones: readonly Zone['name'][] | undefined;
}

interface Pools {
  readonly list: readonly PlacedPrefix[];
  readonly complete: boolean;
}

interface Context {
  readonly pools: Pools;
  readonly references: References;
  readonly report: Report;
}

export function readBlocks(
  written: OverlayEntry['blocks'],
  context: Context,
): readonly BlockRange[] {
  const { pools, report } = context;
  const placed: { readonly range: BlockRange; readonly path: Path }[] = [];
  for (const [entry, path] of items(written, ['overlay', 'blocks'])) {
    const range = readRange(entry, { ...context, path });
    if (range === undefined) continue;
    const other = placed.find((before) => prefixesOverlap(before.range.within, range.within));
    if (other === undefined) placed.push({ range, path });
    else
      report.add({
        code: 'range-overlap',
        path: [...path, 'within'],
        value: range.within.text,
        message: `the range overlaps ${other.range.within.text} (${report.lineOf(other.path)})`,
        remedy: 'an address belongs to one range: separate them, or give one range both zones',
      });
  }
  const ranges = placed.map(({ range }) => range);
  const whole = pools.list.flatMap(({ prefix }) => wholePool(prefix, ranges));
  return Object.freeze([...ranges, ...whole].sort((a, b) => comparePrefixes(a.within, b.within)));
}

/** A pool of which nothing is said is cut up for everybody. */
function wholePool(pool: Prefix, ranges: readonly BlockRange[]): BlockRange[] {
  const length = defaultBlockLength[pool.family];
  if (pool.length > length || ranges.some(({ within }) => prefixCovers(pool, within))) return [];
  return [Object.freeze({ within: pool, length, zones: undefined })];
}

type RangeEntry = Extract<OverlayEntry['blocks'], readonly unknown[]>[number];

function readRange(
  entry: RangeEntry,
  { pools, references, report, path }: Context & { readonly path: Path },
): BlockRange | undefined {
  const within = readPrefix(entry.within);
  const zones = items(entry.zones, [...path, 'zones']);
  for (const [zone, place] of zones) references.zone(zone, place);
  if (isFault(within)) {
    report.add({ ...within, path: [...path, 'within'], value: entry.within });
    return undefined;
  }
  if (!pools.list.some(({ prefix }) => prefixCovers(prefix, within)) && pools.complete) {
    const known = enumerate(
      pools.list.map(({ prefix }) => prefix.text),
      namedItems,
    );
    report.add({
      code: 'range-outside-pools',
      path: [...path, 'within'],
      value: within.text,
      message: `the range lies in no pool${known === '' ? '' : `: ${known}`}`,
      remedy: 'take it from a pool, or write the pool below "overlay: pools:"',
    });
    return undefined;
  }
  const length = entry.size ?? defaultBlockLength[within.family];
  if (length < within.length || length > 8 * within.bytes.length) {
    report.add({
      code: 'range-too-small',
      path: [...path, entry.size === undefined ? 'within' : 'size'],
      value: entry.size === undefined ? within.text : String(entry.size),
      message: `no block of /${length} fits into ${within.text}`,
      remedy: `write a size from ${within.length} to ${8 * within.bytes.length}, the length of each node's prefix`,
    });
    return undefined;
  }
  return Object.freeze({
    within,
    length,
    zones: zones.length === 0 ? undefined : Object.freeze(zones.map(([zone]) => zone)),
  });
}
