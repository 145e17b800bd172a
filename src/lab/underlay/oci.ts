/**
 * Oracle Cloud VCN: the VNIC checks addresses until skipSourceDestCheck is set, and protocol 4 is
 * known to arrive from the own subnet only.
 */
import type { ProviderUnderlay } from './underlay.js';
import { addressCheck, firewall, knowsWhenTold, ownMacOnly, unlessAdmitted } from './underlay.js';

export const oci: ProviderUnderlay = {
  provider: 'oci',
  nicMtu: 9000,
  externalMtu: 1400,
  answersUnreachable: false,
  wiring: () => 'shared',
  knowsOverlay: knowsWhenTold,
  drops: (port) => [
    ownMacOnly,
    ...(port.switches.sourceDestinationCheck === 'disabled'
      ? []
      : addressCheck('OCI source/destination check')),
    {
      when: 'protocol',
      direction: 'to-node',
      protocol: 4,
      outside: port.subnets,
      because: 'OCI carries protocol 4 within one subnet only',
    },
    ...unlessAdmitted(port, 'ipv6InIpv4'),
    ...firewall(port),
  ],
};
