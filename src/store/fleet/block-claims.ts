/**
 * Which blocks of the pools are whose. A block counts when it lies in a pool of the configuration,
 * touches no prefix of another node that the configuration lists, and no older block of another
 * node that counts. So of two that overlap the one made first wins, at every reader alike, whatever
 * order it heard of them in.
 */
import type { Prefix } from '../../../encap/prefix.js';
import { prefixCovers, tryParsePrefix } from '../../../encap/prefix.js';
import { isName } from '../../config/names.js';
import type { Entry } from '../kv.js';
import { Bags } from './bags.js';
import type { Ground } from './ground.js';
import { OverlapIndex } from './overlap-index.js';
import { ProblemLines } from './problem-lines.js';
import { isOlder } from './seniority.js';
import { readBlockValue } from './values.js';

export interface BlockClaim {
  /** `10.64.3.0_24`: what is behind the folder in its key. */
  readonly id: string;
  readonly createRevision: number;
  readonly prefix: Prefix;
  readonly node: string;
  /** Given to the node together with the block. */
  readonly addresses: readonly string[];
}

interface Held {
  readonly claim: BlockClaim;
  counts: boolean;
}

export class BlockClaims {
  #ground: Ground | undefined;
  readonly #held = new Map<string, Held>();
  readonly #index = new OverlapIndex<Held>();
  readonly #byNode = new Bags<string, Held>();
  /** By address, the blocks that it was given with. */
  readonly #withAddress = new Bags<string, Held>();
  readonly #dirty = new Set<string>();
  /** By id, what is wrong with it. */
  readonly problems = new ProblemLines();
  /** Told of every prefix about which something has changed. */
  readonly #onChange: (claim: BlockClaim) => void;

  constructor(onChange: (claim: BlockClaim) => void) {
    this.#onChange = onChange;
  }

  setGround(ground: Ground): void {
    this.#ground = ground;
    for (const id of this.#held.keys()) this.#dirty.add(id);
  }

  put(id: string, entry: Entry): void {
    this.#forget(id);
    const claim = readClaim(id, entry);
    if (typeof claim === 'string') {
      this.problems.set(id, [`block ${shown(id)} is not used: ${claim}`]);
      return;
    }
    const held: Held = { claim, counts: false };
    this.#held.set(id, held);
    this.#index.add(claim.prefix, held);
    this.#byNode.add(claim.node, held);
    for (const address of claim.addresses) this.#withAddress.add(address, held);
    this.#touch(claim);
  }

  delete(id: string): void {
    this.#forget(id);
    this.problems.delete(id);
  }

  #forget(id: string): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    this.#held.delete(id);
    this.#index.remove(held);
    this.#byNode.delete(held.claim.node, held);
    for (const address of held.claim.addresses) this.#withAddress.delete(address, held);
    this.#touch(held.claim);
  }

  /** Until nothing changes any more: the verdict on a block depends on older ones only. */
  settle(): void {
    const ground = this.#ground;
    if (ground === undefined) return;
    while (this.#dirty.size > 0) {
      const batch = [...this.#dirty].flatMap((id) => this.#held.get(id) ?? []);
      this.#dirty.clear();
      for (const held of batch.sort((a, b) => (isOlder(a.claim, b.claim) ? -1 : 1)))
        this.#judge(held, ground);
    }
  }

  /** Is it inside a block of that node that counts? */
  isOwn(node: string, prefix: Prefix): boolean {
    for (const { counts, claim } of this.#byNode.get(node))
      if (counts && prefixCovers(claim.prefix, prefix)) return true;
    return false;
  }

  /** The oldest block that counts and came with that address. */
  giftOf(address: string): BlockClaim | undefined {
    let oldest: BlockClaim | undefined;
    for (const { counts, claim } of this.#withAddress.get(address))
      if (counts && (oldest === undefined || isOlder(claim, oldest))) oldest = claim;
    return oldest;
  }

  /** Did any address come with that node's blocks? */
  wasGivenAddresses(node: string): boolean {
    for (const { counts, claim } of this.#byNode.get(node))
      if (counts && claim.addresses.length > 0) return true;
    return false;
  }

  /** The oldest block of another node that counts and overlaps the prefix. */
  holder(prefix: Prefix, other: string): BlockClaim | undefined {
    let oldest: BlockClaim | undefined;
    for (const { counts, claim } of this.#index.overlapping(prefix))
      if (counts && claim.node !== other && (oldest === undefined || isOlder(claim, oldest)))
        oldest = claim;
    return oldest;
  }

  #touch(claim: BlockClaim): void {
    this.#dirty.add(claim.id);
    for (const { claim: other } of this.#index.overlapping(claim.prefix)) this.#dirty.add(other.id);
    this.#onChange(claim);
  }

  #judge(held: Held, ground: Ground): void {
    const { claim } = held;
    const problem = this.#against(claim, ground);
    this.problems.set(claim.id, problem === undefined ? [] : [problem]);
    const counts = problem === undefined;
    if (held.counts === counts) return;
    held.counts = counts;
    for (const { claim: other } of this.#index.overlapping(claim.prefix))
      if (isOlder(claim, other)) this.#dirty.add(other.id);
    this.#onChange(claim);
  }

  #against(claim: BlockClaim, ground: Ground): string | undefined {
    const { prefix, node } = claim;
    const what = `block ${prefix.text} of ${node}`;
    if (!ground.pools.some((pool) => prefixCovers(pool, prefix)))
      return `${what} is in no pool of the configuration: refused`;
    for (const listed of ground.listedOverlay.overlapping(prefix))
      if (listed.name !== node)
        return `${what} overlaps what the configuration gives to ${listed.name}: refused`;
    let oldest: BlockClaim | undefined;
    for (const { counts, claim: other } of this.#index.overlapping(prefix))
      if (counts && other.node !== node && isOlder(other, oldest ?? claim)) oldest = other;
    return oldest === undefined
      ? undefined
      : `${what} overlaps ${oldest.prefix.text}, which belongs to ${oldest.node} (since revision ${oldest.createRevision}): refused`;
  }
}

const none: readonly string[] = Object.freeze([]);

function readClaim(id: string, entry: Entry): BlockClaim | string {
  const prefix = tryParsePrefix(id.replace('_', '/'));
  if (typeof prefix === 'string' || prefix.text.replace('/', '_') !== id)
    return 'its key is no prefix';
  const read = readBlockValue(entry);
  if (!read.ok) return read.problem;
  const { node, addresses = none } = read.value;
  if (!isName(node)) return 'its node has no name of a node';
  return { id, createRevision: entry.createRevision, prefix, node, addresses };
}

/** A key is somebody's text: one line, and not a long one. */
export function shown(id: string): string {
  const text = JSON.stringify(id).slice(1, -1);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}
