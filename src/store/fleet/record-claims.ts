/**
 * Which nodes there are, of all that have registered themselves. A stolen node may write anything
 * into its own record, so every claim in it is checked by every reader: its addresses against those
 * of the configuration's own nodes, those that were given to it and to others when they joined, and
 * (where nobody was given any) older records that count; its overlay prefixes against the blocks. A
 * record with another's address is refused whole; of overlay prefixes those alone that are not the
 * node's, so that a block that is heard of late costs nothing but itself.
 *
 * An underlay address has been held against the subnets of its zone, and a public one against
 * nothing: whoever calls another's underlay address its public one is refused, however old it is.
 *
 * Whatever happens to one record is a question to those that share a claim with it, and to no
 * others: an event costs the same in a fleet of a hundred and of ten thousand.
 */
import type { ClusterNode } from '../../../encap/cluster.js';
import type { Prefix } from '../../../encap/prefix.js';
import { prefixCovers } from '../../../encap/prefix.js';
import { isName } from '../../config/names.js';
import type { Entry } from '../kv.js';
import { Bags } from './bags.js';
import { type BlockClaim, BlockClaims, shown } from './block-claims.js';
import { type Ground, addressesOf } from './ground.js';
import { OverlapIndex } from './overlap-index.js';
import { ProblemLines } from './problem-lines.js';
import type { RecordReading } from './read-record.js';
import { readRecord } from './read-record.js';
import { isOlder } from './seniority.js';

interface Registered {
  readonly id: string;
  readonly createRevision: number;
  /** Of its key: read anew when the configuration says otherwise what is a good one. */
  readonly text: string;
  /** What the record says, or why it cannot be read. */
  reading: RecordReading;
  addresses: readonly string[];
  /** What of it counts; undefined: nothing. */
  accepted: ClusterNode | undefined;
}

export interface RecordClaimsOptions {
  /** Name of a record, for explanations. */
  fileOf(node: string): string;
}

export class RecordClaims {
  readonly #options: RecordClaimsOptions;
  readonly #blocks = new BlockClaims((claim) => this.#touchOwners(claim));
  readonly #records = new Map<string, Registered>();
  readonly #claimants = new Bags<string, Registered>();
  readonly #overlay = new OverlapIndex<Registered>();
  readonly #problems = new ProblemLines();
  #ground: Ground | undefined;
  /** Records to be judged anew. */
  readonly #dirty = new Set<string>();
  /** Nodes that are not what they were at the last `settle`. */
  #changed = new Set<string>();

  constructor(options: RecordClaimsOptions) {
    this.#options = options;
  }

  /** The node as its record describes it, as far as that counts. */
  get(name: string): ClusterNode | undefined {
    return this.#records.get(name)?.accepted;
  }

  has(name: string): boolean {
    return this.#records.has(name);
  }

  *names(): IterableIterator<string> {
    yield* this.#records.keys();
  }

  get problemCount(): number {
    return this.#problems.size + this.#blocks.problems.size;
  }

  /** Another number, other problems. */
  get problemVersion(): number {
    return this.#problems.version + this.#blocks.problems.version;
  }

