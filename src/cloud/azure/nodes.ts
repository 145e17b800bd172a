/** Which NIC each node of the cluster has: by its address, in this network rather than in another. */
import type { Address } from '../../../encap/address.js';
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import { readAddress, readMac } from '../json-values.js';
import type { MachineFacts } from '../machine.js';
import { type AzureNic, key, networkOf } from './wire.js';

export interface AzureNode {
  readonly node: ClusterNode;
  readonly nic: AzureNic;
  /** Id of the subnet that the node's address is in. */
  readonly subnet: string;
  /** Id of its virtual network. */
  readonly network: string;
  readonly addresses: readonly Address[];
}

/** This machine's NIC that carries the node's address. */
export function ownNode(
  self: ClusterNode,
  nics: readonly AzureNic[],
  machine: MachineFacts,
): AzureNode | undefined {
  const macs = new Set(machine.nics.flatMap(({ mac }) => mac ?? []));
  return nics
    .filter(
      (nic) =>
        (machine.instanceName !== undefined &&
          key(nic.virtualMachine) === key(machine.instanceName)) ||
        macs.has(readMac(nic.mac) ?? ''),
    )
    .flatMap((nic) => nodeAt(self, nic) ?? [])[0];
}

export function azureNodes(
  cluster: Cluster,
  nics: readonly AzureNic[],
  own: AzureNode,
): ReadonlyMap<string, AzureNode> {
  const byAddress = new Map<string, AzureNic[]>();
  for (const nic of nics)
    for (const address of addressesOf(nic))
      byAddress.set(address.text, [...(byAddress.get(address.text) ?? []), nic]);
  const found = new Map<string, AzureNode>();
  for (const node of cluster.nodes.values()) {
    if (node.withdrawn || cluster.zones.get(node.zone)?.provider !== 'azure') continue;
    const candidates = node.underlay
      .flatMap(({ address }) => byAddress.get(address.text) ?? [])
      .flatMap((nic) => nodeAt(node, nic) ?? []);
    const near = candidates.filter(({ network }) => key(network) === key(own.network));
    // Two networks may use one address; then only ours is certain.
    const entry =
      near[0] ?? (new Set(candidates.map(({ nic }) => nic)).size === 1 ? candidates[0] : undefined);
    if (node.name === own.node.name) found.set(node.name, own);
    else if (entry !== undefined) found.set(node.name, entry);
  }
  return found;
}

function addressesOf(nic: AzureNic): readonly Address[] {
  return nic.configurations.flatMap(({ address }) => readAddress(address) ?? []);
}

function nodeAt(node: ClusterNode, nic: AzureNic): AzureNode | undefined {
  const wanted = new Set(node.underlay.map(({ address }) => address.text));
  const entry = nic.configurations.find(({ address }) =>
    wanted.has(readAddress(address)?.text ?? ''),
  );
  const network = networkOf(entry?.subnet);
  if (entry?.subnet === undefined || network === undefined) return undefined;
  const addresses = addressesOf(nic).filter(({ text }) => wanted.has(text));
  return { node, nic, subnet: entry.subnet, network, addresses };
}
