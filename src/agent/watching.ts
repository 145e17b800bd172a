/** Who watches a running agent from outside: systemd, and whatever scrapes metrics and health. */
import type { Logger } from 'pino';
import { systemClock } from '../../routes/reconciler.js';
import { packageInfo } from '../cli/package-info.js';
import type { ListenAddress } from '../http/listen-address.js';
import type { Page } from '../http/listener.js';
import { Listener, text } from '../http/listener.js';
import type { AgentFigures, AgentObserver } from './figures.js';
import { Liveness } from './liveness.js';
import { ServiceManager } from './service-manager.js';
import { ZoneTraffic } from './zone-traffic.js';

export interface WatchedAgent {
  observe(observer: AgentObserver): void;
  figures(): AgentFigures;
}

export interface WatchingOptions {
  /** Undefined: nobody is to ask. */
  readonly listen: ListenAddress | undefined;
  /** Count packets by zone: two more look-ups for each of them. */
  readonly zoneTraffic: boolean;
  readonly log: Logger;
}

export interface Watching {
  /** The agent has started to work. */
  started(): void;
  stopping(): void;
  close(): Promise<void>;
}

/** To be called before the agent starts. */
export async function watchAgent(agent: WatchedAgent, options: WatchingOptions): Promise<Watching> {
  const { listen, log } = options;
  const liveness = new Liveness({ nowMs: () => performance.now() });
  agent.observe(liveness);
  const manager = new ServiceManager({
    environment: process.env,
    pid: process.pid,
    clock: systemClock,
    liveness,
    figures: () => agent.figures(),
    onProblem: (problem) => log.warn(problem),
  });
  agent.observe(manager);
  // Counted for who asks: without a listener nobody does.
  const zones =
    options.zoneTraffic && listen !== undefined
      ? new ZoneTraffic({
          node: agent.figures().node,
          cluster: () => agent.figures().cluster,
          clock: systemClock,
          onProblem: (problem) => log.warn(problem),
        })
      : undefined;
  if (zones !== undefined) agent.observe(zones);
  const pages = listen && (await pagesOf(agent, { liveness, zones }));
  let listener: Listener | undefined;
  return {
    started() {
      manager.start();
      if (listen !== undefined && pages !== undefined)
        listener = new Listener({ at: listen, pages, log, clock: systemClock });
    },
    stopping: () => manager.stopping(),
    close: async () => {
      await listener?.close();
      await zones?.close();
    },
  };
}

type Pages = ReadonlyMap<string, () => Promise<Page> | Page>;

/** The metrics are loaded here, and nowhere else. */
async function pagesOf(
  agent: WatchedAgent,
  { liveness, zones }: { readonly liveness: Liveness; readonly zones: ZoneTraffic | undefined },
): Promise<Pages> {
  const { openMetrics } = await import('../metrics/index.js');
  const metrics = openMetrics({
    version: packageInfo().version,
    figures: () => agent.figures(),
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    zoneTraffic: zones && (() => zones.read()),
  });
  agent.observe(metrics.observer);
  return new Map<string, () => Promise<Page> | Page>([
    [
      '/metrics',
      async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
    ],
    ['/healthz', () => verdict('alive', liveness.problem)],
    ['/readyz', () => verdict('ready', agent.figures().notReady)],
  ]);
}

function verdict(what: string, problem: string | undefined): Page {
  return problem === undefined ? text(200, what) : text(503, `not ${what}: ${problem}`);
}
