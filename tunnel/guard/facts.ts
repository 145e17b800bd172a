/**
 * The spec as both back ends need it: by family, without duplicates, in one order, so that equal
 * specs give equal rules however they were assembled.
 *
 * Prefixes that another prefix of the same set covers are left out (interval sets refuse
 * overlaps). Adjacent prefixes are deliberately *not* joined: a peer that comes or goes must only
 * add or delete its own elements, or a neighbour's packets could meet the moment in between.
 */
import {
  type Address,
  type Family,
  compareAddresses,
  tryParseAddress,
} from '../../encap/address.js';
import {
  type Prefix,
  comparePrefixes,
  hostPrefix,
  parsePrefix,
  prefixCovers,
  tryParsePrefix,
} from '../../encap/prefix.js';
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
  readonly nativeTo: readonly Prefix[];
  /** Undefined when no source is to be translated. */
  readonly masquerade: MasqueradeFacts | undefined;
}

export interface MasqueradeFacts {
  readonly sources: readonly Prefix[];
  /** Destinations that are never translated for: pools, exclusions and what is no single host. */
  readonly keep: readonly Prefix[];
}

/**
 * Never translated for: multicast (RFC 1112, RFC 4291 section 2.7), limited broadcast (RFC 919)
 * and IPv6's link-local addresses, whose packets cross no router.
 */
const localDestinations = ['224.0.0.0/4', '255.255.255.255/32', 'ff00::/8', 'fe80::/10'].map(
  parsePrefix,
);

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
    nativeTo: maximal(spec.nativeDestinations),
    masquerade: masqueradeFacts(spec),
  };
}

function masqueradeFacts({ masquerade, pools }: GuardSpec): MasqueradeFacts | undefined {
  if (masquerade === undefined || masquerade.sources.length === 0) return undefined;
  return {
    sources: maximal(masquerade.sources),
    keep: maximal([...pools, ...masquerade.exclude, ...localDestinations]),
  };
}

/** One element of a listing: a prefix, or a host without its length; nothing where it is neither. */
export function prefixFrom(text: string): readonly Prefix[] {
  const address = tryParseAddress(text);
  const prefix = address === undefined ? tryParsePrefix(text) : hostPrefix(address);
  return typeof prefix === 'string' ? [] : [prefix];
}

/** The facts with more prefixes that may leave natively, see `keepNative`. */
export function withNativeTo(facts: GuardFacts, more: readonly Prefix[]): GuardFacts {
  return more.length === 0 ? facts : { ...facts, nativeTo: maximal([...facts.nativeTo, ...more]) };
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
