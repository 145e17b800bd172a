/**
 * Hetzner Cloud networks: an L3 gateway that answers ARP for the whole network and follows the
 * network's routes; a vSwitch (a declared segment) is an Ethernet.
 */
import type { ProviderUnderlay } from './underlay.js';
import { firewall, knowsWhenTold, unlessAdmitted } from './underlay.js';

export const hetzner: ProviderUnderlay = {
  provider: 'hetzner',
  nicMtu: 1450,
  externalMtu: 1400,
  joinsSegments: true,
  answersUnreachable: false,
  wiring: (subnet) => (subnet.segment === undefined ? 'gateway-proxy' : 'shared'),
  knowsOverlay: knowsWhenTold,
  drops: (port) => [...unlessAdmitted(port, 'ipv6InIpv4'), ...firewall(port)],
};
