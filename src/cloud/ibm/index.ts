/** IBM Cloud, servers in a VPC. */
import { dmiMatch } from '../dmi-match.js';
import type { CloudProvider } from '../provider.js';
import { ibmEndpointVariable, ibmMachine } from './metadata.js';

export const ibm: CloudProvider = {
  name: 'ibm',
  recognises: (dmi) => dmiMatch(dmi, { chassisAssetTag: /^ibmcloud$/i, sysVendor: /^IBM:Cloud/ }),
  endpointVariable: ibmEndpointVariable,
  machine: ibmMachine,
};
