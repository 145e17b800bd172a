/** Raises the store of a lab: its network, its certificates, its three members. */
import { buildTopology, refuseForeign } from '../build.js';
import type { LabPaths } from '../names.js';
import type { ProcessRecord } from '../processes.js';
import { ipBatch } from '../shell.js';
import type { NodePlan } from '../plan.js';
import { makeCertificates } from './certificates.js';
import { startMember, untilHealthy } from './members.js';
import {
  type StoreMember,
  clientPort,
  managementCables,
  storeMembers,
  storeTopology,
} from './topology.js';

export interface LabStore {
  /** As `--store` takes it. */
  readonly address: string;
  /** Authority of the members' certificates. */
  readonly ca: string;
  readonly members: readonly StoreMember[];
  /** In the order of the members. */
  readonly processes: readonly ProcessRecord[];
}

/** The store of a lab that stands, or is about to. */
export function storeAddress(lab: string, cluster: string): string {
  const ends = storeMembers(lab).map(({ address }) => `${address}:${clientPort}`);
  return `etcd://${ends.join(',')}/${cluster}`;
}

/** Member by member, so that its processes are in the manifest before anything can go wrong. */
export async function raiseStore(options: {
  readonly lab: string;
  readonly cluster: string;
  readonly paths: LabPaths;
  readonly timeoutMs: number;
  readonly onProcess: (record: ProcessRecord) => void;
}): Promise<LabStore> {
  const { lab, cluster, paths, timeoutMs, onProcess } = options;
  const topology = storeTopology(lab);
  refuseForeign(topology);
  await buildTopology(topology);
  const members = storeMembers(lab);
  const folder = paths.store;
  const certificates = await makeCertificates(
    folder,
    members.map(({ address }) => address),
  );
  const processes: ProcessRecord[] = [];
  for (const member of members) {
    const record = await startMember(member, { members, folder, certificates });
    processes.push(record);
    onProcess(record);
  }
  await untilHealthy(members, { processes, folder, certificates, timeoutMs });
  return { address: storeAddress(lab, cluster), ca: certificates.ca, members, processes };
}

/** Gives every node its way to the store. */
export async function connectNodes(lab: string, nodes: readonly NodePlan[]): Promise<void> {
  const { cables, hub, ends } = managementCables(lab, nodes);
  await ipBatch(cables);
  await ipBatch(hub.lines, { namespace: hub.namespace });
  for (const { namespace, lines } of ends) await ipBatch(lines, { namespace });
}
