/** A data centre of one's own: plain L2 segments behind routers, or routers that speak BGP. */
import type { UnderlayFacts } from './fact.js';
import {
  allowed,
  fact,
  protocol41Unknown,
  routesPresent,
  unconfirmed,
  unknownVpnMtu,
} from './fact.js';

const general = 'general knowledge';

export const onprem: UnderlayFacts = {
  provider: 'onprem',
  layer2: { domain: 'subnet', fact: fact('P', general, 'a subnet is one L2 domain') },
  nativeAdjacent: allowed(fact('P', 'RFC 826', 'neighbours of a segment pass any address')),
  nativeRouted: allowed(
    fact('P', 'RFC 1812', 'routers pass only prefixes that they have learned'),
    routesPresent,
  ),
  ipip: unconfirmed(fact('G', general, 'protocol 4 passes unless a firewall drops it')),
  ipv6InIpv4: protocol41Unknown,
  vxlan: allowed(
    fact(
      'S',
      'VMware NSX reports',
      'UDP passes; NSX hosts drop port 8472 or 4789, so it can be set',
    ),
  ),
  mtu: { bytes: 1500, fact: fact('P', 'IEEE 802.3', 'Ethernet carries 1500 bytes') },
  externalMtu: unknownVpnMtu,
};

export const onpremBgp: UnderlayFacts = {
  ...onprem,
  provider: 'onprem-bgp',
  nativeRouted: allowed(
    fact('P', 'RFC 4271', 'the top-of-rack routers have learned the overlay prefixes'),
  ),
};
