/**
 * Google Compute Engine: a NIC sees its gateway and nobody else. Packets with addresses that are
 * not the instance's own need canIpForward, and a route to find their way back.
 */
import type { ProviderUnderlay } from './underlay.js';
import { addressCheck, firewall, knowsWhenTold, ownMacOnly, unlessAdmitted } from './underlay.js';

export const gce: ProviderUnderlay = {
  provider: 'gce',
  nicMtu: 1460,
  externalMtu: 1440,
  hostMask: true,
  answersUnreachable: false,
  wiring: () => 'gateway',
  knowsOverlay: knowsWhenTold,
  drops: (port) => [
    ownMacOnly,
    ...(port.switches.ipForwarding === 'enabled' ? [] : addressCheck('GCE without canIpForward')),
    ...unlessAdmitted(port, 'ipv6InIpv4'),
    ...firewall(port),
  ],
};
