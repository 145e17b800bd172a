/** `GET /v1/snapshot`: the bundle of this moment, from the agent's own plan. */
import { packageInfo } from '../cli/package-info.js';
import type { Route } from '../http/server.js';
import { bundleToPlain } from '../snapshot/file.js';
import { takeSnapshot } from '../snapshot/take.js';
import type { AgentView } from './agent-reading.js';
import { agentReading } from './agent-reading.js';
import type { PlanReport } from './plan-report.js';
import type { StatusReport } from './status.js';

export interface SnapshotSources {
  view(): AgentView;
  status(): Promise<StatusReport>;
  plan(): Promise<unknown>;
  readonly configFile: string;
}

export function snapshotRoute(sources: SnapshotSources): Route {
  return {
    method: 'GET',
    path: '/v1/snapshot',
    handle: async () => {
      const view = sources.view();
      const bundle = await takeSnapshot({
        reading: agentReading(view),
        status: await sources.status(),
        plan: (await sources.plan()) as PlanReport,
        journal: view.journal.data,
        configFile: sources.configFile,
        version: packageInfo().version,
        now: new Date(),
      });
      return bundleToPlain(bundle);
    },
  };
}
