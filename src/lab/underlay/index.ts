/** The networks that the lab can build: one file a provider, one line here. */
import type { Provider } from '../../../encap/cluster.js';
import { alibaba } from './alibaba.js';
import { aws } from './aws.js';
import { azure } from './azure.js';
import { digitalocean } from './digitalocean.js';
import { gce } from './gce.js';
import { hetzner } from './hetzner.js';
import { ibm } from './ibm.js';
import { oci } from './oci.js';
import { onprem, onpremBgp } from './onprem.js';
import { openstack } from './openstack.js';
import type { ProviderUnderlay } from './underlay.js';

export const providerUnderlays: Readonly<Record<Provider, ProviderUnderlay>> = Object.freeze({
  aws,
  gce,
  azure,
  openstack,
  hetzner,
  digitalocean,
  ibm,
  oci,
  alibaba,
  onprem,
  'onprem-bgp': onpremBgp,
});
