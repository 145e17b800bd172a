/**
 * The one place where a snapshot is put together, for the agent, for one-shot commands and for the
 * offline explanation alike: the cluster, and what this node's own kernel says.
 */
import type { Family } from '../../encap/address.js';
import type {
  Cluster,
  ClusterNode,
  LocalFacts,
  Nic,
  ProbeResults,
  Snapshot,
  UnderlayRoute,
} from '../../encap/cluster.js';
import type { KernelState } from '../../tunnel/kernel.js';
import { isOwnDeviceName } from '../../routes/ownership.js';

export interface AssembleInput {
  readonly cluster: Cluster;
  /** Name of the node whose kernel `kernel` is. */
  readonly node: string;
  /** Undefined: no kernel was asked, the snapshot then has no local facts. */
  readonly kernel: KernelState | undefined;
  readonly underlayRoutes?: ReadonlyMap<string, UnderlayRoute>;
  /** What the node's own probes have found. */
  readonly probes?: ProbeResults | undefined;
}

export function assembleSnapshot(input: AssembleInput): Snapshot {
  const { cluster, node: name, kernel, underlayRoutes = new Map(), probes } = input;
  const node = cluster.nodes.get(name);
  if (node === undefined || kernel === undefined) return { cluster, local: undefined };
  const local = localFacts(node, kernel, { underlayRoutes });
  return { cluster, local: probes === undefined ? local : { ...local, probes } };
}

/** Underlay addresses of the node that no device of this kernel has: one line each. */
export function missingAddresses(node: ClusterNode, kernel: KernelState): readonly string[] {
  return node.underlay
    .filter((entry) => nicOf(kernel, entry.address.text) === undefined)
    .map(
      (entry) =>
        `no device here has ${entry.address.text}, the address of node ${node.name}: start the agent on that node, or correct its address in the file`,
    );
}

function localFacts(
  node: ClusterNode,
  kernel: KernelState,
  options: { readonly underlayRoutes: ReadonlyMap<string, UnderlayRoute> },
): LocalFacts {
  const nics: Partial<Record<Family, Nic>> = {};
  for (const { address } of node.underlay) {
    const nic = nicOf(kernel, address.text);
    if (nic !== undefined) nics[address.family] = nic;
  }
  return { node: node.name, nics, underlayRoutes: options.underlayRoutes };
}

function nicOf(kernel: KernelState, address: string): Nic | undefined {
  const holder = kernel.addresses.find(
    (entry) => entry.address.address.text === address && !isOwnDeviceName(entry.device),
  );
  const link = kernel.links.find((entry) => entry.name === holder?.device);
  return link === undefined ? undefined : { name: link.name, mtu: link.mtu };
}
