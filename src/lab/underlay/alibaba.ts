/** Alibaba Cloud VPC: security groups have no protocol 4; foreign addresses need a route entry. */
import type { ProviderUnderlay } from './underlay.js';
import { addressCheck, firewall, knowsWhenTold, ownMacOnly, unlessAdmitted } from './underlay.js';

export const alibaba: ProviderUnderlay = {
  provider: 'alibaba',
  nicMtu: 1500,
  externalMtu: 1400,
  answersUnreachable: false,
  wiring: () => 'gateway-proxy',
  knowsOverlay: knowsWhenTold,
  drops: (port) => [
    ownMacOnly,
    ...(knowsWhenTold(port.switches) ? [] : addressCheck('Alibaba without a route entry')),
    ...unlessAdmitted(port, 'ipip', 'ipv6InIpv4'),
    ...firewall(port),
  ],
};