  problems(): readonly string[] {
    return [...this.#blocks.problems.all(), ...this.#problems.all()];
  }

  /** Why the record of that node does not count, or not all of it. */
  problemsOf(name: string): readonly string[] {
    return this.#problems.of(name);
  }

  setGround(ground: Ground): void {
    const reads = ground.key !== this.#ground?.key;
    this.#ground = ground;
    this.#blocks.setGround(ground);
    for (const registered of this.#records.values()) {
      if (reads) this.#read(registered, ground);
      this.#dirty.add(registered.id);
    }
  }

  putRecord(name: string, entry: Entry): void {
    const before = this.#records.get(name);
    if (before !== undefined) this.#forget(before);
    const { createRevision, value: text } = entry;
    const registered: Registered = {
      id: name,
      createRevision,
      text,
      reading: unread,
      addresses: [],
      accepted: before?.accepted,
    };
    this.#records.set(name, registered);
    if (this.#ground !== undefined) this.#read(registered, this.#ground);
    this.#dirty.add(name);
  }

  deleteRecord(name: string): void {
    const before = this.#records.get(name);
    if (before === undefined) return;
    this.#forget(before);
    this.#records.delete(name);
    this.#problems.delete(name);
    if (before.accepted !== undefined) this.#changed.add(name);
  }

  putBlock(id: string, entry: Entry): void {
    this.#blocks.put(id, entry);
  }

  deleteBlock(id: string): void {
    this.#blocks.delete(id);
  }

  /** Judges what needs it; returns the nodes that are not what they were before. */
  settle(): ReadonlySet<string> {
    const ground = this.#ground;
    if (ground === undefined) return new Set();
    this.#blocks.settle();
    while (this.#dirty.size > 0) {
      const batch = [...this.#dirty].flatMap((name) => this.#records.get(name) ?? []);
      this.#dirty.clear();
      for (const registered of batch.sort((a, b) => (isOlder(a, b) ? -1 : 1)))
        this.#judge(registered, ground);
    }
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  #read(registered: Registered, ground: Ground): void {
    this.#unlist(registered);
    const { id, text } = registered;
    const reading = isName(id)
      ? readRecord({ value: text }, { name: id, file: this.#options.fileOf(id), ground })
      : ({ ok: false, problem: 'its key ends in no name of a node' } as const);
    registered.reading = reading;
    if (reading.ok) {
      registered.addresses = addressesOf(reading.value);
      for (const address of registered.addresses) this.#claimants.add(address, registered);
      for (const prefix of reading.value.overlay) this.#overlay.add(prefix, registered);
    }
    this.#touchRivals(registered);
  }

  #forget(registered: Registered): void {
    this.#touchRivals(registered);
    this.#unlist(registered);
  }

  #unlist(registered: Registered): void {
    for (const address of registered.addresses) this.#claimants.delete(address, registered);
    registered.addresses = [];
    this.#overlay.remove(registered);
  }

  #touchRivals(registered: Registered): void {
    for (const rival of this.#rivals(registered)) this.#dirty.add(rival.id);
  }

  *#rivals(registered: Registered): IterableIterator<Registered> {
    for (const address of registered.addresses)
      for (const rival of this.#claimants.get(address)) if (rival !== registered) yield rival;
  }

  #touchOwners(claim: BlockClaim): void {
    this.#dirty.add(claim.node);
    for (const address of claim.addresses)
      for (const { id } of this.#claimants.get(address)) this.#dirty.add(id);
    for (const { id } of this.#overlay.overlapping(claim.prefix)) this.#dirty.add(id);
  }

  #judge(registered: Registered, ground: Ground): void {
    const { id, reading, accepted: before } = registered;
    const lines: string[] = [];
    let accepted: ClusterNode | undefined;
    if (ground.listed.has(id))
      lines.push(`${recordOf(id)}: the configuration lists that node itself`);
    else if (!reading.ok) lines.push(`${recordOf(id)}: ${reading.problem}`);
    else {
      const stolen = this.#stolenAddress(registered, ground);
      lines.push(...reading.notes);
      if (stolen === undefined)
        accepted = this.#withOwnPrefixes(reading.value, { before, ground, lines });
      else lines.push(stolen);
    }
    this.#problems.set(id, lines);
    registered.accepted = accepted;
    if (accepted === before) return;
    this.#changed.add(id);
    if ((accepted === undefined) === (before === undefined)) return;
    for (const rival of this.#rivals(registered))
      if (isOlder(registered, rival)) this.#dirty.add(rival.id);
  }

  #stolenAddress(registered: Registered, ground: Ground): string | undefined {
    const { id, addresses, reading } = registered;
    for (const address of addresses) {
      const listed = ground.listedAt.get(address);
      if (listed !== undefined)
        return `node ${id} claims ${address}, which the configuration gives to ${listed}: refused`;
      const gift = this.#blocks.giftOf(address);
      if (gift?.node === id) continue;
      if (gift !== undefined)
        return `node ${id} claims ${address}, which ${gift.node} was given when it joined: refused`;
      if (this.#blocks.wasGivenAddresses(id))
        return `node ${id} claims ${address}, which it was not given when it joined: refused; if it has moved, let it join again ("selvage node join")`;
      const isPlace = isUnderlay(reading, address);
      let oldest: Registered | undefined;
      for (const rival of this.#claimants.get(address)) {
        if (rival === registered) continue;
        // Whether that one counts is no matter, else two of them could decide by who came first.
        if (ground.hasSubnets && isPlace !== isUnderlay(rival.reading, address)) {
          if (isPlace) continue;
          return `node ${id} claims ${address}, which is the underlay address of ${rival.id}: refused`;
        }
        if (rival.accepted !== undefined && isOlder(rival, oldest ?? registered)) oldest = rival;
      }
      if (oldest !== undefined)
        return `node ${id} claims ${address}, which belongs to ${oldest.id} (since revision ${oldest.createRevision}): refused`;
    }
    return undefined;
  }

  #withOwnPrefixes(
    node: ClusterNode,
    context: {
      readonly before: ClusterNode | undefined;
      readonly ground: Ground;
      readonly lines: string[];
    },
  ): ClusterNode | undefined {
    const { overlay, name } = node;
    const { before } = context;
    const own = overlay.filter((prefix) => this.#blocks.isOwn(name, prefix));
    if (own.length === overlay.length) return node;
    for (const prefix of overlay)
      if (!own.includes(prefix)) context.lines.push(this.#foreign(name, prefix, context.ground));
    if (own.length === 0) return undefined;
    // The same as before is the same object: nobody has to look at it again.
    if (before?.underlay === node.underlay && sameTexts(before.overlay, own)) return before;
    return Object.freeze({ ...node, overlay: Object.freeze(own) });
  }

  #foreign(name: string, prefix: Prefix, { pools, listedOverlay }: Ground): string {
    const claims = `node ${name} claims ${prefix.text}`;
    for (const listed of listedOverlay.overlapping(prefix))
      return `${claims}, which the configuration gives to ${listed.name}: refused`;
    const holder = this.#blocks.holder(prefix, name);
    if (holder !== undefined)
      return `${claims}, which belongs to ${holder.node} (since revision ${holder.createRevision}): refused`;
    return pools.some((pool) => prefixCovers(pool, prefix))
      ? `${claims}, which is no block of it: refused`
      : `${claims}, which is in no pool of the configuration: refused`;
  }
}

function isUnderlay(reading: RecordReading, text: string): boolean {
  return reading.ok && reading.value.underlay.some(({ address }) => address.text === text);
}

function recordOf(id: string): string {
  return `the record of ${shown(id)} is not used`;
}

const unread: RecordReading = { ok: false, problem: 'it has not been read' };

function sameTexts(a: readonly Prefix[], b: readonly Prefix[]): boolean {
  return a.length === b.length && a.every(({ text }, i) => text === b[i]!.text);
}
