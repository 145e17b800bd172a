/**
 * AWS VPC. The hypervisor compares source and destination of each packet with the interface's
 * addresses while the check is on (it is, until somebody switches it off); between subnets the VPC
 * router knows the subnets, and a prefix of workloads only by an entry in the route table.
 */
import type { ProviderUnderlay } from './underlay.js';
import { addressCheck, firewall, knowsWhenTold, ownMacOnly, unlessAdmitted } from './underlay.js';

export const aws: ProviderUnderlay = {
  provider: 'aws',
  nicMtu: 9001,
  interRegionMtu: 8500,
  externalMtu: 1446,
  answersUnreachable: false,
  wiring: () => 'shared',
  knowsOverlay: knowsWhenTold,
  drops: (port) => [
    ownMacOnly,
    ...(port.switches.sourceDestinationCheck === 'disabled'
      ? []
      : addressCheck('AWS source/destination check')),
    ...unlessAdmitted(port, 'ipv6InIpv4'),
    ...firewall(port),
  ],
};
