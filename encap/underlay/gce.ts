/** Google Compute Engine: pure L3, every NIC a /32 behind the gateway. */
import type { UnderlayFacts } from './fact.js';
import {
  allowed,
  fact,
  forbidden,
  forwardingOn,
  protocol41Unknown,
  routesPresent,
} from './fact.js';

const vpcMtu = 'Google Cloud VPC, maximum transmission unit';
const pureL3 = fact(
  'P',
  'Calico determine-best-networking.mdx',
  'the network is pure L3: every NIC is a /32 behind a gateway',
);

export const gce: UnderlayFacts = {
  provider: 'gce',
  layer2: { domain: 'none', fact: pureL3 },
  nativeAdjacent: forbidden(pureL3),
  nativeRouted: allowed(
    fact(
      'P',
      'Google Cloud VPC routes',
      'needs a VPC route from the prefix to the instance, and canIpForward',
    ),
    forwardingOn,
    routesPresent,
  ),
  ipip: allowed(
    fact('P', 'kops GCE firewall model', 'protocol 4 passes if a firewall rule allows ipip'),
  ),
  ipv6InIpv4: protocol41Unknown,
  vxlan: allowed(
    fact('S', 'Google Cloud firewall rules', 'VXLAN passes if a firewall rule allows udp:PORT'),
  ),
  mtu: { bytes: 1460, fact: fact('P', vpcMtu, 'the default VPC MTU is 1460 bytes') },
  externalMtu: { bytes: 1440, fact: fact('P', vpcMtu, 'an Interconnect may be as small as 1440') },
};
