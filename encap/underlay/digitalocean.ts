/** DigitalOcean VPC. */
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

const notL2 = fact('S', 'user reports', 'foreign addresses do not pass inside a VPC');

export const digitalocean: UnderlayFacts = {
  provider: 'digitalocean',
  layer2: { domain: 'none', fact: notL2 },
  nativeAdjacent: forbidden(notL2),
  nativeRouted: allowed(
    fact('P', 'DigitalOcean VPC documentation', 'subnet routes are in preview'),
    routesPresent,
  ),
  ipip: unconfirmed(fact('S', 'user reports', 'protocol 4 passes only without a Cloud Firewall')),
  ipv6InIpv4: protocol41Unknown,
  vxlan: allowed(fact('S', 'user reports', 'UDP passes')),
  mtu: { bytes: 1500, fact: fact('G', 'general knowledge', 'a VPC carries 1500 bytes') },
  externalMtu: unknownVpnMtu,
};
