/**
 * A guarded change without an agent: this process applies, waits for the confirmation, and goes
 * back otherwise. While it waits it answers on the control socket, so `confirm` and `rollback` are
 * the same words as with an agent, and an agent that is started meanwhile is refused.
 *
 * Killed outright, it leaves the change in place and its record on disk: `rollback` then takes the
 * change back, and an agent that starts goes by the configured file.
 */
import { realpathSync } from 'node:fs';
import type { Cluster } from '../../encap/cluster.js';
import { ownState } from '../../routes/ownership.js';
import { loadClusterFile } from '../config/index.js';
import { observeFrom } from '../cloud/observe.js';
import { serveControl } from '../http/server.js';
import { assess } from './assess.js';
import { parseCandidate } from './candidate.js';
import type { ChangeReport, ChangeRequest } from './change.js';
import { ChangeRefused } from './change.js';
import type { ChangeRecord, PreviousState } from './change-record.js';
import { ChangeRecordFile } from './change-record.js';
import { changeReportRoute, settleRoutes } from './change-routes.js';
import { readChecked, writeChecked } from './checked-file.js';
import { GuardedChange } from './guarded-change.js';
import type { NodeRuntime } from './node-runtime.js';
import { applyOnce, downOnce } from './one-shot.js';
import type { AgentPaths } from './paths.js';
import { agentSocket, appliedFile, changeRecordFile, cloudReadingFile } from './paths.js';
import { openPing } from './ping.js';
import { Planner } from './planner.js';

export interface OnceOptions {
  readonly node: string;
  readonly configFile: string;
  readonly paths: AgentPaths;
  readonly socket?: string | undefined;
  readonly runtime: NodeRuntime;
  readonly log: (line: string) => void;
}

type Hands = Pick<OnceOptions, 'node' | 'runtime' | 'paths'>;

export interface GuardedOnce {
  readonly change: GuardedChange;
  /** As it is after the probes: provisional, rolled back already, or (with no time) confirmed. */
  readonly report: ChangeReport;
  /** Takes back what is pending and stops answering. */
  close(): Promise<void>;
}

export async function changeOnce(
  options: OnceOptions,
  request: ChangeRequest,
): Promise<GuardedOnce> {
  const { node, runtime, paths, configFile } = options;
  const record = new ChangeRecordFile(changeRecordFile(paths));
  const left = record.read();
  if (left?.state === 'provisional')
    throw new ChangeRefused(
      'conflict',
      `a change is pending (${left.file}, since ${left.startedAt}), and the process that watched over it is gone: "selvage rollback" first`,
    );
  const previous = await previousState(options, request);
  const before = await clusterOf(previous, configFile);
  const { kernel } = runtime;
  const change = new GuardedChange({
    node,
    keeper: 'apply',
    configFile,
    record,
    previous,
    prober: openPing(),
    nextRevision: () => 1,
    presentCluster: () => before,
    pathMtu: async (to) => (await kernel.lookup(to))?.mtu,
    assess: (cluster, sshClient) =>
      assess({
        node,
        cluster,
        planner: new Planner(kernel, node, { observe: observeFrom(cloudReadingFile(paths)) }),
        kernel,
        previous: before,
        sshClient,
      }),
    enforce: (candidate) =>
      candidate === undefined ? restore(options, before) : applyLines(options, candidate),
    adopt: async () => {
      noteApplied(paths, request);
      await Promise.resolve();
    },
    log: options.log,
  });
  const server = await serveControl(options.socket ?? agentSocket(paths), [
    changeReportRoute(change),
    ...settleRoutes(change),
    { method: 'GET', path: '/healthz', handle: () => Promise.resolve({ ok: true }) },
  ]);
  const close = async (): Promise<void> => {
    await change.close();
    await server.close();
  };
  try {
    return { change, report: await change.begin(request), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Takes back what a process that is gone has left; undefined when nothing is pending. */
export async function rollbackOnce(
  options: Pick<OnceOptions, 'paths' | 'runtime'>,
): Promise<ChangeRecord | undefined> {
  const file = new ChangeRecordFile(changeRecordFile(options.paths));
  const record = file.read();
  if (record?.state !== 'provisional') return undefined;
  const { configFile, node } = record;
  const before = await clusterOf(record.previous, configFile);
  const failures = await restore({ runtime: options.runtime, node, paths: options.paths }, before);
  if (failures.length > 0)
    throw new ChangeRefused(
      'conflict',
      `the way back from ${record.file} failed in part, and stays pending:\n${failures.map((line) => `  ${line}`).join('\n')}`,
    );
  const settled = { ...record, state: 'rolled-back', reason: 'asked for' } as const;
  file.write(settled);
  return settled;
}

/** What this machine was made by last, for a change of the same file later. */
export function noteApplied(
  paths: AgentPaths,
  applied: Pick<ChangeRequest, 'file' | 'content'>,
): void {
  const text = new TextDecoder().decode(applied.content);
  writeChecked(appliedFile(paths), JSON.stringify({ file: applied.file, text }));
}

/**
 * What was in force before: nothing, where the kernel has nothing of ours; else the configured
 * file, if another one is applied; else the file's content as it was applied last.
 */
async function previousState(options: OnceOptions, request: ChangeRequest): Promise<PreviousState> {
  const own = ownState(await options.runtime.kernel.dump());
  if (own.links.length + own.routes.length === 0) return { kind: 'nothing' };
  const { configFile, node } = options;
  if (!sameFile(request.file, configFile)) {
    const configured = await loadClusterFile(configFile);
    if (configured.ok && configured.cluster.nodes.get(node) !== undefined)
      return { kind: 'configured' };
  }
  const applied = readChecked(appliedFile(options.paths));
  if (applied !== undefined)
    return { kind: 'text', ...(JSON.parse(applied) as { file: string; text: string }) };
  throw new ChangeRefused(
    'conflict',
    `the kernel has objects of selvage, and nobody noted the file that they came from, so there is no way back from ${request.file}: keep the old file as ${configFile} and apply the new one by another name`,
  );
}

async function clusterOf(
  previous: PreviousState,
  configFile: string,
): Promise<Cluster | undefined> {
  switch (previous.kind) {
    case 'nothing':
      return undefined;
    case 'configured': {
      const loaded = await loadClusterFile(configFile);
      if (loaded.ok) return loaded.cluster;
      throw new ChangeRefused(
        'conflict',
        `the way back leads to ${configFile}, which is not valid: "selvage validate ${configFile}" says what is wrong`,
      );
    }
    case 'text':
      return parseCandidate(
        { file: previous.file, content: new TextEncoder().encode(previous.text) },
        0,
      );
  }
}

async function restore(hands: Hands, before: Cluster | undefined): Promise<readonly string[]> {
  return before === undefined ? (await downOnce(hands.runtime)).failed : applyLines(hands, before);
}

async function applyLines(hands: Hands, cluster: Cluster): Promise<readonly string[]> {
  const { node, runtime } = hands;
  const observe = observeFrom(cloudReadingFile(hands.paths));
  const report = await applyOnce({ node, cluster, runtime, observe });
  return report.failed.map(({ object, error }) => `${object.object}: ${error}`);
}

function sameFile(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}
