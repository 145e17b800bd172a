/** Oracle Cloud Infrastructure. */
import { dmiMatch } from '../dmi-match.js';
import type { CloudProvider } from '../provider.js';
import { ociEndpointVariable, ociMachine } from './metadata.js';

export const oci: CloudProvider = {
  name: 'oci',
  recognises: (dmi) => dmiMatch(dmi, { chassisAssetTag: /^OracleCloud\.com$/ }),
  endpointVariable: ociEndpointVariable,
  machine: ociMachine,
};
