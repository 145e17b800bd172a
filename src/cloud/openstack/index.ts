/** OpenStack, and the public clouds made of it. */
import { dmiMatch } from '../dmi-match.js';
import type { CloudProvider } from '../provider.js';
import { openstackEndpointVariable, openstackMachine } from './metadata.js';

/** Operators of clouds change the tag, or the product, or neither. */
const product = /^OpenStack (Nova|Compute)$/;

export const openstack: CloudProvider = {
  name: 'openstack',
  recognises: (dmi) =>
    dmiMatch(dmi, {
      productName: product,
      chassisAssetTag: /^(OpenStack (Nova|Compute)|OpenTelekomCloud|SAP CCloud VM|HUAWEICLOUD)$/,
      sysVendor: /^OpenStack Foundation$/,
    }),
  endpointVariable: openstackEndpointVariable,
  machine: openstackMachine,
  control: async (machine, env) => (await import('./control.js')).openNeutron(machine, env),
};
