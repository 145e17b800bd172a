/** Alibaba Cloud VPC. */
import type { UnderlayFacts } from './fact.js';
import {
  allowed,
  fact,
  forbidden,
  protocol41Unknown,
  routesPresent,
  unconfirmed,
  unknownVpnMtu,
} from './fact.js';

const docs = 'Alibaba Cloud VPC documentation';
const notL2 = fact('G', 'general knowledge', 'foreign addresses are assumed to be dropped');

export const alibaba: UnderlayFacts = {
  provider: 'alibaba',
  layer2: { domain: 'none', fact: notL2 },
  nativeAdjacent: forbidden(notL2),
  nativeRouted: allowed(fact('P', docs, 'needs a CreateRouteEntry to the instance'), routesPresent),
  ipip: unconfirmed(fact('P', docs, 'security groups know no protocol 4')),
  ipv6InIpv4: protocol41Unknown,
  vxlan: allowed(
    fact('G', 'general knowledge', 'UDP passes if the security group admits the port'),
  ),
  mtu: {
    bytes: 1500,
    fact: fact('P', docs, 'instances carry 1500 bytes (8500 on listed families)'),
  },
  externalMtu: unknownVpnMtu,
};
