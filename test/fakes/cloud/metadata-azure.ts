/**
 * Azure's instance metadata service as its own documentation shows it ("Azure Instance Metadata
 * Service for virtual machines"): `Metadata: true` or 400, a known `api-version` or 400, MAC
 * addresses without colons, prefixes as text. The token: "How to use managed identities for Azure
 * resources on an Azure VM to acquire an access token".
 */
import type { MetadataAnswered, MetadataAsked } from './metadata-server.js';
import { MetadataServer, json } from './metadata-server.js';

export interface AzureNic {
  readonly macAddress: string;
  readonly privateIpAddress: string;
  readonly publicIpAddress?: string;
  readonly subnet: { readonly address: string; readonly prefix: string };
  readonly ipv6?: string;
}

export interface AzureMachine {
  readonly vmId: string;
  readonly name: string;
  readonly location: string;
  /** Empty where the machine is in no zone. */
  readonly zone: string;
  readonly subscriptionId: string;
  readonly resourceGroupName: string;
  readonly nics: readonly AzureNic[];
  readonly identity: boolean;
}

export const azureSecrets = {
  accessToken: 'eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.fakeAzureAccessToken.c2ln',
  userData: 'ZmFrZUF6dXJlVXNlckRhdGE=',
} as const;

export const azureExample: AzureMachine = {
  vmId: '02aab8a4-74ef-476e-8182-f6d2ba4166a6',
  name: 'azure-1',
  location: 'westeurope',
  zone: '1',
  subscriptionId: '8d10da13-8125-4ba9-a717-bf7490507b3d',
  resourceGroupName: 'selvage',
  identity: true,
  nics: [
    {
      macAddress: '000D3AF806EC',
      privateIpAddress: '10.200.0.11',
      publicIpAddress: '203.0.113.31',
      subnet: { address: '10.200.0.0', prefix: '24' },
      ipv6: 'fd00:db8:deca:1::4',
    },
  ],
};

/** The error of a request that is not as it must be. */
function badRequest(error: string): MetadataAnswered {
  return { ...json({ error }), status: 400 };
}

export class FakeAzureMetadata extends MetadataServer {
  machine: AzureMachine;

  constructor(machine: AzureMachine = azureExample) {
    super();
    this.machine = machine;
  }

  protected answer({ method, path, headers }: MetadataAsked): MetadataAnswered {
    const url = new URL(path, 'http://fake');
    if (method !== 'GET') return { ...json({ error: 'Method not allowed' }), status: 405 };
    if (headers['metadata'] !== 'true')
      return badRequest('Bad request. Required metadata header not specified');
    if (headers['x-forwarded-for'] !== undefined)
      return badRequest('Bad request. Request was forwarded');
    const version = url.searchParams.get('api-version') ?? '';
    if (!/^\d{4}-\d\d-\d\d$/.test(version))
      return badRequest('Bad request. api-version was not specified in the request');
    switch (url.pathname) {
      case '/metadata/instance':
        return json(this.#instance());
      case '/metadata/identity/oauth2/token':
        return this.#token(url.searchParams);
      default:
        return { ...json({ error: 'Not found' }), status: 404 };
    }
  }

  #instance(): unknown {
    const { machine } = this;
    const group = `/subscriptions/${machine.subscriptionId}/resourceGroups/${machine.resourceGroupName}`;
    return {
      compute: {
        azEnvironment: 'AzurePublicCloud',
        customData: '',
        location: machine.location,
        name: machine.name,
        osType: 'Linux',
        resourceGroupName: machine.resourceGroupName,
        resourceId: `${group}/providers/Microsoft.Compute/virtualMachines/${machine.name}`,
        subscriptionId: machine.subscriptionId,
        tagsList: [],
        userData: azureSecrets.userData,
        vmId: machine.vmId,
        vmSize: 'Standard_D2s_v5',
        zone: machine.zone,
      },
      network: {
        interface: machine.nics.map((nic) => ({
          ipv4: {
            ipAddress: [
              {
                privateIpAddress: nic.privateIpAddress,
                publicIpAddress: nic.publicIpAddress ?? '',
              },
            ],
            subnet: [nic.subnet],
          },
          ipv6: {
            ipAddress: nic.ipv6 === undefined ? [] : [{ privateIpAddress: nic.ipv6 }],
          },
          macAddress: nic.macAddress,
        })),
      },
    };
  }

  #token(query: URLSearchParams): MetadataAnswered {
    const resource = query.get('resource') ?? '';
    if (resource === '') return badRequest('invalid_request');
    if (!this.machine.identity)
      return {
        ...json({ error: 'invalid_request', error_description: 'Identity not found' }),
        status: 400,
      };
    const now = Math.floor(Date.now() / 1000);
    return json({
      access_token: azureSecrets.accessToken,
      client_id: '5e29463d-71da-4fe0-8e69-999b57db23b0',
      expires_in: '86399',
      expires_on: String(now + 86_399),
      not_before: String(now - 300),
      resource,
      token_type: 'Bearer',
    });
  }
}
