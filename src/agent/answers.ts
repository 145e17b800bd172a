/** An agent's answers about destinations and plans, from the same plan that it applies. */
import type { Cluster } from '../../encap/cluster.js';
import { diff } from '../../routes/diff.js';
import { explainReading } from '../explain/node-reading.js';
import type { Route } from '../http/server.js';
import { HttpProblem } from '../http/server.js';
import type { Prober } from '../probe/pair-probe.js';
import { absentRoute } from './absent-route.js';
import type { AgentView } from './agent-reading.js';
import { agentReading, readActual } from './agent-reading.js';
import { assess, withGuard } from './assess.js';
import { previewRoute, previewWhatIf } from './change-routes.js';
import { changeoverReport, withChangeover } from './changeover-report.js';
import type { NodeRuntime } from './node-runtime.js';
import { planReport } from './plan-report.js';
import type { NodePlan, Planner } from './planner.js';
import { probeAsked } from './probe-asked.js';
import { readGuard, sourcesOf } from './read-guard.js';

export interface AnswerSources {
  readonly node: string;
  readonly runtime: NodeRuntime;
  readonly planner: Planner;
  readonly prober: Prober;
  /** Refuses with 503 while there is no plan. */
  readonly view: () => AgentView;
  readonly plan: () => NodePlan | undefined;
}

/** `GET /v1/explain?destination=…`, `GET /v1/plan`, `GET /v1/absent`, and `POST /v1/plan` with a cluster file. */
export function answerRoutes(sources: AnswerSources): readonly Route[] {
  return [
    { method: 'GET', path: '/v1/explain', handle: (query) => explain(sources, query) },
    { method: 'GET', path: '/v1/plan', handle: (query) => planAnswer(sources, query) },
    absentRoute(() => sources.view().plan.snapshot.cluster),
    previewRoute((cluster, sshClient) => preview(sources, { cluster, sshClient })),
  ];
}

async function explain(sources: AnswerSources, query: URLSearchParams): Promise<unknown> {
  const destination = query.get('destination');
  if (destination === null) throw new HttpProblem(400, 'explain takes ?destination=ADDRESS|NODE');
  const report = await explainReading(agentReading(sources.view()), {
    destination,
    from: query.get('from') ?? undefined,
    whatIf: query.getAll('whatIf'),
    probe: probeAsked(query, sources.prober),
  });
  if (typeof report === 'string') throw new HttpProblem(400, report);
  return withChangeover(report, { underWay: sources.planner.underWay(), node: sources.node });
}

/** What the kernel lacks of the plan in force; with `?whatIf=…`, of one that is not. */
export async function planAnswer(
  sources: AnswerSources,
  query: URLSearchParams = new URLSearchParams(),
): Promise<unknown> {
  const view = sources.view();
  if (query.has('whatIf'))
    return previewWhatIf(view.plan.snapshot.cluster, query, (cluster, sshClient) =>
      preview(sources, { cluster, sshClient }),
    );
  const { node, plan, runtime } = view;
  return {
    ...withGuard(
      planReport(node, plan, diff(plan.objects, await readActual(view))),
      await readGuard(plan.guard, sourcesOf(runtime)),
    ),
    changeover: changeoverReport(sources.planner.underWay()),
  };
}

/** As `planAnswer`, for a cluster that is in force nowhere. */
function preview(
  { node, runtime: { kernel }, planner, plan }: AnswerSources,
  { cluster, sshClient }: { readonly cluster: Cluster; readonly sshClient: string | undefined },
): Promise<unknown> {
  const previous = plan()?.snapshot.cluster;
  return assess({ node, cluster, planner, kernel, previous, sshClient });
}
