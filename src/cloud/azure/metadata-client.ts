/**
 * Azure's metadata service: `Metadata: true` in each request, and nothing that looks like a proxy's.
 * There is no conventional variable for another endpoint; `SELVAGE_AZURE_METADATA_ENDPOINT` is ours.
 */
import { MetadataClient } from '../metadata-client.js';
import { endpointFrom } from '../metadata-endpoint.js';
import type { MetadataTransport } from '../metadata-transport.js';

export const azureEndpointVariable = 'SELVAGE_AZURE_METADATA_ENDPOINT';

export interface AzureClientOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly transport: MetadataTransport;
  readonly signal: AbortSignal;
}

export function azureClient({ env, transport, signal }: AzureClientOptions): MetadataClient {
  return new MetadataClient({
    endpoint: endpointFrom(env, { variable: azureEndpointVariable }),
    transport,
    signal,
    headers: { metadata: 'true' },
  });
}
