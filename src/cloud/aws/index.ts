/** Amazon Web Services: EC2 in a VPC. */
import { dmiMatch } from '../dmi-match.js';
import type { CloudProvider } from '../provider.js';
import { awsMachine } from './metadata.js';
import { awsEndpointVariable } from './metadata-imds.js';

export const aws: CloudProvider = {
  name: 'aws',
  // Nitro says so itself; under Xen the hypervisor's version does.
  recognises: (dmi) =>
    dmiMatch(dmi, {
      sysVendor: /^Amazon EC2$/,
      biosVendor: /^Amazon EC2$/,
      productVersion: /\.amazon$/,
    }),
  endpointVariable: awsEndpointVariable,
  machine: awsMachine,
  control: async (machine, env) => (await import('./control.js')).openEc2(machine, env),
};
