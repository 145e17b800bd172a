/**
 * The metrics of an agent, for Prometheus. Each concern has a file; this is the list of them. Loaded
 * only where somebody may ask.
 *
 * Labels have few values by design (modes, states, zones): a series a peer would be ten thousand on
 * every one of ten thousand nodes.
 */
import { collectDefaultMetrics } from 'prom-client';
import type { AgentObserver } from '../agent/figures.js';
import { agentMetrics } from './agent.js';
import { buildMetrics } from './build.js';
import { changeoverMetrics } from './changeover.js';
import type { Concern, MetricSources } from './concern.js';
import { configurationMetrics } from './configuration.js';
import { guardMetrics } from './guard.js';
import type { Described } from './meter.js';
import { Meter } from './meter.js';
import { passMetrics } from './passes.js';
import { peerMetrics } from './peers.js';
import { probeMetrics } from './probes.js';
import { storeMetrics } from './store.js';
import { trafficMetrics } from './traffic.js';

const concerns: readonly Concern[] = [
  buildMetrics,
  agentMetrics,
  configurationMetrics,
  storeMetrics,
  passMetrics,
  peerMetrics,
  changeoverMetrics,
  guardMetrics,
  probeMetrics,
  trafficMetrics,
];

/** Its own default of 10 ms would wake an idle agent a hundred times a second. */
const eventLoopMonitoringPrecision = 100;

export interface Metrics {
  /** To be told what happens. */
  readonly observer: Required<Pick<AgentObserver, 'passed' | 'storeChanged'>>;
  /** Our own, in the order of the list. */
  readonly described: readonly Described[];
  readonly contentType: string;
  text(): Promise<string>;
}

export function openMetrics(sources: MetricSources): Metrics {
  const meter = new Meter();
  const observers = concerns.flatMap((concern) => concern(meter, sources) ?? []);
  collectDefaultMetrics({ register: meter.registry, eventLoopMonitoringPrecision });
  return {
    observer: {
      passed: (report, repaired) => {
        for (const observer of observers) observer.passed?.(report, repaired);
      },
      storeChanged: (version) => {
        for (const observer of observers) observer.storeChanged?.(version);
      },
    },
    described: meter.described,
    contentType: meter.registry.contentType,
    text: () => meter.registry.metrics(),
  };
}
