/**
 * DigitalOcean VPC: foreign addresses get through only where a subnet route sends them, and
 * protocol 4 only where no Cloud Firewall (which has no word for it) stands before the droplet.
 */
import type { ProviderUnderlay } from './underlay.js';
import { addressCheck, firewall, knowsWhenTold, ownMacOnly, unlessAdmitted } from './underlay.js';

export const digitalocean: ProviderUnderlay = {
  provider: 'digitalocean',
  nicMtu: 1500,
  externalMtu: 1400,
  answersUnreachable: false,
  wiring: () => 'gateway-proxy',
  knowsOverlay: knowsWhenTold,
  drops: (port) => [
    ownMacOnly,
    ...(knowsWhenTold(port.switches) ? [] : addressCheck('DigitalOcean without a subnet route')),
    ...unlessAdmitted(port, 'ipip', 'ipv6InIpv4'),
    ...firewall(port),
  ],
};
