/** `GET /v1/absent`: the nodes that this agent hears nothing of, and since when; the store cannot tell. */
import type { Cluster } from '../../encap/cluster.js';
import type { Route } from '../http/server.js';

export interface AbsentReport {
  readonly schema: 'selvage.absent/1';
  readonly cluster: string;
  readonly nodes: readonly AbsentNode[];
}

export interface AbsentNode {
  readonly name: string;
  readonly state: 'stale' | 'withdrawn';
  /** When it was missed first, by this agent. */
  readonly since: string;
}

export function absentRoute(cluster: () => Cluster): Route {
  return { method: 'GET', path: '/v1/absent', handle: async () => absentReport(cluster()) };
}

export function absentReport({ name: cluster, nodes }: Cluster): AbsentReport {
  const absent = [...nodes.values()].flatMap(({ name, stale, withdrawn }): AbsentNode[] =>
    stale === undefined
      ? []
      : [{ name, state: withdrawn ? 'withdrawn' : 'stale', since: stale.replace(/^since /, '') }],
  );
  return { schema: 'selvage.absent/1', cluster, nodes: absent };
}
