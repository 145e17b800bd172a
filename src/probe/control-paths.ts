/** The pairs of addresses on which two nodes can talk about probes. */
import type { Family } from '../../encap/address.js';
import type { ClusterNode } from '../../encap/cluster.js';
import { underlayAddress } from '../../encap/cluster.js';
import type { OuterEnds } from '../../encap/trail.js';
import { tunnelAddress } from '../../routes/vtep.js';
import type { ControlPath } from './control.js';
import type { ProbeEndpoint } from './endpoint.js';

const families: readonly Family[] = [4, 6];

/** The two nodes' own underlay addresses, one pair a family that both have. */
export function underlayEnds(
  self: ClusterNode,
  peer: ClusterNode,
): readonly Pick<OuterEnds, 'family' | 'local' | 'remote'>[] {
  return families.flatMap((family) => {
    const local = underlayAddress(self, family)?.address;
    const remote = underlayAddress(peer, family)?.address;
    return local === undefined || remote === undefined ? [] : [{ family, local, remote }];
  });
}

/** The underlay's, and as a spare way those through the tunnels. */
export function controlPaths(
  endpoint: ProbeEndpoint,
  pair: {
    readonly self: ClusterNode;
    readonly peer: ClusterNode;
    readonly ends: readonly Pick<OuterEnds, 'family' | 'local' | 'remote'>[];
  },
): readonly ControlPath[] {
  const underlay = pair.ends.map(
    ({ family, local, remote }) => ({ kind: 'underlay', family, from: local, to: remote }) as const,
  );
  const tunnel = families.flatMap((family) => {
    const from = tunnelAddress(pair.self, family);
    const to = tunnelAddress(pair.peer, family);
    if (from === undefined || to === undefined || !endpoint.listensOn(from)) return [];
    return [{ kind: 'tunnel', family, from, to } as const];
  });
  return [...underlay, ...tunnel];
}
