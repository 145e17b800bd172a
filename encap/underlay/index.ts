/** The registry of providers: one file each, one line here. */
import type { Provider } from '../cluster.js';
import { alibaba } from './alibaba.js';
import { aws } from './aws.js';
import { azure } from './azure.js';
import { digitalocean } from './digitalocean.js';
import type { UnderlayFacts } from './fact.js';
import { gce } from './gce.js';
import { hetzner } from './hetzner.js';
import { ibm } from './ibm.js';
import { oci } from './oci.js';
import { onprem, onpremBgp } from './onprem.js';
import { openstack } from './openstack.js';

export type UnderlayTable = Readonly<Record<Provider, UnderlayFacts>>;

export const underlayFacts: UnderlayTable = Object.freeze({
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
