/** Which entries of the kernel's tables an explanation of one destination looks at. */
import type { Address } from '../../encap/address.js';
import type { ClusterNode } from '../../encap/cluster.js';
import { desiredRoute, peerEntries } from '../../routes/desired-index.js';
import { tunnelAddress, vtepMac } from '../../routes/vtep.js';
import type { KernelInterest } from '../../tunnel/kernel-interest.js';
import type { NodeReading } from './reading.js';

export interface InterestQuestion {
  readonly destination?: Address | undefined;
  /** Who owns it, where that is another node. */
  readonly peer: ClusterNode | undefined;
}

export function interestOf(
  { snapshot, desired, node }: Pick<NodeReading, 'snapshot' | 'desired' | 'node'>,
  { destination, peer }: InterestQuestion,
): KernelInterest {
  const { cluster } = snapshot;
  const { objects } = desired;
  const nextHops = (peer?.overlay ?? []).flatMap((prefix) => {
    const target = desiredRoute(objects, prefix)?.target;
    return target?.kind === 'unicast' ? (target.gateway ?? []) : [];
  });
  const ownAddresses = ([4, 6] as const).flatMap(
    (family) => (peer && tunnelAddress(peer, family)) ?? [],
  );
  const outer = peer === undefined ? [] : peer.underlay.map(({ address }) => address);
  const entries = peer === undefined ? [] : peerEntries(objects, { cluster: cluster.name, peer });
  return {
    addresses: [
      ...(destination === undefined ? [] : [destination]),
      ...ownAddresses,
      ...nextHops,
      ...outer,
      ...(peer?.publicAddresses ?? []),
      ...entries.map(({ remote }) => remote),
    ],
    // Routes to workloads: behind which devices are they?
    within: cluster.nodes.get(node)?.overlay ?? [],
    macs: [
      ...(peer === undefined ? [] : [vtepMac(cluster.name, peer.name)]),
      ...entries.map(({ mac }) => mac),
    ],
  };
}
