/** Microsoft Azure. */
import { dmiMatch } from '../dmi-match.js';
import type { CloudProvider } from '../provider.js';
import { azureMachine } from './metadata.js';
import { azureEndpointVariable } from './metadata-client.js';

export const azure: CloudProvider = {
  name: 'azure',
  // The vendor and the product are the same on every Hyper-V; this tag is Azure's alone.
  recognises: (dmi) => dmiMatch(dmi, { chassisAssetTag: /^7783-7084-3265-9085-8269-3286-77$/ }),
  endpointVariable: azureEndpointVariable,
  machine: azureMachine,
  control: async (machine, env) => (await import('./control.js')).openResourceManager(machine, env),
};
