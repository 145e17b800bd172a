/** `POST /v1/probe?destination=ADDRESS|NODE[&family=4|6][&count=N][&craft=no|all]` on the control socket. */
import type { Cluster } from '../../encap/cluster.js';
import { ownerOf } from '../../routes/explain-target.js';
import { resolveDestination } from '../explain/resolve.js';
import type { Route } from '../http/server.js';
import { HttpProblem } from '../http/server.js';
import type { PairRequestQuestion } from '../probe/pair-request.js';
import type { ProbeService } from '../probe/service.js';

export const probePath = '/v1/probe';
const defaultCount = 5;
const maxCount = 20;

export function probeRoute(probing: ProbeService, cluster: () => Cluster): Route {
  return {
    method: 'POST',
    path: probePath,
    handle: async (query) => {
      const question = questionOf(query, cluster());
      if (question.peer === probing.node)
        throw new HttpProblem(400, `${question.peer} is this node: name another one to probe`);
      const result = await probing.probe(question);
      if (result === undefined) throw new HttpProblem(409, 'the cluster has changed: ask again');
      return result;
    },
  };
}

function questionOf(query: URLSearchParams, cluster: Cluster): PairRequestQuestion {
  const asked = query.get('destination');
  if (asked === null) throw new HttpProblem(400, 'probe takes ?destination=ADDRESS|NODE');
  const destination = resolveDestination(cluster, asked);
  if (typeof destination === 'string') throw new HttpProblem(400, destination);
  const owner = ownerOf(cluster, destination.address)?.node.name;
  if (owner === undefined)
    throw new HttpProblem(400, `cannot probe ${asked}: no node owns a prefix that holds it`);
  const family = numberOf(query, { name: 'family', otherwise: destination.address.family });
  if (family !== 4 && family !== 6)
    throw new HttpProblem(400, `family is ${family}: 4 and 6 are right`);
  const count = numberOf(query, { name: 'count', otherwise: defaultCount });
  if (!Number.isInteger(count) || count < 1 || count > maxCount)
    throw new HttpProblem(400, `count is "${query.get('count')}": 1 to ${maxCount} are right`);
  const craft = query.get('craft');
  return { peer: owner, family, count, craft: craft !== 'no', native: craft === 'all' };
}

function numberOf(
  query: URLSearchParams,
  of: { readonly name: string; readonly otherwise: number },
): number {
  const text = query.get(of.name);
  return text === null ? of.otherwise : Number(text);
}
