/** Pools, ranges and blocks as they are, and by which few prefixes each zone is reached. */
import type { Prefix } from '../../encap/prefix.js';
import { comparePrefixes, prefixCovers } from '../../encap/prefix.js';
import { exactUnion } from '../config/pools.js';
import type { BlockRange } from '../config/read-blocks.js';
import { blockCount, freeCount, takenSpace } from './block-space.js';
import type { Fleet } from './reading.js';
import { reservedPrefixes } from './reading.js';

export interface IpamReport {
  readonly schema: 'selvage.ipam/1';
  readonly cluster: string;
  readonly config: number;
  readonly pools: readonly string[];
  readonly ranges: readonly RangeUse[];
  readonly zones: readonly ZoneUse[];
  readonly blocks: readonly BlockUse[];
}

export interface RangeUse {
  readonly within: string;
  readonly size: number;
  /** Null: for every zone that no range of the family names. */
  readonly zones: readonly string[] | null;
  /** Blocks; rounded where there are more than 2^53. */
  readonly total: number;
  readonly given: number;
  readonly free: number;
}

export interface ZoneUse {
  readonly zone: string;
  readonly blocks: number;
  /** What leads to all of its nodes, and to no other zone's. */
  readonly aggregates: readonly string[];
}

export interface BlockUse {
  readonly prefix: string;
  readonly node: string;
  /** Null: the node is not registered. */
  readonly zone: string | null;
  readonly at: string;
  /** Does the record of the node claim it? */
  readonly claimed: boolean;
  readonly alive: boolean;
}

export function showIpam(
  fleet: Fleet,
  options: { readonly cluster: string; readonly zone: string | undefined },
): IpamReport {
  const taken = takenSpace([
    ...reservedPrefixes(fleet),
    ...fleet.blocks.map(({ prefix }) => prefix),
  ]);
  const zoneOf = (node: string): string | undefined =>
    fleet.cluster.nodes.get(node)?.zone ?? fleet.records.get(node)?.zone;
  const wanted = (zone: string | undefined): boolean =>
    options.zone === undefined || zone === options.zone;
  const blocks = fleet.blocks
    .filter(({ node }) => wanted(zoneOf(node)))
    .sort((a, b) => comparePrefixes(a.prefix, b.prefix));
  return {
    schema: 'selvage.ipam/1',
    cluster: options.cluster,
    config: fleet.version,
    pools: fleet.cluster.pools.map(({ text }) => text),
    ranges: fleet.ranges
      .filter(({ zones }) => options.zone === undefined || (zones?.includes(options.zone) ?? true))
      .map((range) => ({
        within: range.within.text,
        size: range.length,
        zones: range.zones ?? null,
        total: Number(blockCount(range)),
        given: fleet.blocks.filter(({ prefix }) => prefixCovers(range.within, prefix)).length,
        free: Number(freeCount(range, taken)),
      })),
    zones: [...fleet.cluster.zones.keys()].filter(wanted).map((zone) => ({
      zone,
      blocks: fleet.blocks.filter(({ node }) => zoneOf(node) === zone).length,
      aggregates: aggregates(prefixesIn(fleet, zone), { zone, ranges: fleet.ranges }).map(
        ({ text }) => text,
      ),
    })),
    blocks: blocks.map(({ prefix, node, at }) => ({
      prefix: prefix.text,
      node,
      zone: zoneOf(node) ?? null,
      at,
      claimed: fleet.records.get(node)?.overlay.some(({ text }) => text === prefix.text) ?? false,
      alive: fleet.alive.has(node),
    })),
  };
}

function prefixesIn({ cluster, records }: Fleet, zone: string): readonly Prefix[] {
  return [
    ...[...cluster.nodes.values()].flatMap((node) => (node.zone === zone ? node.overlay : [])),
    ...[...records.values()].flatMap((record) => (record.zone === zone ? record.overlay : [])),
  ];
}

/** A range that is the zone's alone stands for all in it, also for what is free yet. */
function aggregates(
  prefixes: readonly Prefix[],
  own: { readonly zone: string; readonly ranges: readonly BlockRange[] },
): readonly Prefix[] {
  const whole = own.ranges
    .filter(({ zones }) => zones?.length === 1 && zones[0] === own.zone)
    .map(({ within }) => within)
    .filter((within) => prefixes.some((prefix) => prefixCovers(within, prefix)));
  return exactUnion([...whole, ...prefixes]);
}
