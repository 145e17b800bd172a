/**
 * An access token of the managed identity that an Azure machine has.
 *
 *     GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=URI    Metadata: true
 *       → { "access_token", "expires_on": "Unix seconds", "resource", "token_type" }
 */
import { malformed, type MetadataAccess, withAccess } from '../metadata-client.js';
import { MetadataError } from '../metadata-error.js';
import { numberField, secretField } from '../metadata-values.js';
import { azureClient } from './metadata-client.js';

export interface ManagedIdentityToken {
  readonly accessToken: string;
  /** Unix time in milliseconds. */
  readonly expiresAtMs: number;
}

export interface ManagedIdentityAccess extends MetadataAccess {
  /** One of several user-assigned identities; default: the only one there is. */
  readonly clientId?: string | undefined;
}

const path = '/metadata/identity/oauth2/token';

/**
 * `resource` is what the token is for, e.g. `https://management.azure.com/`. Rejects with a
 * MetadataError; `absent`: the machine has no identity.
 */
export function managedIdentityToken(
  resource: string,
  access: ManagedIdentityAccess,
): Promise<ManagedIdentityToken> {
  return withAccess(access, async (transport, signal) => {
    const client = azureClient({ env: access.env, transport, signal });
    const query = new URLSearchParams({ 'api-version': '2018-02-01', resource });
    if (access.clientId !== undefined) query.set('client_id', access.clientId);
    const answer = await client.json(`${path}?${query.toString()}`).catch((error: unknown) => {
      throw explained(error);
    });
    const accessToken = secretField(answer, 'access_token');
    const seconds = numberField(answer, 'expires_on');
    if (accessToken === undefined || seconds === undefined)
      throw malformed(`${client.endpoint.host}${path}`, 'a token');
    return Object.freeze({ accessToken, expiresAtMs: seconds * 1000 });
  });
}

/** Azure says 400 "Identity not found" where there is none. */
function explained(error: unknown): unknown {
  if (!(error instanceof MetadataError) || error.status !== 400) return error;
  return new MetadataError('this Azure machine has no managed identity, so it has no token', {
    failure: 'absent',
    status: error.status,
    remedy: 'run "az vm identity assign --resource-group GROUP --name MACHINE", and give it a role',
  });
}
