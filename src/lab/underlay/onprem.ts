/**
 * A data centre of one's own: Ethernets behind routers. Nothing checks addresses; a router passes
 * the prefixes that it has learned, which are the underlay's, and the overlay's where the nodes
 * speak BGP to it.
 */
import type { ProviderUnderlay } from './underlay.js';
import { firewall, knowsWhenTold } from './underlay.js';

export const onprem: ProviderUnderlay = {
  provider: 'onprem',
  nicMtu: 1500,
  externalMtu: 1400,
  joinsSegments: true,
  answersUnreachable: true,
  wiring: () => 'shared',
  knowsOverlay: knowsWhenTold,
  drops: firewall,
};

export const onpremBgp: ProviderUnderlay = {
  ...onprem,
  provider: 'onprem-bgp',
  knowsOverlay: (switches) => switches.fabricRoutes !== 'absent',
};
