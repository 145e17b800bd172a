/**
 * OpenStack Neutron: a real L2 network (itself a VXLAN, hence 1450) where port security filters
 * each port by its addresses until it is switched off or pairs of addresses are allowed.
 */
import type { ProviderUnderlay } from './underlay.js';
import { addressCheck, firewall, knowsWhenTold, ownMacOnly, unlessAdmitted } from './underlay.js';

export const openstack: ProviderUnderlay = {
  provider: 'openstack',
  nicMtu: 1450,
  externalMtu: 1400,
  answersUnreachable: false,
  wiring: () => 'shared',
  knowsOverlay: knowsWhenTold,
  drops: (port) => [
    ownMacOnly,
    ...(port.switches.sourceDestinationCheck === 'disabled'
      ? []
      : addressCheck('OpenStack port security')),
    ...unlessAdmitted(port, 'ipv6InIpv4'),
    ...firewall(port),
  ],
};
