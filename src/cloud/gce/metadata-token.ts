/**
 * An access token of the service account that a GCE instance runs as.
 *
 *     GET /computeMetadata/v1/instance/service-accounts/default/token
 *       → { "access_token", "expires_in": seconds, "token_type": "Bearer" }
 */
import { malformed, type MetadataAccess, withAccess } from '../metadata-client.js';
import { MetadataError } from '../metadata-error.js';
import { numberField, secretField } from '../metadata-values.js';
import { gceClient } from './metadata-client.js';

export interface ServiceAccountToken {
  readonly accessToken: string;
  /** Unix time in milliseconds. */
  readonly expiresAtMs: number;
}

const path = '/computeMetadata/v1/instance/service-accounts/default/token';

/** Rejects with a MetadataError; `absent`: the instance has no service account. */
export function serviceAccountToken(access: MetadataAccess): Promise<ServiceAccountToken> {
  return withAccess(access, async (transport, signal) => {
    const client = gceClient({ env: access.env, transport, signal });
    const askedMs = Date.now();
    const answer = await client.json(path).catch((error: unknown) => {
      throw explained(error);
    });
    const accessToken = secretField(answer, 'access_token');
    const seconds = numberField(answer, 'expires_in');
    if (accessToken === undefined || seconds === undefined)
      throw malformed(`${client.endpoint.host}${path}`, 'a token');
    return Object.freeze({ accessToken, expiresAtMs: askedMs + seconds * 1000 });
  });
}

function explained(error: unknown): unknown {
  if (!(error instanceof MetadataError) || error.failure !== 'absent') return error;
  return new MetadataError('this GCE instance has no service account, so it has no token', {
    failure: 'absent',
    status: error.status,
    remedy:
      'stop the instance and run "gcloud compute instances set-service-account INSTANCE --service-account EMAIL --scopes compute-rw"',
  });
}
