/**
 * What a guard's facts (facts.ts) are made of, counted, so that a few peers that come, go or change
 * are a few elements that come and go, found without a look at the others.
 */
import type { Address } from '../../encap/address.js';
import type { Prefix } from '../../encap/prefix.js';
import type { Pair } from './facts.js';
import { maximal } from './facts.js';
import type { Exchange, GuardDelta, GuardPeer, GuardSpec } from './guard.js';
import { PrefixTally, changeCount } from './prefix-tally.js';

/** What some peers bring to a spec. */
export type GuardShare = Pick<GuardSpec, 'peers' | 'nodeAddresses' | 'nativeDestinations'>;

interface Sender {
  readonly outer: Address;
  readonly peers: GuardPeer[];
}

export class GuardTally {
  readonly #senders = new Map<string, Sender>();
  readonly #nodes = new Map<string, number>();
  readonly #native: PrefixTally;
  readonly #nativeTo: PrefixTally;

  constructor(spec: GuardShare) {
    for (const peer of spec.peers) this.#join(peer);
    for (const { text } of spec.nodeAddresses) changeCount(this.#nodes, text, 1);
    this.#native = new PrefixTally(spec.peers.flatMap((peer) => peer.nativeSources));
    this.#nativeTo = new PrefixTally(spec.nativeDestinations);
  }

  exchange({ gone, come }: { readonly gone: GuardShare; readonly come: GuardShare }): GuardDelta {
    const outers = distinct([...gone.peers, ...come.peers].flatMap((peer) => peer.outerSources));
    const pairsBefore = this.#pairsOf(outers);
    const sendersBefore = outers.filter(({ text }) => this.#senders.has(text));
    for (const peer of gone.peers) this.#leave(peer);
    for (const peer of come.peers) this.#join(peer);
    const addresses = distinct([...gone.nodeAddresses, ...come.nodeAddresses]);
    const nodesBefore = addresses.filter(({ text }) => this.#nodes.has(text));
    for (const { text } of gone.nodeAddresses) changeCount(this.#nodes, text, -1);
    for (const { text } of come.nodeAddresses) changeCount(this.#nodes, text, 1);
    const nativeOf = ({ peers }: GuardShare): readonly Prefix[] =>
      peers.flatMap((peer) => peer.nativeSources);
    return {
      pairs: difference(pairsBefore, this.#pairsOf(outers), pairText),
      outers: difference(
        sendersBefore,
        outers.filter(({ text }) => this.#senders.has(text)),
        ({ text }) => text,
      ),
      nodes: difference(
        nodesBefore,
        addresses.filter(({ text }) => this.#nodes.has(text)),
        ({ text }) => text,
      ),
      native: this.#native.exchange({ gone: nativeOf(gone), come: nativeOf(come) }),
      nativeTo: this.#nativeTo.exchange({
        gone: gone.nativeDestinations,
        come: come.nativeDestinations,
      }),
    };
  }

  #join(peer: GuardPeer): void {
    for (const outer of distinct(peer.outerSources)) {
      const sender = this.#senders.get(outer.text);
      if (sender === undefined) this.#senders.set(outer.text, { outer, peers: [peer] });
      else sender.peers.push(peer);
    }
  }

  #leave(peer: GuardPeer): void {
    for (const { text } of distinct(peer.outerSources)) {
      const peers = this.#senders.get(text)?.peers ?? [];
      const at = peers.findIndex(({ node }) => node === peer.node);
      if (at >= 0) peers.splice(at, 1);
      if (peers.length === 0) this.#senders.delete(text);
    }
  }

  #pairsOf(outers: readonly Address[]): readonly Pair[] {
    return outers.flatMap((outer) => {
      const { peers = [] } = this.#senders.get(outer.text) ?? {};
      const inner = peers.flatMap((peer) => peer.innerSources);
      return maximal(inner).map((prefix) => ({ outer, inner: prefix }));
    });
  }
}

function pairText({ outer, inner }: Pair): string {
  return `${outer.text} ${inner.text}`;
}

function distinct(addresses: readonly Address[]): readonly Address[] {
  return [...new Map(addresses.map((address) => [address.text, address])).values()];
}

function difference<T>(
  before: readonly T[],
  after: readonly T[],
  textOf: (item: T) => string,
): Exchange<T> {
  const [old, fresh] = [new Set(before.map(textOf)), new Set(after.map(textOf))];
  return {
    gone: before.filter((item) => !fresh.has(textOf(item))),
    come: after.filter((item) => !old.has(textOf(item))),
  };
}
