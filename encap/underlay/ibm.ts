/** IBM Cloud VPC. */
import type { UnderlayFacts } from './fact.js';
import {
  allowed,
  checkOff,
  fact,
  protocol41Unknown,
  routesPresent,
  unconfirmed,
  unknownVpnMtu,
} from './fact.js';

const docs = 'IBM Cloud VPC documentation';

export const ibm: UnderlayFacts = {
  provider: 'ibm',
  layer2: {
    domain: 'subnet',
    fact: fact('P', docs, 'needs allow_ip_spoofing for foreign addresses'),
  },
  nativeAdjacent: allowed(
    fact('P', docs, 'foreign addresses pass only with allow_ip_spoofing'),
    checkOff,
  ),
  nativeRouted: allowed(fact('P', docs, 'needs custom routes'), checkOff, routesPresent),
  ipip: unconfirmed(fact('P', docs, 'protocol 4 in security groups is a preview only')),
  ipv6InIpv4: protocol41Unknown,
  vxlan: allowed(
    fact('G', 'general knowledge', 'UDP passes if the security group admits the port'),
  ),
  mtu: { bytes: 1500, fact: fact('G', 'general knowledge', 'instances default to 1500 bytes') },
  externalMtu: unknownVpnMtu,
};
