/** DigitalOcean. */
import { dmiMatch } from '../dmi-match.js';
import type { CloudProvider } from '../provider.js';
import { digitaloceanEndpointVariable, digitaloceanMachine } from './metadata.js';

export const digitalocean: CloudProvider = {
  name: 'digitalocean',
  recognises: (dmi) => dmiMatch(dmi, { sysVendor: /^DigitalOcean$/ }),
  endpointVariable: digitaloceanEndpointVariable,
  machine: digitaloceanMachine,
};
