/** OpenStack Neutron: an L2 network with port security. */
import type { UnderlayFacts } from './fact.js';
import {
  allowed,
  checkOff,
  fact,
  protocol41Unknown,
  routesPresent,
  unknownVpnMtu,
} from './fact.js';

const neutron = 'OpenStack Networking guide';

export const openstack: UnderlayFacts = {
  provider: 'openstack',
  layer2: { domain: 'subnet', fact: fact('P', neutron, 'a network is one L2 domain') },
  nativeAdjacent: allowed(
    fact('P', neutron, 'needs allowed address pairs, or port security off'),
    checkOff,
  ),
  nativeRouted: allowed(
    fact('P', neutron, 'needs extra routes on the router'),
    checkOff,
    routesPresent,
  ),
  ipip: allowed(
    fact(
      'S',
      'Neutron issue threads',
      'protocol 4 passes if the group admits the number 4 (the name once meant 94)',
    ),
  ),
  ipv6InIpv4: protocol41Unknown,
  vxlan: allowed(fact('P', neutron, 'UDP passes if the security group admits the port')),
  mtu: { bytes: 1450, fact: fact('P', neutron, 'a VXLAN network on a 1500-byte physnet has 1450') },
  externalMtu: unknownVpnMtu,
};
