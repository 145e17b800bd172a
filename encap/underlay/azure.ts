/** Azure virtual network: no L2 semantics, and IP-in-IP never passes. */
import type { UnderlayFacts } from './fact.js';
import { allowed, fact, forbidden, forwardingOn, routesPresent } from './fact.js';

const faq = 'Azure virtual-networks-faq.md';
const mtuGuide = 'Azure TCP/IP performance tuning';

export const azure: UnderlayFacts = {
  provider: 'azure',
  layer2: {
    domain: 'none',
    fact: fact('P', faq, 'virtual networks have no layer-2 semantics'),
  },
  nativeAdjacent: forbidden(fact('P', faq, 'virtual networks have no layer-2 semantics')),
  nativeRouted: allowed(
    fact('P', faq, 'needs a user-defined route and IP forwarding on the network interface'),
    forwardingOn,
    routesPresent,
  ),
  ipip: forbidden(fact('P', faq, 'Azure drops IP-in-IP packets (IP protocol 4)')),
  ipv6InIpv4: forbidden(
    fact('P', faq, 'Azure carries TCP, UDP and ICMP; encapsulation in IP is dropped'),
  ),
  vxlan: allowed(fact('P', faq, 'UDP passes')),
  mtu: {
    bytes: 1400,
    fact: fact(
      'P',
      mtuGuide,
      'NICs have 1500, but the stack fragments at 1400 and drops out-of-order fragments',
    ),
  },
  externalMtu: { bytes: 1400, fact: fact('P', mtuGuide, 'IPsec carries 1400 bytes') },
};
