/** Which nodes an address belongs to: one; with a mistake in the file, several. */
import { type Address, type Family } from '../../encap/address.js';
import { type Cluster, type ClusterNode, underlayAddress } from '../../encap/cluster.js';
import { tunnelAddress } from '../../routes/vtep.js';

const families: readonly Family[] = [4, 6];

/** Where a node listens for probes: its underlay addresses and its tunnel addresses. */
export function probeAddresses(node: ClusterNode): readonly Address[] {
  return families.flatMap((family) =>
    [underlayAddress(node, family)?.address, tunnelAddress(node, family)].filter(
      (address) => address !== undefined,
    ),
  );
}

export class NodeDirectory {
  #cluster: Cluster | undefined;
  #owners = new Map<string, readonly string[]>();

  /** Names of the nodes that this may be a packet of; empty for strangers. */
  ownersOf(address: string, cluster: Cluster): readonly string[] {
    if (this.#cluster !== cluster) {
      this.#owners = indexOf(cluster);
      this.#cluster = cluster;
    }
    return this.#owners.get(address) ?? [];
  }
}

function indexOf(cluster: Cluster): Map<string, readonly string[]> {
  const owners = new Map<string, readonly string[]>();
  for (const node of cluster.nodes.values()) {
    if (node.withdrawn) continue;
    // Behind an address translation it is seen by its public address.
    const addresses = new Set(
      [
        ...node.underlay.map((entry) => entry.address),
        ...node.publicAddresses,
        ...probeAddresses(node),
      ].map(({ text }) => text),
    );
    for (const text of addresses) owners.set(text, [...(owners.get(text) ?? []), node.name]);
  }
  return owners;
}
