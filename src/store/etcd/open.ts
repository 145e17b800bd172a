/** From an address and its credentials to a client of etcd. */
import type { EngineRequest } from '../registry.js';
import type { KeyValue } from '../kv.js';
import { KeyValueError } from '../kv.js';
import { isLoopback } from '../address.js';
import { readCredentials } from '../access.js';

export async function openEtcd(request: EngineRequest): Promise<KeyValue> {
  const { address, access } = request;
  const { tls } = await readCredentials(access);
  const open = address.endpoints.find((endpoint) => !isLoopback(endpoint));
  if (tls === undefined && open !== undefined && access.insecure !== true)
    throw new KeyValueError(
      'unusable',
      `cannot use ${open.text} without TLS: whoever is on the way could change the cluster; give the authority of its certificate with --store-ca, or say --store-insecure where nobody else is on the network`,
    );
  throw new KeyValueError(
    'unusable',
    `cannot use ${address.text}: this release has no etcd client`,
  );
}
