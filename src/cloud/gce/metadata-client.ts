/**
 * GCE's metadata service. `Metadata-Flavor: Google` in the request keeps browsers out; the same in
 * the answer is how a client knows that it is not somebody else's service on the same address.
 */
import { MetadataClient } from '../metadata-client.js';
import { endpointFrom } from '../metadata-endpoint.js';
import { MetadataError } from '../metadata-error.js';
import type { MetadataTransport } from '../metadata-transport.js';

export const gceEndpointVariable = 'GCE_METADATA_HOST';

export interface GceClientOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly transport: MetadataTransport;
  readonly signal: AbortSignal;
}

export function gceClient({ env, transport, signal }: GceClientOptions): MetadataClient {
  const endpoint = endpointFrom(env, { variable: gceEndpointVariable });
  return new MetadataClient({
    endpoint,
    transport,
    signal,
    headers: { 'metadata-flavor': 'Google' },
    check: ({ headers }) => {
      if (headers['metadata-flavor'] === 'Google') return;
      throw new MetadataError(`${endpoint.host} does not answer as GCE's metadata service does`, {
        failure: 'malformed',
        remedy: 'check that nothing else answers there, such as a proxy or a captive portal',
      });
    },
  });
}
