/**
 * GCE's metadata service as "View and query VM metadata" and "Predefined metadata keys" document
 * it: `Metadata-Flavor: Google` in request and answer (403 without, 403 with X-Forwarded-For),
 * values as text, folders as JSON with `?recursive=true`. Tokens: "Authenticate applications
 * directly with access tokens". The shape of `network-interfaces` is that of a real answer.
 */
import type { MetadataAnswered, MetadataAsked } from './metadata-server.js';
import { MetadataServer, json, notFound, text } from './metadata-server.js';

export interface GceNic {
  readonly ip: string;
  readonly mac: string;
  readonly mtu: number;
  /** `projects/NUMBER/networks/NAME` */
  readonly network: string;
  readonly subnetmask: string;
  readonly gateway: string;
  readonly externalIp?: string;
  readonly ipAliases?: readonly string[];
  readonly ipv6?: readonly string[];
}

export interface GceInstance {
  /** More digits than a double holds. */
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly projectNumber: number;
  readonly zone: string;
  readonly nics: readonly GceNic[];
  readonly serviceAccount?: string;
}

export const gceSecrets = {
  accessToken: 'ya29.c.fakeGceAccessToken-0123456789',
  startupScript: 'export PASSWORD=fakeStartupPassword',
} as const;

export const gceExample: GceInstance = {
  id: '6543210987654321098',
  name: 'gce-b-1',
  projectId: 'example-project',
  projectNumber: 123_456_789_012,
  zone: 'europe-west1-b',
  serviceAccount: 'selvage@example-project.iam.gserviceaccount.com',
  nics: [
    {
      ip: '10.132.0.21',
      mac: '42:01:0a:84:00:15',
      mtu: 1460,
      network: 'projects/123456789012/networks/default',
      subnetmask: '255.255.240.0',
      gateway: '10.132.0.1',
      externalIp: '203.0.113.21',
      ipAliases: ['10.66.1.0/24'],
      ipv6: ['2001:db8:4000:0:0:0:0:21'],
    },
  ],
};

export class FakeGceMetadata extends MetadataServer {
  instance: GceInstance;
  /** The header that an answer has; somebody else's service has another, or none. */
  flavour: string | undefined = 'Google';

  constructor(instance: GceInstance = gceExample) {
    super();
    this.instance = instance;
  }

  protected answer(asked: MetadataAsked): MetadataAnswered {
    const flavour = this.flavour;
    const found = this.#value(asked);
    if (flavour === undefined) return found;
    return { ...found, headers: { ...found.headers, 'metadata-flavor': flavour } };
  }

  #value({ method, path, headers }: MetadataAsked): MetadataAnswered {
    if (method !== 'GET') return { status: 405, body: 'Method Not Allowed' };
    if (headers['metadata-flavor'] !== 'Google' || headers['x-forwarded-for'] !== undefined)
      return { status: 403, body: 'Missing Metadata-Flavor:Google header.' };
    const { instance } = this;
    const prefix = '/computeMetadata/v1/';
    if (!path.startsWith(prefix)) return notFound;
    switch (path.slice(prefix.length)) {
      case 'instance/id':
        return text(instance.id);
      case 'instance/name':
        return text(instance.name);
      case 'instance/zone':
        return text(`projects/${instance.projectNumber}/zones/${instance.zone}`);
      case 'project/project-id':
        return text(instance.projectId);
      case 'instance/network-interfaces/?recursive=true':
        return json(instance.nics.map(wireNic));
      case 'instance/attributes/startup-script':
        return text(gceSecrets.startupScript);
      case 'instance/service-accounts/default/token':
        if (instance.serviceAccount === undefined) return notFound;
        return json({
          access_token: gceSecrets.accessToken,
          expires_in: 3599,
          token_type: 'Bearer',
        });
      default:
        return notFound;
    }
  }
}

function wireNic(nic: GceNic): unknown {
  return {
    accessConfigs: [
      nic.externalIp === undefined
        ? { externalIp: '', type: 'ONE_TO_ONE_NAT' }
        : { externalIp: nic.externalIp, type: 'ONE_TO_ONE_NAT' },
    ],
    dnsServers: ['169.254.169.254'],
    forwardedIps: [],
    gateway: nic.gateway,
    ip: nic.ip,
    ipAliases: nic.ipAliases ?? [],
    ...(nic.ipv6 === undefined ? {} : { ipv6: nic.ipv6, gatewayIpv6: 'fe80::4001:aff:fe84:1' }),
    mac: nic.mac,
    mtu: nic.mtu,
    network: nic.network,
    subnetmask: nic.subnetmask,
    targetInstanceIps: [],
  };
}
