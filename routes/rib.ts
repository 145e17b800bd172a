/**
 * Every overlay prefix with its decision, as one node sees it.
 *
 * A change of one node's record decides that node's prefixes again and nothing else; a change of
 * rules, zones, links, of our own record or of local facts decides all of them again. Either way
 * the result is that of a build from nothing.
 */
import type { Address, Family } from '../encap/address.js';
import type { ClusterNode, Snapshot } from '../encap/cluster.js';
import type { DecideOptions } from '../encap/decide.js';
import { decide } from '../encap/decide.js';
import { AssessmentMemo, mayBecomeFeasible } from '../encap/feasible.js';
import { Lpm } from '../encap/lpm.js';
import type { CarriageKey } from '../encap/mode.js';
import { carriageKey } from '../encap/mode.js';
import type { Prefix } from '../encap/prefix.js';
import type { Decision } from '../encap/trail.js';
import { stepOf } from '../encap/trail.js';

export class Rib {
  readonly self: string;
  readonly #options: DecideOptions;
  readonly #decisions = new Map<string, Decision>();
  readonly #byOwner = new Map<string, readonly Prefix[]>();
  readonly #tables: Readonly<Record<Family, Lpm<Decision>>> = { 4: new Lpm(4), 6: new Lpm(6) };
  readonly #usable = new Map<CarriageKey, number>();
  /** Number of paths by their MTU. */
  readonly #mtus = new Map<number, number>();
  #snapshot: Snapshot | undefined;
  #memo = new AssessmentMemo();

  constructor(self: string, options: DecideOptions = {}) {
    this.self = self;
    this.#options = options;
  }

  get decisions(): ReadonlyMap<string, Decision> {
    return this.#decisions;
  }

  get size(): number {
    return this.#decisions.size;
  }

  /** Carriages that no fact excludes towards some peer, whatever the rules ask for today. */
  get usable(): ReadonlySet<CarriageKey> {
    return new Set(this.#usable.keys());
  }

  /** The largest packet that crosses every path; undefined where there is none. */
  get smallestMtu(): number | undefined {
    return this.#mtus.size === 0 ? undefined : Math.min(...this.#mtus.keys());
  }

  /** Decides everything again. */
  build(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#memo = new AssessmentMemo();
    const self = this.#requireSelf(snapshot);
    for (const name of [...this.#byOwner.keys()])
      if (snapshot.cluster.nodes.get(name) === undefined) this.#drop(name);
    for (const node of snapshot.cluster.nodes.values()) this.#decideNode(snapshot, self, node);
  }

  /** Decides the prefixes of these nodes again; everything else in the snapshot is as before. */
  update(snapshot: Snapshot, changed: Iterable<string>): void {
    const names = [...changed];
    if (this.#snapshot === undefined || names.includes(this.self)) {
      this.build(snapshot);
      return;
    }
    this.#snapshot = snapshot;
    const self = this.#requireSelf(snapshot);
    for (const name of names) {
      const node = snapshot.cluster.nodes.get(name);
      if (node === undefined) this.#drop(name);
      else this.#decideNode(snapshot, self, node);
    }
  }

  /** The decision that a packet to this address meets; undefined outside every prefix. */
  lookup(address: Address): Decision | undefined {
    return this.#tables[address.family].lookup(address.bytes);
  }

  #requireSelf(snapshot: Snapshot): ClusterNode {
    const self = snapshot.cluster.nodes.get(this.self);
    if (self === undefined) throw new RangeError(`node ${this.self} is not in the cluster`);
    return self;
  }

  #decideNode(snapshot: Snapshot, self: ClusterNode, owner: ClusterNode): void {
    const before = this.#byOwner.get(owner.name);
    if (before !== undefined) this.#drop(owner.name);
    this.#byOwner.set(owner.name, owner.overlay);
    for (const prefix of owner.overlay) {
      const displaced = this.#decisions.get(prefix.text);
      if (displaced !== undefined) this.#count(displaced, -1);
      const question = { from: self, prefix, owner };
      const decision = decide(snapshot, question, { ...this.#options, memo: this.#memo });
      this.#decisions.set(prefix.text, decision);
      this.#tables[prefix.family].set(prefix, decision);
      this.#count(decision, 1);
    }
  }

  #drop(name: string): void {
    for (const prefix of this.#byOwner.get(name) ?? []) {
      const decision = this.#decisions.get(prefix.text);
      // The prefix may have moved to another node in the same update.
      if (decision?.owner !== name) continue;
      this.#count(decision, -1);
      this.#decisions.delete(prefix.text);
      this.#tables[prefix.family].delete(prefix);
    }
    this.#byOwner.delete(name);
  }

  #count(decision: Decision, by: 1 | -1): void {
    if (decision.verdict.kind === 'forward') add(this.#mtus, decision.verdict.mtu, by);
    for (const candidate of stepOf(decision, 'feasible')?.candidates ?? []) {
      const open = mayBecomeFeasible(candidate);
      const chosen = candidate === stepOf(decision, 'feasible')?.chosen;
      if (!open && !chosen) continue;
      add(this.#usable, carriageKey(candidate.carriage), by);
    }
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
