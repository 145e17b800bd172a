/** AWS VPC: one L2-like subnet, a check on sources and destinations, routes by table. */
import type { UnderlayFacts } from './fact.js';
import { allowed, checkOff, fact, protocol41Unknown, routesPresent } from './fact.js';

const vpcGuide = 'Amazon VPC user guide';
const mtuGuide = 'Amazon EC2 user guide, network MTU';

export const aws: UnderlayFacts = {
  provider: 'aws',
  layer2: {
    domain: 'subnet',
    fact: fact('P', vpcGuide, 'nodes of one VPC subnet reach each other directly'),
  },
  nativeAdjacent: allowed(
    fact('P', vpcGuide, 'a foreign source or destination passes only with the check off'),
    checkOff,
  ),
  nativeRouted: allowed(
    fact('P', vpcGuide, 'other subnets need a VPC route from the prefix to the network interface'),
    checkOff,
    routesPresent,
  ),
  ipip: allowed(
    fact('P', 'EC2 API, IpPermission', 'protocol 4 passes if the security group admits 4 or -1'),
  ),
  ipv6InIpv4: protocol41Unknown,
  vxlan: allowed(
    fact('P', 'EC2 API, IpPermission', 'VXLAN passes if the security group admits the UDP port'),
  ),
  mtu: { bytes: 9001, fact: fact('P', mtuGuide, 'a VPC carries 9001 bytes') },
  interRegionMtu: {
    bytes: 8500,
    fact: fact('P', mtuGuide, 'inter-region peering and transit gateways carry 8500 bytes'),
  },
  externalMtu: {
    bytes: 1446,
    fact: fact('P', 'AWS Site-to-Site VPN user guide', 'a site-to-site VPN carries 1446 bytes'),
  },
};
