/**
 * Blocks for a node. A block is claimed by making its key, which succeeds for one writer only, and
 * that is all that keeps two nodes apart: there is no lock and no counter.
 *
 * Whoever comes alone gets the lowest free block. When fifty come at once, all of them want the
 * lowest one: those that lose choose at random among the next few free ones, and among more each
 * time, so that each tries a handful of keys whatever the number of the others.
 *
 * What was claimed is looked at once more afterwards. Two that read different configurations may
 * cut the same range into blocks of different sizes, which are different keys: of two that overlap
 * the one that was made first stays, and whoever made the other one gives it back.
 */
import type { Family } from '../../encap/address.js';
import type { Prefix } from '../../encap/prefix.js';
import { prefixCovers, prefixesOverlap } from '../../encap/prefix.js';
import type { BlockRange } from '../config/read-blocks.js';
import type { FleetKeys } from '../store/fleet/keys.js';
import type { KeyValue } from '../store/kv.js';
import type { TakenSpace } from './block-space.js';
import { freeBlocks, freeCount, takenSpace } from './block-space.js';
import { FleetError } from './fleet-error.js';
import { familiesOf, rangesOf } from './ranges.js';
import type { Block } from './values.js';
import { blockText, readBlock } from './values.js';

export interface AllocateRequest {
  readonly keys: FleetKeys;
  readonly node: string;
  readonly zone: string;
  /** Blocks of each family that the node has at least in the end. */
  readonly count: number;
  readonly pools: readonly Prefix[];
  readonly ranges: readonly BlockRange[];
  /** Prefixes that are somebody's without being blocks. */
  readonly reserved: readonly Prefix[];
  readonly now: () => Date;
  /** From 0 to below 1. */
  readonly random: () => number;
}

export interface Allocation {
  /** All that the node has inside the pools, the oldest first. */
  readonly blocks: readonly Block[];
  /** Those of them that were made now. */
  readonly made: readonly Block[];
  /** Keys that others had made just before. */
  readonly collisions: number;
}

/** Among how many free blocks the next one is chosen, by the number of collisions so far. */
const windows = [1, 8, 64, 256, 1024] as const;
/** Rounds after which something other than bad luck is at work. */
const maxRounds = 50;

/** A key that was made, and the write that made it. */
type Claim = Pick<Block, 'key' | 'modRevision'>;

export async function allocateBlocks(kv: KeyValue, request: AllocateRequest): Promise<Allocation> {
  const made = new Map<string, Claim>();
  const collided = new Set<string>();
  for (let round = 0; round < maxRounds; round++) {
    const blocks = await readBlocks(kv, request);
    const own = blocks.filter(({ node }) => node === request.node);
    const lost = own.filter(
      (block) => made.has(block.key) && blocks.some((other) => precedes(other, block)),
    );
    if (lost.length > 0) {
      await giveBack(kv, lost);
      continue;
    }
    const kept = own.filter(({ prefix }) => inPools(request.pools, prefix));
    const wanted = missing(request, kept);
    if (wanted.length === 0)
      return {
        blocks: kept.sort((a, b) => a.createRevision - b.createRevision),
        made: kept.filter(({ key }) => made.has(key)),
        collisions: collided.size,
      };
    const taken = [...request.reserved, ...blocks.map(({ prefix }) => prefix)];
    // All or nothing, as far as that can be known before.
    requireRoom(request, wanted, takenSpace(taken));
    for (const family of wanted) {
      const claim = await claimOne(kv, { ...request, family, taken, collided });
      made.set(claim.key, claim);
    }
  }
  throw new FleetError(
    `cannot get a block for ${request.node}: ${maxRounds} times somebody else had it first; see "selvage ipam check"`,
  );
}

/** Each only as it was seen: not one that somebody else has made in its place. */
export async function giveBack(kv: KeyValue, blocks: readonly Claim[]): Promise<void> {
  for (const { key, modRevision } of blocks) await kv.delete(key, { ifRevision: modRevision });
}

async function readBlocks(kv: KeyValue, { keys }: AllocateRequest): Promise<Block[]> {
  const { entries } = await kv.list(keys.blocks);
  return entries.flatMap((entry) => {
    const block = readBlock(entry, keys.blocks);
    return typeof block === 'string' ? [] : [block];
  });
}

/** Has the other one the better claim to addresses of this block? */
function precedes(other: Block, block: Block): boolean {
  return (
    other.key !== block.key &&
    other.createRevision < block.createRevision &&
    prefixesOverlap(other.prefix, block.prefix)
  );
}

export function inPools(pools: readonly Prefix[], prefix: Prefix): boolean {
  return pools.some((pool) => prefixCovers(pool, prefix));
}

/** Families, each as often as a block of it is missing. */
function missing(request: AllocateRequest, kept: readonly Block[]): readonly Family[] {
  const { ranges, zone, count } = request;
  return familiesOf(ranges, zone).flatMap((family) => {
    const has = kept.filter(({ prefix }) => prefix.family === family).length;
    return new Array<Family>(Math.max(0, count - has)).fill(family);
  });
}

interface Claiming extends AllocateRequest {
  readonly collided: Set<string>;
  readonly family: Family;
  /** What is known to be taken; grows with every attempt. */
  readonly taken: Prefix[];
}

function requireRoom(request: AllocateRequest, wanted: readonly Family[], space: TakenSpace): void {
  for (const family of new Set(wanted)) {
    const count = wanted.filter((one) => one === family).length;
    let free = 0n;
    for (const range of rangesOf(request.ranges, { zone: request.zone, family }))
      free += freeCount(range, space);
    if (free < BigInt(count)) throw full(request, family);
  }
}

/** A block that nobody had. */
async function claimOne(kv: KeyValue, request: Claiming): Promise<Claim> {
  const { keys, node, taken, collided } = request;
  for (;;) {
    const prefix = candidate(request, takenSpace(taken));
    const key = keys.block(prefix);
    taken.push(prefix);
    const written = await kv.put(key, blockText(node, request.now()), { ifRevision: 0 });
    if (written.kind === 'written') return { key, modRevision: written.revision };
    // Our own write, whose answer got lost on the way.
    const { entry } = written;
    const block = entry === undefined ? undefined : readBlock(entry, keys.blocks);
    if (typeof block === 'object' && block.node === node) return block;
    collided.add(key);
  }
}

function candidate(request: Claiming, space: TakenSpace): Prefix {
  const { ranges, zone, family, collided, random } = request;
  const window = windows[Math.min(collided.size, windows.length - 1)]!;
  for (const range of rangesOf(ranges, { zone, family })) {
    const free: Prefix[] = [];
    for (const prefix of freeBlocks(range, space)) {
      free.push(prefix);
      if (free.length === window) break;
    }
    if (free.length > 0) return free[Math.floor(random() * free.length)]!;
  }
  throw full(request, family);
}

function full({ ranges, zone }: AllocateRequest, family: Family): FleetError {
  const used = rangesOf(ranges, { zone, family }).map(
    ({ within, length }) => `${within.text} (/${length})`,
  );
  return new FleetError(
    `no IPv${family} block is free for zone ${zone}: ${used.join(', ')} is used up; add a range to "overlay: blocks:", or release what is not used ("selvage ipam check")`,
  );
}
