/** From an address and its credentials to a client of etcd. */
import { readCredentials } from '../access.js';
import type { Endpoint } from '../address.js';
import { isLoopback } from '../address.js';
import type { EngineRequest } from '../engine.js';
import type { KeyValue } from '../kv.js';
import { KeyValueError } from '../kv.js';
import { EtcdClient } from './client.js';
import type { SessionOptions } from './session.js';
import type { EtcdTiming } from './timing.js';
import { defaultTiming } from './timing.js';

export interface OpenEtcdOptions {
  /** Other waits than the usual ones. */
  readonly timing?: Partial<EtcdTiming>;
}

export async function openEtcd(
  request: EngineRequest,
  options: OpenEtcdOptions = {},
): Promise<KeyValue> {
  return new EtcdClient(await sessionOptions(request, options));
}

/** What any client of this etcd begins with. */
export async function sessionOptions(
  request: EngineRequest,
  options: OpenEtcdOptions = {},
): Promise<SessionOptions> {
  const { address, access } = request;
  const { endpoints } = address;
  const credentials = await readCredentials(access);
  const open = endpoints.find((endpoint) => !isLoopback(endpoint));
  if (credentials.tls === undefined && open !== undefined && access.insecure !== true)
    throw withoutTls(open);
  return {
    name: `etcd://${endpoints.map((endpoint) => endpoint.text).join(',')}`,
    endpoints,
    credentials,
    timing: { ...defaultTiming, ...options.timing },
  };
}

function withoutTls(endpoint: Endpoint): KeyValueError {
  return new KeyValueError(
    'unusable',
    `cannot use ${endpoint.text} without TLS: whoever is on the way could change the cluster; name the authority of its certificate with --store-ca, or say --store-insecure where nobody else is on the network`,
  );
}
