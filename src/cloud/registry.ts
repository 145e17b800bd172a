/** Every provider that can be detected, a line each. */
import { alibaba } from './alibaba/index.js';
import { aws } from './aws/index.js';
import { azure } from './azure/index.js';
import { digitalocean } from './digitalocean/index.js';
import { gce } from './gce/index.js';
import { hetzner } from './hetzner/index.js';
import { ibm } from './ibm/index.js';
import type { CloudProviderName } from './machine.js';
import { oci } from './oci/index.js';
import { openstack } from './openstack/index.js';
import type { CloudProvider } from './provider.js';

export const cloudRegistry: Readonly<Record<CloudProviderName, CloudProvider>> = {
  aws,
  gce,
  azure,
  openstack,
  ibm,
  oci,
  hetzner,
  digitalocean,
  alibaba,
};
