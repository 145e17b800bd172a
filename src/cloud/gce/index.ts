/** Google Compute Engine. */
import { dmiMatch } from '../dmi-match.js';
import type { CloudProvider } from '../provider.js';
import { gceMachine } from './metadata.js';
import { gceEndpointVariable } from './metadata-client.js';

export const gce: CloudProvider = {
  name: 'gce',
  recognises: (dmi) =>
    dmiMatch(dmi, { productName: /^Google Compute Engine$/, biosVendor: /^Google$/ }),
  endpointVariable: gceEndpointVariable,
  machine: gceMachine,
  control: async (machine, env) => (await import('./control.js')).openCompute(machine, env),
};
