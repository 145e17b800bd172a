/** Hetzner Cloud. */
import { dmiMatch } from '../dmi-match.js';
import type { CloudProvider } from '../provider.js';
import { hetznerEndpointVariable, hetznerMachine } from './metadata.js';

export const hetzner: CloudProvider = {
  name: 'hetzner',
  recognises: (dmi) => dmiMatch(dmi, { sysVendor: /^Hetzner$/ }),
  endpointVariable: hetznerEndpointVariable,
  machine: hetznerMachine,
};
