/** IBM Cloud VPC: addresses are checked until allow_ip_spoofing is set on the interface. */
import type { ProviderUnderlay } from './underlay.js';
import { addressCheck, firewall, knowsWhenTold, ownMacOnly, unlessAdmitted } from './underlay.js';

export const ibm: ProviderUnderlay = {
  provider: 'ibm',
  nicMtu: 1500,
  externalMtu: 1400,
  answersUnreachable: false,
  wiring: () => 'shared',
  knowsOverlay: knowsWhenTold,
  drops: (port) => [
    ownMacOnly,
    ...(port.switches.sourceDestinationCheck === 'disabled'
      ? []
      : addressCheck('IBM IP spoofing check')),
    ...unlessAdmitted(port, 'ipip', 'ipv6InIpv4'),
    ...firewall(port),
  ],
};
