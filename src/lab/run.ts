/**
 * Runs a lab: real packets between the workloads of every ordered pair of nodes, captured on the
 * underlay, held against what was decided.
 */
import type { Lab } from './lab.js';
import { startCapture } from './capture.js';
import { dropsSince, readDrops } from './drops.js';
import {
  type AgentView,
  type Expectation,
  type PairEnds,
  askAgents,
  expectedOf,
  pairsOf,
} from './expectation.js';
import { inTurns } from './in-turns.js';
import { judge } from './judge.js';
import { type Matrix, matrixSchema, matrixTotals } from './matrix.js';
import { Observer } from './observe.js';
import { Arrivals, newTrial, probeAll } from './probes.js';
import { type OnProgress, silent } from './progress.js';
import { command } from './shell.js';
import { clusterInStore } from './store/reading.js';
import { Workload } from './workloads.js';

export interface RunOptions {
  /** What should happen to a pair; if not given the core's decision from the lab's store or file. */
  readonly expected?: (pair: PairEnds) => Expectation;
  /** The agents' own decisions, or `none` where stand-ins run that cannot be asked. */
  readonly agents?: 'ask' | 'none';
  /** Only pairs that this holds for. */
  readonly only?: (pair: PairEnds) => boolean;
  /** Bytes of each TCP transfer. */
  readonly transferBytes?: number;
  readonly onProgress?: OnProgress;
}

const defaultTransferBytes = 256 * 1024;

export async function labRun(lab: Lab, options: RunOptions = {}): Promise<Matrix> {
  const { onProgress = silent } = options;
  const startedAt = new Date();
  const pairs = pairsOf(lab).filter(options.only ?? (() => true));
  const agentView: AgentView = options.agents === 'none' ? () => undefined : await askAgents(lab);
  const cluster = lab.manifest.store === undefined ? lab.plan.cluster : await clusterInStore(lab);
  const { expected = (pair: PairEnds) => expectedOf({ lab, cluster }, pair) } = options;
  const trials = pairs.map((pair) => newTrial(pair, expected));
  const observer = new Observer(pairs, cluster.vxlan);
  const arrivals = new Arrivals();
  const drops = await readDrops(lab);

  await forgetPathMtus(lab);

  onProgress({ step: 'starting workloads', done: 0, total: lab.plan.nodes.length });
  const workloads = new Map(
    lab.plan.nodes.map((node) => [
      node.name,
      new Workload(node, (arrival) => arrivals.add(arrival)),
    ]),
  );
  try {
    await Promise.all(
      lab.plan.nodes.map((node) =>
        workloads.get(node.name)!.listen(node.workload.map((entry) => entry.address.text)),
      ),
    );
    const capture = await startCapture(lab, (node, frame) => observer.take(node, frame));
    let uncaptured: number;
    try {
      await probeAll({
        trials,
        workloads,
        arrivals,
        transferBytes: options.transferBytes ?? defaultTransferBytes,
        onProgress,
      });
    } finally {
      uncaptured = await capture.stop();
    }
    const rows = trials.map((trial, index) =>
      judge({
        trial,
        observation: observer.of(trial.pair),
        agent: agentView(trial.pair),
        source: lab.manifest.store === undefined ? 'file' : 'store',
        received: {
          small: arrivals.count(index, 'small'),
          full: arrivals.count(index, 'full'),
          over: arrivals.count(index, 'over'),
        },
      }),
    );
    const totals = matrixTotals(rows);
    return {
      schema: matrixSchema,
      lab: lab.name,
      configFile: lab.manifest.configFile,
      startedAt: startedAt.toISOString(),
      durationMs: Date.now() - startedAt.getTime(),
      nodes: lab.plan.nodes.map((node) => ({
        name: node.name,
        zone: node.zone,
        provider: lab.plan.zones.find((zone) => zone.name === node.zone)!.underlay.provider,
      })),
      pairs: rows,
      totals,
      underlayDrops: dropsSince(drops, await readDrops(lab)),
      notes: [
        ...lab.plan.nodes.flatMap((node) => node.notes.map((note) => `${node.name}: ${note}`)),
        ...(uncaptured > 0
          ? [`the captures missed ${uncaptured} packets; "seen" may lack some`]
          : []),
      ],
      ok: totals.failed === 0,
    };
  } finally {
    await Promise.all([...workloads.values()].map((workload) => workload.stop()));
  }
}

/**
 * A workload that has learned a path MTU in an earlier run would fragment by itself, and its node
 * would never see the packet that it should refuse.
 */
async function forgetPathMtus(lab: Lab): Promise<void> {
  await inTurns(lab.plan.nodes, {
    limit: 4,
    work: ({ workloadNamespace }) =>
      command(['sh', '-e'], {
        namespace: workloadNamespace,
        input: 'ip -4 route flush cache\nip -6 route flush cache\n',
      }),
  });
}
