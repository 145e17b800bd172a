/**
 * The ways between zones: each two are joined by one cable between their routers, with the MTU
 * that the file's link gives it, or else what such a path has where nobody arranged anything.
 */
import type { Cluster, Link, LinkEnd, Zone } from '../../encap/cluster.js';
import { type Address, type Family, addressFromU32, parseAddress } from '../../encap/address.js';
import { LabError } from './names.js';
import { providerUnderlays } from './underlay/index.js';

export interface Path {
  readonly device: string;
  readonly zones: readonly [string, string];
  /** In the order of `zones`. */
  readonly ends: readonly [PathEnd, PathEnd];
  /** Bytes. */
  readonly mtu: number;
  /** ICMP "fragmentation needed" of packets that are too big for it never arrives. */
  readonly blackHole: boolean;
  /** Overlay prefixes are announced across it. */
  readonly announcesOverlay: boolean;
}

export type PathEnd = Readonly<Record<Family, Address>>;

export interface PathOptions {
  /** Pairs of zones whose link swallows oversize packets without an answer; `all` for every link. */
  readonly blackHoles?: 'all' | readonly (readonly [string, string])[];
}

/** Addresses of the two ends of a path; of use to the routers only. */
function pathEnds(index: number): readonly [PathEnd, PathEnd] {
  const base = 0xa9fe8000 + 4 * index; // 169.254.128.0
  return [
    { 4: addressFromU32(base + 1), 6: parseAddress('fe80::1') },
    { 4: addressFromU32(base + 2), 6: parseAddress('fe80::2') },
  ];
}

/** The largest MTU of a veth: no limit beyond the NICs'. */
const unlimitedMtu = 65_535;

export function layPaths(cluster: Cluster, options: PathOptions): readonly Path[] {
  const zones = [...cluster.zones.values()];
  for (const pair of options.blackHoles === 'all' ? [] : (options.blackHoles ?? []))
    for (const name of pair)
      if (!cluster.zones.has(name))
        throw new LabError(
          `cannot make a black hole between "${pair[0]}" and "${pair[1]}": there is no zone ` +
            `"${name}"; zones are ${zones.map((zone) => zone.name).join(', ')}`,
        );
  const paths: Path[] = [];
  for (const [index, a] of zones.entries())
    for (const b of zones.slice(index + 1)) {
      const link = linkBetween(cluster.links, a, b);
      paths.push({
        device: `l${paths.length}`,
        zones: [a.name, b.name],
        ends: pathEnds(paths.length),
        mtu: link?.mtu ?? undeclaredMtu(a, b),
        blackHole: isBlackHole(options, a.name, b.name),
        announcesOverlay: announcesOverlay(link, a, b),
      });
    }
  return paths;
}

/** The link of two zones: one that names both zones before one that names a provider. */
export function linkBetween(links: readonly Link[], a: Zone, b: Zone): Link | undefined {
  const matching = links
    .map((link) => ({ link, weight: Math.max(weigh(link, a, b), weigh(link, b, a)) }))
    .filter((entry) => entry.weight > 0);
  return matching.sort((x, y) => y.weight - x.weight)[0]?.link;
}

function weigh(link: Link, first: Zone, second: Zone): number {
  const weights = [endWeight(link.ends[0], first), endWeight(link.ends[1], second)] as const;
  return weights[0] > 0 && weights[1] > 0 ? weights[0] + weights[1] : 0;
}

function endWeight(end: LinkEnd, zone: Zone): number {
  switch (end.kind) {
    case 'zone':
      return end.zone === zone.name ? 2 : 0;
    case 'provider':
      return end.provider === zone.provider ? 1 : 0;
  }
}

function undeclaredMtu(a: Zone, b: Zone): number {
  const [first, second] = [providerUnderlays[a.provider], providerUnderlays[b.provider]];
  if (a.provider !== b.provider) return Math.min(first.externalMtu, second.externalMtu);
  if (a.region === b.region) return unlimitedMtu;
  return first.interRegionMtu ?? unlimitedMtu;
}

/**
 * Inside one region of one provider the zones share their route table. A peering or a VPN carries
 * the sites' own prefixes only, unless the operator lists native among what the link lets through.
 */
function announcesOverlay(link: Link | undefined, a: Zone, b: Zone): boolean {
  if (link?.modes !== undefined) return link.modes.includes('native');
  return a.provider === b.provider && a.region === b.region;
}

function isBlackHole(options: PathOptions, a: string, b: string): boolean {
  if (options.blackHoles === undefined) return false;
  if (options.blackHoles === 'all') return true;
  return options.blackHoles.some((pair) => pair.includes(a) && pair.includes(b));
}
