/** Which instance each node of the cluster is: by its address, in the network that we are in. */
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import type { Prefix } from '../../../encap/prefix.js';
import type { MachineFacts } from '../machine.js';
import { readAddress, readPrefixes } from '../json-values.js';
import type { ComputeInstance, ComputeNic } from './wire.js';

export interface GceNode {
  readonly node: ClusterNode;
  readonly instance: ComputeInstance;
  readonly nic: ComputeNic;
  /** Ranges that the network delivers to the NIC of its own accord. */
  readonly aliases: readonly Prefix[];
}

/** This machine's own instance. */
export function ownInstance(
  instances: readonly ComputeInstance[],
  machine: MachineFacts,
): ComputeInstance | undefined {
  return instances.find((instance) =>
    instance.id !== undefined && machine.instanceId !== undefined
      ? instance.id === machine.instanceId
      : instance.name === machine.instanceName && instance.zone === machine.zone,
  );
}

/** The NIC that carries the node's underlay address. */
export function ownNic(instance: ComputeInstance, node: ClusterNode): ComputeNic | undefined {
  const wanted = new Set(node.underlay.map(({ address }) => address.text));
  return instance.nics.find((nic) =>
    nic.addresses.some((text) => wanted.has(readAddress(text)?.text ?? '')),
  );
}

/** Nodes of zones of this provider; two clouds may use the same private addresses. */
export function gceNodes(
  cluster: Cluster,
  instances: readonly ComputeInstance[],
  network: string,
): ReadonlyMap<string, GceNode> {
  const byAddress = new Map<string, { instance: ComputeInstance; nic: ComputeNic }>();
  for (const instance of instances)
    for (const nic of instance.nics) {
      if (nic.network !== network) continue;
      for (const text of nic.addresses) {
        const address = readAddress(text);
        if (address !== undefined) byAddress.set(address.text, { instance, nic });
      }
    }
  const found = new Map<string, GceNode>();
  for (const node of cluster.nodes.values()) {
    if (node.withdrawn || cluster.zones.get(node.zone)?.provider !== 'gce') continue;
    for (const { address } of node.underlay) {
      const entry = byAddress.get(address.text);
      if (entry === undefined) continue;
      found.set(node.name, { node, ...entry, aliases: readPrefixes(entry.nic.aliases) });
      break;
    }
  }
  return found;
}
