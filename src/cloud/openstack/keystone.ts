/**
 * A token of Keystone (identity API v3) by an application credential, and where Neutron is.
 *
 *     POST {OS_AUTH_URL}/v3/auth/tokens → 201, X-Subject-Token; { token: { expires_at, catalog } }
 *
 * A machine of OpenStack has no identity of its own, so the operator makes an application credential
 * for the nodes and hands it over in the variables that OpenStack's own clients read.
 */
import type { CloudFailure } from '../control.js';
import { CloudError } from '../control.js';
import { type ApiToken, JsonClient, apiEndpoint } from '../json-client.js';
import { listField, textField } from '../json-values.js';

export interface Session extends ApiToken {
  readonly neutron: URL;
}

export interface KeystoneOptions {
  readonly timeoutMs?: number | undefined;
}

const call = 'identity.auth.tokens';

/** Rejects with a CloudError. */
export async function authenticate(
  env: NodeJS.ProcessEnv,
  options: KeystoneOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<Session> {
  const id = env.OS_APPLICATION_CREDENTIAL_ID?.trim() ?? '';
  const secret = env.OS_APPLICATION_CREDENTIAL_SECRET?.trim() ?? '';
  if ((env.OS_AUTH_URL ?? '').trim() === '' || id === '' || secret === '')
    throw new CloudError(
      'OpenStack needs credentials: set OS_AUTH_URL, OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET (openstack application credential create selvage)',
      { failure: 'credentials', code: 'NoCredentials', call },
    );
  const endpoint = apiEndpoint(env, {
    variables: ['OS_AUTH_URL'],
    usual: 'https://keystone.example.net/v3',
  });
  const client = new JsonClient({
    provider: 'Keystone',
    endpoint,
    // The secret travels in the body; given as the token, it is cut out of whatever comes back.
    token: () => Promise.resolve({ accessToken: secret, expiresAtMs: Infinity }),
    tokenHeaders: () => ({}),
    explain: ({ status, body }) => ({
      failure: keystoneFailure(status),
      code: textField(body, 'error', 'title') ?? `HTTP ${status}`,
      message: textField(body, 'error', 'message') ?? '',
    }),
    remedy: (failure) =>
      failure === 'credentials'
        ? 'check the application credential: it may have been deleted, or have expired'
        : undefined,
    timeoutMs: options.timeoutMs,
  });
  const root = /\/v3\/*$/.test(endpoint.pathname) ? '' : 'v3/';
  const answer = await client.send({
    method: 'POST',
    path: `${root}auth/tokens`,
    body: {
      auth: {
        identity: {
          methods: ['application_credential'],
          application_credential: { id, secret },
        },
      },
    },
    call,
    permission: '',
    signal: options.signal,
  });
  const accessToken = answer.headers.get('x-subject-token')?.trim() ?? '';
  const expiresAtMs = Date.parse(textField(answer.body, 'token', 'expires_at') ?? '');
  if (accessToken === '' || Number.isNaN(expiresAtMs))
    throw new CloudError('what answers at OS_AUTH_URL gives no token as Keystone does', {
      failure: 'other',
      code: 'NoToken',
      call,
    });
  return { accessToken, expiresAtMs, neutron: neutronEndpoint(answer.body, env) };
}

function keystoneFailure(status: number): CloudFailure {
  if (status === 401 || status === 403) return 'credentials';
  if (status === 429 || status >= 500) return 'retry';
  return status === 404 ? 'absent' : 'other';
}

/** The catalogue's endpoint of the service type `network`, without its version. */
function neutronEndpoint(body: unknown, env: NodeJS.ProcessEnv): URL {
  const wanted = (env.OS_INTERFACE ?? env.OS_ENDPOINT_TYPE ?? 'public').replace(/URL$/, '');
  const region = env.OS_REGION_NAME?.trim() ?? '';
  const found = listField(body, 'token', 'catalog')
    .filter((service) => textField(service, 'type') === 'network')
    .flatMap((service) => listField(service, 'endpoints'))
    .filter((endpoint) => textField(endpoint, 'interface') === wanted)
    .map((endpoint) => ({
      region: textField(endpoint, 'region_id') ?? textField(endpoint, 'region') ?? '',
      url: textField(endpoint, 'url') ?? '',
    }))
    .filter((endpoint) => region === '' || endpoint.region === region);
  const regions = [...new Set(found.map((endpoint) => endpoint.region))];
  if (regions.length > 1)
    throw new CloudError(
      `OpenStack has the regions ${regions.join(', ')}: set OS_REGION_NAME to this machine's`,
      { failure: 'other', code: 'SeveralRegions', call },
    );
  const url = found[0]?.url.replace(/\/v2(\.0)?\/*$/, '') ?? '';
  if (URL.canParse(url) && /^https?:/.test(url)) return new URL(url);
  throw new CloudError(
    `Keystone's catalogue has no ${wanted} endpoint of the network service${region === '' ? '' : ` in region ${region}`}: check OS_INTERFACE and OS_REGION_NAME`,
    { failure: 'other', code: 'NoNeutron', call },
  );
}
