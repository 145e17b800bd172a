/** Alibaba Cloud, Elastic Compute Service. */
import { dmiMatch } from '../dmi-match.js';
import type { CloudProvider } from '../provider.js';
import { alibabaEndpointVariable, alibabaMachine } from './metadata.js';

export const alibaba: CloudProvider = {
  name: 'alibaba',
  recognises: (dmi) => dmiMatch(dmi, { productName: /^Alibaba Cloud ECS$/ }),
  endpointVariable: alibabaEndpointVariable,
  machine: alibabaMachine,
};
