/**
 * The spec as both back ends need it: by family, without duplicates, in one order, so that equal
 * specs give equal rules however they were assembled.
 *
 * Prefixes that another prefix of the same set covers are left out (interval sets refuse
 * overlaps). Adjacent prefixes are deliberately *not* joined: a peer that comes or goes must only
 * add or delete its own elements, or a neighbour's packets could meet the moment in between.
 */
import { type Address, type Family, compareAddresses } from '../../encap/address.js';
import { type Prefix, comparePrefixes, prefixCovers } from '../../encap/prefix.js';
import type { GuardSpec } from './guard.js';

/** An outer source and an inner prefix that belongs to it. */
export interface Pair {
  readonly outer: Address;
  readonly inner: Prefix;
}

export interface GuardFacts {
  readonly pairs: readonly Pair[];
  readonly outers: readonly Address[];
  readonly local: readonly Address[];
  readonly nodes: readonly Address[];
  readonly native: readonly Prefix[];
  readonly pools: readonly Prefix[];
  readonly own: readonly Prefix[];
  readonly vxlan: readonly { readonly vni: number; readonly port: number }[];
  readonly ports: readonly number[];
  readonly nics: readonly string[];
  readonly tunnelDevices: readonly string[];
  readonly blockMetadata: boolean;
}

export function guardFacts(spec: GuardSpec): GuardFacts {
  const innerByOuter = new Map<string, { outer: Address; inner: Prefix[] }>();
  for (const peer of spec.peers) {
    for (const outer of peer.outerSources) {
      // Two peers behind one NAT share a public source: then either's prefixes may come from it.
      const entry = innerByOuter.get(outer.text) ?? { outer, inner: [] };
      entry.inner.push(...peer.innerSources);
      innerByOuter.set(outer.text, entry);
    }
  }
  const senders = [...innerByOuter.values()].sort((a, b) => compareAddresses(a.outer, b.outer));
  return {
    pairs: senders.flatMap(({ outer, inner }) =>
      maximal(inner).map((prefix) => ({ outer, inner: prefix })),
    ),
    outers: senders.map(({ outer }) => outer),
    local: distinct(spec.localAddresses),
    nodes: distinct(spec.nodeAddresses),
    native: maximal(spec.peers.flatMap((peer) => peer.nativeSources)),
    pools: maximal(spec.pools),
    own: maximal(spec.ownPrefixes),
    vxlan: spec.vxlan
      .filter(
        ({ vni, port }, i, all) => all.findIndex((o) => o.vni === vni && o.port === port) === i,
      )
      .toSorted((a, b) => a.port - b.port || a.vni - b.vni),
    ports: [...new Set(spec.vxlan.map(({ port }) => port))].sort((a, b) => a - b),
    nics: deviceNames(spec.nics),
    tunnelDevices: deviceNames(spec.tunnelDevices),
    blockMetadata: spec.blockMetadata,
  };
}

export function ofFamily<T extends { readonly family: Family }>(
  items: readonly T[],
  family: Family,
): readonly T[] {
  return items.filter((item) => item.family === family);
}

/** The prefixes that no other one covers, in order. */
export function maximal(prefixes: readonly Prefix[]): readonly Prefix[] {
  const kept: Prefix[] = [];
  // In this order a covering prefix comes before what it covers, with nothing foreign between.
  for (const prefix of prefixes.toSorted(comparePrefixes)) {
    const last = kept.at(-1);
    if (last === undefined || !prefixCovers(last, prefix)) kept.push(prefix);
  }
  return kept;
}

function distinct(addresses: readonly Address[]): readonly Address[] {
  const byText = new Map(addresses.map((address) => [address.text, address]));
  return [...byText.values()].sort(compareAddresses);
}

/** Linux's own rule (dev_valid_name), less what the tools read as a pattern. */
function deviceNames(names: readonly string[]): readonly string[] {
  for (const name of names) {
    if (!/^[^\s/:"*+\\]{1,15}$/.test(name))
      throw new Error(
        `cannot guard device "${name}": a name has 1 to 15 characters and none of / : * + " \\`,
      );
  }
  return [...new Set(names)].sort();
}
