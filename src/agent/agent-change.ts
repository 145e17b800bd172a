/** A guarded change in the hands of a running agent. */
import type { Logger } from 'pino';
import type { Cluster } from '../../encap/cluster.js';
import type { TermsHistory } from '../../routes/changeover.js';
import type { PassReport } from '../../routes/reconciler.js';
import type { ClusterStore } from '../store/store.js';
import { assess } from './assess.js';
import { ChangeRecordFile, bootId, settleLeftover } from './change-record.js';
import { GuardedChange } from './guarded-change.js';
import type { NodeRuntime } from './node-runtime.js';
import type { AgentPaths } from './paths.js';
import { changeRecordFile } from './paths.js';
import { openPing } from './ping.js';
import type { Planner } from './planner.js';

export interface AgentChangeOptions {
  readonly node: string;
  readonly store: ClusterStore;
  readonly runtime: NodeRuntime;
  readonly paths: AgentPaths;
  readonly configFile: string;
  readonly log: Logger;
  readonly planner: Planner;
  lastPass(): PassReport | undefined;
  /** Makes this the running configuration, or (undefined) the store's again, in one pass. */
  run(candidate: Cluster | undefined, reason: string): Promise<PassReport>;
}

export function agentChange(options: AgentChangeOptions): GuardedChange {
  const { node, store, runtime, planner, log, configFile } = options;
  const record = new ChangeRecordFile(changeRecordFile(options.paths));
  settle(record, options);
  let remembered: TermsHistory = [];
  return new GuardedChange({
    node,
    keeper: 'agent',
    configFile,
    record,
    previous: { kind: 'configured' },
    terms: () => planner.remembered(),
    prober: openPing(),
    nextRevision: () => store.claimRevision(),
    presentCluster: () => store.current,
    pathMtu: async (to) => (await runtime.kernel.lookup(to))?.mtu,
    assess: (cluster, sshClient) =>
      assess({
        node,
        cluster,
        planner,
        kernel: runtime.kernel,
        previous: store.current,
        sshClient,
      }),
    enforce: async (candidate) => {
      if (candidate === undefined) planner.resume(remembered);
      else remembered = planner.remembered();
      const before = new Set(failures(options.lastPass()));
      const reason = candidate === undefined ? 'change rolled back' : 'provisional change';
      const after = failures(await options.run(candidate, reason));
      return after.filter((line) => !before.has(line));
    },
    adopt: async () => {
      // Read before the candidate goes, or the file of before would be in force in between.
      await store.reload();
      await options.run(undefined, 'change confirmed');
    },
    log: (line, level) => log[level](line),
  });
}

function settle(record: ChangeRecordFile, options: AgentChangeOptions): void {
  const { log, configFile } = options;
  try {
    const settled = settleLeftover(record, configFile);
    if (settled === undefined) return;
    if (settled.state === 'rolled-back' && settled.terms?.boot === bootId())
      options.planner.resume(settled.terms.history);
    log.warn(
      { startedAt: settled.startedAt },
      `the change of ${settled.file} is ${settled.state.replace('-', ' ')}: ${settled.reason}`,
    );
  } catch (error) {
    // The configured file is in force either way.
    log.error(error instanceof Error ? error.message : String(error));
  }
}

function failures(report: PassReport | undefined): readonly string[] {
  if (report === undefined) return [];
  return [
    ...(report.error === undefined ? [] : [report.error.message]),
    ...report.failed.map((entry) => `${entry.peer ?? 'node'}: ${entry.failure.message}`),
  ];
}
