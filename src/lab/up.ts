/**
 * Builds a lab: manifest, namespaces, underlay, then the real agent in every node, and waits until
 * each says that its kernel is as desired.
 */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Cluster } from '../../encap/cluster.js';
import { generateClusterKey } from '../probe/key.js';
import { type AgentCommand, fleetAgent, realAgent, startAgent, untilReady } from './agents.js';
import { buildTopology, refuseForeign } from './build.js';
import { removeLab } from './down.js';
import { type Lab, labOf, topologyHash } from './lab.js';
import { newManifest, readManifest, writeManifest } from './manifest.js';
import { LabError, labPaths } from './names.js';
import { planLab } from './plan.js';
import type { PathOptions } from './plan-paths.js';
import type { ProcessRecord } from './processes.js';
import { type OnProgress, silent } from './progress.js';
import { enrol } from './store/enrol.js';
import { connectNodes, raiseStore } from './store/raise.js';
import { storeTopology } from './store/topology.js';
import { topologyOf } from './topology.js';

export interface UpOptions extends PathOptions {
  readonly lab: string;
  readonly cluster: Cluster;
  /** The file that the agents read. */
  readonly configFile: string;
  /** `etcd`: nodes join a store of three members and get everything from there. */
  readonly store?: 'file' | 'etcd';
  /** Takes a lab of that name down first; without it, it is refused. */
  readonly replace?: boolean;
  /** The real agent unless another program is to stand in its place. */
  readonly agentCommand?: AgentCommand;
  readonly readyTimeoutMs?: number;
  readonly onProgress?: OnProgress;
  readonly stateRoot?: string;
}

export async function labUp(options: UpOptions): Promise<Lab> {
  const { lab: name, cluster, onProgress = silent, store = 'file' } = options;
  const agentCommand = options.agentCommand ?? (store === 'etcd' ? fleetAgent : realAgent);
  if (process.getuid?.() !== 0)
    throw new LabError('cannot build network namespaces: run "selvage lab" as root');
  const plan = planLab(cluster, { lab: name, blackHoles: options.blackHoles ?? [] });
  const topology = topologyOf(plan);
  const paths = labPaths(name, options.stateRoot);
  const standing = readManifest(paths);
  if (standing !== undefined) {
    if (options.replace !== true)
      throw new LabError(
        `there is a lab "${name}" already (of ${standing.configFile}); remove it with ` +
          `"selvage lab down ${name}", or build over it with --replace`,
      );
    onProgress({ step: 'removing the old lab', done: 0, total: 1 });
    await removeLab(paths, standing);
  }
  refuseForeign(topology);
  const storeNetwork = store === 'etcd' ? storeTopology(name).namespaces : [];
  let manifest = newManifest({
    lab: name,
    configFile: resolve(options.configFile),
    topologyHash: topologyHash(topology),
    blackHoles: options.blackHoles ?? [],
    namespaces: [...topology.namespaces, ...storeNetwork].map((namespace) => namespace.name),
    ...(store === 'etcd' ? { store } : {}),
  });
  writeManifest(paths, manifest);
  try {
    generateClusterKey(paths.clusterKey);
    const total = topology.namespaces.length;
    onProgress({ step: 'building namespaces', done: 0, total });
    await buildTopology(topology);
    onProgress({ step: 'building namespaces', done: total, total });

    const lab = labOf(plan, paths, manifest);
    const note = (record: ProcessRecord): void => {
      manifest = { ...manifest, processes: [...manifest.processes, record] };
      writeManifest(paths, manifest);
    };
    for (const { runtimeDir, stateDir } of lab.files.values())
      for (const folder of [runtimeDir, stateDir])
        mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (store === 'etcd') await joinAll(lab, { onProgress, onProcess: note });
    const agents = new Map<string, ProcessRecord>();
    for (const node of plan.nodes) {
      const record = await startAgent(lab, node, agentCommand);
      if (record === undefined) continue;
      agents.set(node.name, record);
      note(record);
    }
    let ready = 0;
    onProgress({ step: 'waiting for agents', done: 0, total: agents.size });
    await untilReady(lab, agents, {
      timeoutMs: options.readyTimeoutMs ?? 60_000,
      onReady: (node) =>
        onProgress({
          step: 'waiting for agents',
          done: ++ready,
          total: agents.size,
          detail: `${node} is ready`,
        }),
    });
    manifest = { ...manifest, state: 'up' };
    writeManifest(paths, manifest);
    return labOf(plan, paths, manifest);
  } catch (error) {
    // Half a lab is no use to anybody; agents' logs go with it, so the error quotes them.
    await removeLab(paths, manifest);
    throw error;
  }
}

const storeTimeoutMs = 30_000;

async function joinAll(
  lab: Lab,
  told: { readonly onProgress: OnProgress; readonly onProcess: (record: ProcessRecord) => void },
): Promise<void> {
  const { nodes, cluster } = lab.plan;
  const { onProgress, onProcess } = told;
  const total = nodes.length;
  onProgress({ step: 'raising the store', done: 0, total: 1 });
  const store = await raiseStore({
    lab: lab.name,
    cluster: cluster.name,
    paths: lab.paths,
    timeoutMs: storeTimeoutMs,
    onProcess,
  });
  await connectNodes(lab.name, nodes);
  let joined = 0;
  onProgress({ step: 'joining nodes', done: 0, total });
  await enrol(lab, {
    store,
    onJoined: (node) =>
      onProgress({ step: 'joining nodes', done: ++joined, total, detail: `${node} has joined` }),
  });
}
