/**
 * Azure virtual network: the mask looks like a subnet, and the host answers every ARP itself; no
 * frame ever reaches a neighbour directly. IP in IP is dropped by the platform, whatever the
 * security group says. The fabric splits what is above 1400 bytes and loses pieces that arrive out
 * of order; here it answers as a router with a smaller link would, so that a sender that relies on
 * more than 1400 is caught.
 */
import type { ProviderUnderlay } from './underlay.js';
import { addressCheck, firewall, knowsWhenTold, neverCarried, ownMacOnly } from './underlay.js';

export const azure: ProviderUnderlay = {
  provider: 'azure',
  nicMtu: 1500,
  fabricMtu: 1400,
  externalMtu: 1400,
  answersUnreachable: false,
  wiring: () => 'gateway-proxy',
  knowsOverlay: knowsWhenTold,
  drops: (port) => [
    ownMacOnly,
    neverCarried(4, 'Azure carries no IP in IP (protocol 4)'),
    neverCarried(41, 'Azure carries no IPv6 in IPv4 (protocol 41)'),
    neverCarried(47, 'Azure carries no GRE (protocol 47)'),
    ...(port.switches.ipForwarding === 'enabled'
      ? []
      : addressCheck('Azure without NIC IP forwarding')),
    ...firewall(port),
  ],
};
