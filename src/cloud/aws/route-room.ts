/**
 * Who gets a route where a table has not room for all. A node that has its routes keeps them: to
 * take one away under traffic loses packets until its peers notice. What is left goes to the nodes
 * without, in the order of their names, so that all nodes come to the same answer. One that needs
 * several routes gets all or none, as one without the others is of no use.
 */
import { prefixCovers } from '../../../encap/prefix.js';
import type { CloudQuestion } from '../control.js';
import type { IndexedTable } from './fabric.js';
import { type Places, routable } from './places.js';
import { tableTag } from './tags.js';
import type { VpcRoute } from './tables.js';

export interface RoomQuestion {
  readonly question: CloudQuestion;
  readonly places: Places;
  readonly tables: readonly IndexedTable[];
  /** By table id: how many routes it had when EC2 refused one more. */
  readonly refusedAt: ReadonlyMap<string, number>;
}

export interface Room {
  /** By table id: routes of the cluster in it. */
  readonly used: ReadonlyMap<string, number>;
  /** The table that is too full for this node's routes; undefined: they fit. */
  readonly tooFull: string | undefined;
}

export function roomFor(asked: RoomQuestion): Room {
  const { places, tables, question } = asked;
  const used = new Map(
    tables.map((indexed) => [indexed.table.id, routesOfCluster(indexed, asked)]),
  );
  const counts = new Map(used);
  for (const place of places.values()) {
    if (!place.complete) continue;
    const missing = tables.map((indexed) => ({
      id: indexed.table.id,
      total: indexed.table.routes.length,
      routes: routable(place).filter(({ prefix }) => !indexed.byDestination.has(prefix.text))
        .length,
    }));
    const tooFull = missing.find(({ id, routes, total }) => {
      const refusedAt = asked.refusedAt.get(id);
      return (
        routes > 0 &&
        ((counts.get(id) ?? 0) + routes > question.routeLimit ||
          (refusedAt !== undefined && total >= refusedAt))
      );
    });
    if (place.node.name === question.self.name) return { used, tooFull: tooFull?.id };
    if (tooFull === undefined)
      for (const { id, routes } of missing) counts.set(id, (counts.get(id) ?? 0) + routes);
  }
  return { used, tooFull: undefined };
}

/** Routes to nodes of the cluster, and what is left of such. */
function routesOfCluster(indexed: IndexedTable, asked: RoomQuestion): number {
  const { cluster } = asked.question;
  let count = indexed.odd.filter((route) => isLeftover(route, indexed, cluster)).length;
  for (const place of asked.places.values())
    for (const { prefix } of routable(place))
      if (indexed.byDestination.get(prefix.text)?.interfaceId !== undefined) count++;
  return count;
}

/**
 * A blackhole of ours whose interface is gone, and the record on it: it led to an interface, was
 * written by a call, is inside the cluster's pools, in a table that the cluster has marked.
 */
export function isLeftover(
  route: VpcRoute,
  indexed: IndexedTable,
  cluster: CloudQuestion['cluster'],
): boolean {
  return (
    route.state === 'blackhole' &&
    route.written &&
    route.interfaceId !== undefined &&
    indexed.table.tags.has(tableTag(cluster.name)) &&
    cluster.pools.some((pool) => prefixCovers(pool, route.destination))
  );
}
