/** Oracle Cloud Infrastructure VCN. */
import type { UnderlayFacts } from './fact.js';
import { allowed, checkOff, fact, protocol41Unknown, routesPresent } from './fact.js';

const docs = 'OCI networking documentation';

export const oci: UnderlayFacts = {
  provider: 'oci',
  layer2: {
    domain: 'subnet',
    fact: fact('P', docs, 'foreign addresses need skipSourceDestCheck on the VNIC'),
  },
  nativeAdjacent: allowed(
    fact('P', docs, 'foreign addresses pass only with skipSourceDestCheck'),
    checkOff,
  ),
  nativeRouted: allowed(
    fact('P', docs, 'needs a route table entry to the private IP, and skipSourceDestCheck'),
    checkOff,
    routesPresent,
  ),
  ipip: {
    ...allowed(fact('S', 'user reports', 'protocol 4 is known to pass inside one subnet only')),
    sameSubnetOnly: true,
  },
  ipv6InIpv4: protocol41Unknown,
  vxlan: allowed(fact('G', 'general knowledge', 'UDP passes if the security list admits the port')),
  mtu: { bytes: 9000, fact: fact('P', docs, 'a VCN carries 9000 bytes') },
  externalMtu: {
    bytes: 1400,
    fact: fact('P', docs, 'the internet gateway drops above 1500, and a VPN takes its share'),
  },
};
