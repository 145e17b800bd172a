/** Hetzner Cloud: an L3 gateway for cloud subnets, true L2 on a vSwitch (declare a segment). */
import type { UnderlayFacts } from './fact.js';
import { allowed, fact, protocol41Unknown, routesPresent, unknownVpnMtu } from './fact.js';

const docs = 'Hetzner Cloud networks documentation';

export const hetzner: UnderlayFacts = {
  provider: 'hetzner',
  layer2: {
    domain: 'declared',
    fact: fact('P', docs, 'cloud subnets have an L3 gateway; only a vSwitch is an L2 domain'),
  },
  nativeAdjacent: allowed(fact('P', docs, 'a vSwitch passes any address')),
  nativeRouted: allowed(
    fact('P', docs, 'needs a network route from the prefix to the server'),
    routesPresent,
  ),
  ipip: allowed(fact('S', 'user reports', 'protocol 4 passes on private networks')),
  ipv6InIpv4: protocol41Unknown,
  vxlan: allowed(fact('G', 'general knowledge', 'UDP passes on private networks')),
  mtu: { bytes: 1450, fact: fact('P', docs, 'private networks carry 1450 bytes') },
  externalMtu: unknownVpnMtu,
};
