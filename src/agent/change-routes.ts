/** Guarded changes on the control socket; a one-shot `apply` that waits offers the same. */
import type { Cluster } from '../../encap/cluster.js';
import { maxFileBytes } from '../config/limits.js';
import { whatIfCluster } from '../explain/what-if.js';
import type { ClusterStore } from '../store/store.js';
import type { Route } from '../http/server.js';
import { HttpProblem } from '../http/server.js';
import { parseCandidate } from './candidate.js';
import type { ChangeRequest } from './change.js';
import { ChangeRefused } from './change.js';
import type { GuardedChange } from './guarded-change.js';

export const changePath = '/v1/change';

/** `POST /v1/change?file=…&confirmMs=…` with the cluster file as body. */
export function beginRoute(change: GuardedChange): Route {
  return {
    method: 'POST',
    path: changePath,
    maxBodyBytes: maxFileBytes,
    handle: (query, content) => answer(() => change.begin(requestOf(query, content))),
  };
}

/** There is no file that a confirmed change could be written to. */
export function unlessOfFleet(store: ClusterStore, route: Route): Route {
  if (store.publish === undefined) return route;
  return {
    ...route,
    handle: () => {
      throw new HttpProblem(
        409,
        `the configuration of this node is in ${store.name}, for the whole fleet: change it there with "selvage config edit", or in phases with "selvage migrate"`,
      );
    },
  };
}

/** `POST /v1/plan?file=…` with a cluster file as body: what it would change; nothing is written. */
export function previewRoute(preview: Preview): Route {
  return {
    method: 'POST',
    path: '/v1/plan',
    maxBodyBytes: maxFileBytes,
    handle: (query, content) =>
      answer(() => {
        const file = query.get('file') ?? 'the new file';
        const cluster = parseCandidate({ file, content }, 0);
        return previewWhatIf(cluster, query, preview);
      }),
  };
}

type Preview = (cluster: Cluster, sshClient: string | undefined) => Promise<unknown>;

/** A plan for the cluster as `?whatIf=…`, said as often as there are changes, would make it. */
export async function previewWhatIf(
  cluster: Cluster,
  query: URLSearchParams,
  preview: Preview,
): Promise<unknown> {
  const patches = query.getAll('whatIf');
  const changed = whatIfCluster(cluster, patches);
  if (typeof changed === 'string') throw new HttpProblem(400, changed);
  const report = await preview(changed, query.get('sshClient') ?? undefined);
  return patches.length === 0 ? report : { ...(report as object), whatIf: patches };
}

export function changeReportRoute(change: GuardedChange): Route {
  return {
    method: 'GET',
    path: changePath,
    handle: () => Promise.resolve(change.report ?? { schema: 'selvage.change/1', state: 'none' }),
  };
}

export function settleRoutes(change: GuardedChange): readonly Route[] {
  return [
    {
      method: 'POST',
      path: `${changePath}/confirm`,
      handle: () => answer(() => change.confirm()),
    },
    {
      method: 'POST',
      path: `${changePath}/rollback`,
      handle: () => answer(() => change.rollback('asked for')),
    },
  ];
}

function requestOf(query: URLSearchParams, content: Uint8Array): ChangeRequest {
  const confirmMs = Number(query.get('confirmMs') ?? '0');
  if (!Number.isSafeInteger(confirmMs) || confirmMs < 0 || confirmMs > maxConfirmMs)
    throw new HttpProblem(
      400,
      `confirmMs is "${query.get('confirmMs')}": milliseconds from 0 to ${maxConfirmMs} are right`,
    );
  return {
    file: query.get('file') ?? 'the new file',
    content,
    confirmMs,
    allowManagementCut: query.get('allowManagementCut') === 'yes',
    allowLoss: (query.get('allowLoss') ?? '').split(',').filter((name) => name !== ''),
    sshClient: query.get('sshClient') ?? undefined,
  };
}

/** A day: timers of the runtime end at 24 days. */
export const maxConfirmMs = 24 * 3_600_000;

/** As a change is refused: 422 for a bad file, 409 for everything that may be right another time. */
async function answer<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ChangeRefused)) throw error;
    throw new HttpProblem(error.why === 'invalid' ? 422 : 409, error.message);
  }
}
