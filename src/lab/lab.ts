/** A lab that stands: its plan, its files, and where each node's agent is found. */
import type { Cluster } from '../../encap/cluster.js';
import { createHash } from 'node:crypto';
import { type Manifest, requireManifest } from './manifest.js';
import { LabError, type LabPaths, type NodePaths, labPaths, nodePaths } from './names.js';
import { type LabPlan, planLab } from './plan.js';
import { type Topology, topologyOf } from './topology.js';

export interface Lab {
  readonly name: string;
  readonly plan: LabPlan;
  readonly paths: LabPaths;
  readonly manifest: Manifest;
  /** By node name. */
  readonly files: ReadonlyMap<string, NodePaths>;
}

export function labOf(plan: LabPlan, paths: LabPaths, manifest: Manifest): Lab {
  const files = plan.nodes.map((node, index) => [node.name, nodePaths(paths, index)] as const);
  return { name: plan.lab, plan, paths, manifest, files: new Map(files) };
}

/** The lab as another command built it, with the cluster as its file says now. */
export function openLab(
  lab: string,
  options: { readonly cluster: Cluster; readonly stateRoot?: string },
): Lab {
  const paths = labPaths(lab, options.stateRoot);
  const manifest = requireManifest(paths, lab, options.stateRoot);
  if (manifest.state !== 'up')
    throw new LabError(
      `the lab "${lab}" was never finished; remove it with "selvage lab down ${lab}"`,
    );
  const plan = planLab(options.cluster, { lab, blackHoles: manifest.blackHoles });
  if (topologyHash(topologyOf(plan)) !== manifest.topologyHash)
    throw new LabError(
      `the nodes, zones, links or switches in ${manifest.configFile} have changed since the lab ` +
        `"${lab}" was built; build it again with "selvage lab up --replace" (rules alone may change)`,
    );
  const { blackHoles, switches } = manifest;
  return labOf(planLab(options.cluster, { lab, blackHoles, switches }), paths, manifest);
}

export function topologyHash(topology: Topology): string {
  return createHash('sha256').update(JSON.stringify(topology)).digest('hex');
}
