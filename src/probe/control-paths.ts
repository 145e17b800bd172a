/** The pairs of addresses on which two nodes can talk about probes. */
import type { Family } from '../../encap/address.js';
import type { ClusterNode } from '../../encap/cluster.js';
import type { OuterEnds } from '../../encap/trail.js';
import { tunnelAddress } from '../../routes/vtep.js';
import type { ControlPath } from './control.js';
import type { ProbeEndpoint } from './endpoint.js';

const families: readonly Family[] = [4, 6];

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
