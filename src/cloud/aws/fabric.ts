/**
 * Does the VPC know a node's overlay prefixes? Only if every route table that packets of the
 * cluster may meet says so: the main one, and each that a subnet with cluster nodes uses.
 */
import type { ClusterNode } from '../../../encap/cluster.js';
import { prefixCovers, type Prefix } from '../../../encap/prefix.js';
import { type Place, routable } from './places.js';
import type { RouteTable, VpcRoute } from './tables.js';

/** A table's routes by destination, and those that could take a part out of a node's prefix. */
export interface IndexedTable {
  readonly table: RouteTable;
  readonly byDestination: ReadonlyMap<string, VpcRoute>;
  /** Destinations inside the pools that are exactly no node's prefix. */
  readonly odd: readonly VpcRoute[];
}

export interface Indexing {
  readonly pools: readonly Prefix[];
  /** Found or not. */
  readonly nodes: readonly ClusterNode[];
}

export function indexTables(
  tables: readonly RouteTable[],
  indexing: Indexing,
): readonly IndexedTable[] {
  const known = new Set(indexing.nodes.flatMap((node) => node.overlay.map(({ text }) => text)));
  return tables.map((table) => ({
    table,
    byDestination: new Map(table.routes.map((route) => [route.destination.text, route])),
    odd: table.routes.filter(
      ({ destination }) =>
        !known.has(destination.text) &&
        indexing.pools.some((pool) => prefixCovers(pool, destination)),
    ),
  }));
}

/** The route that keeps a part of the prefix from getting where the prefix leads. */
export function shadow(
  indexed: IndexedTable,
  wanted: { readonly prefix: Prefix; readonly target: string },
): VpcRoute | undefined {
  return indexed.odd.find(
    (route) =>
      prefixCovers(wanted.prefix, route.destination) && route.interfaceId !== wanted.target,
  );
}

/** Undefined: the node has no prefix that could be routed, or not all of it was found. */
export function fabricRoutes(
  place: Place,
  tables: readonly IndexedTable[],
): 'present' | 'absent' | undefined {
  const wanted = routable(place);
  if (!place.complete || wanted.length === 0 || tables.length === 0) return undefined;
  const everywhere = tables.every((indexed) =>
    wanted.every(({ prefix, target }) => {
      const route = indexed.byDestination.get(prefix.text);
      return (
        route?.state === 'active' &&
        route.interfaceId === target.id &&
        shadow(indexed, { prefix, target: target.id }) === undefined
      );
    }),
  );
  return everywhere ? 'present' : 'absent';
}
