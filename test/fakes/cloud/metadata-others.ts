/**
 * The metadata services of the smaller clouds, by their own documentation:
 *
 * - IBM Cloud: "VPC Instance Metadata API" (a token by PUT with `Metadata-Flavor: ibm`)
 * - Oracle Cloud: "Getting Instance Metadata", version 2 (`Authorization: Bearer Oracle`, else 403)
 * - Hetzner Cloud: "Server Metadata" (`private-networks` in YAML)
 * - DigitalOcean: "Droplet Metadata API" (`/metadata/v1.json`)
 * - Alibaba Cloud: "Instance metadata items" (paths like EC2's, a token by PUT)
 */
import { randomUUID } from 'node:crypto';
import type { MetadataAnswered, MetadataAsked } from './metadata-server.js';
import { MetadataServer, json, notFound, text } from './metadata-server.js';

export const otherSecrets = {
  ibmToken: 'eyJraWQiOiJmYWtlSWJtSW5zdGFuY2VJZGVudGl0eSJ9.fake.fake',
  ociUserData: 'ZmFrZU9jaVVzZXJEYXRh',
  digitaloceanAuthKey: 'fakeDigitaloceanAuthKey0123456789',
  digitaloceanUserData: '#cloud-config fakeDigitaloceanUserData',
} as const;

export class FakeIbmMetadata extends MetadataServer {
  protected answer({ method, path, headers }: MetadataAsked): MetadataAnswered {
    const url = new URL(path, 'http://fake');
    if (!/^\d{4}-\d\d-\d\d$/.test(url.searchParams.get('version') ?? ''))
      return { ...json({ errors: [{ code: 'missing_field' }] }), status: 400 };
    if (url.pathname === '/instance_identity/v1/token') {
      if (method !== 'PUT' || headers['metadata-flavor'] !== 'ibm')
        return { ...json({ errors: [{ code: 'bad_request' }] }), status: 400 };
      return json({
        access_token: otherSecrets.ibmToken,
        created_at: '2026-11-22T08:00:00.000Z',
        expires_at: '2026-11-22T08:05:00.000Z',
        expires_in: 300,
      });
    }
    if (headers.authorization !== `Bearer ${otherSecrets.ibmToken}`)
      return { ...json({ errors: [{ code: 'not_authorized' }] }), status: 401 };
    switch (url.pathname) {
      case '/metadata/v1/instance':
        return json({
          crn: 'crn:v1:bluemix:public:is:us-south-1:a/0123456789abcdef0123456789abcdef::instance:0717_e21b7391-2ca2-4ab5-84a8-b92157a633b0',
          id: '0717_e21b7391-2ca2-4ab5-84a8-b92157a633b0',
          name: 'ibm-1',
          vpc: { id: 'r006-dc5431ef-1fc6-4861-adc9-a59d077d1241', name: 'my-vpc' },
          zone: { name: 'us-south-1' },
        });
      case '/metadata/v1/instance/network_interfaces':
        return json({
          network_interfaces: [
            {
              allow_ip_spoofing: false,
              floating_ips: [{ address: '203.0.113.51', id: 'r006-f' }],
              id: '0717-10c02d81-0ecb-4dc5-897d-28392913b81e',
              mac_address: '02:00:04:00:C4:6A',
              name: 'eth0',
              primary_ip: { address: '10.240.0.5', id: '0717-r', name: 'my-reserved-ip' },
              security_groups: [{ id: 'r006-be5df5ca-12a0-494b-907e-aa6ec2bfa271' }],
              subnet: { id: '0717-bea6a632-5e13-42a4-b4b8-31dc877abfe4', name: 'my-subnet' },
              type: 'primary',
            },
          ],
        });
      default:
        return notFound;
    }
  }
}

export class FakeOciMetadata extends MetadataServer {
  protected answer({ path, headers }: MetadataAsked): MetadataAnswered {
    if (headers.authorization !== 'Bearer Oracle' || headers['x-forwarded-for'] !== undefined)
      return { status: 403, body: 'Forbidden' };
    switch (path) {
      case '/opc/v2/instance/':
        return json({
          availabilityDomain: 'EMIr:PHX-AD-1',
          canonicalRegionName: 'us-phoenix-1',
          compartmentId: 'ocid1.tenancy.oc1..exampleuniqueID',
          displayName: 'oci-1',
          faultDomain: 'FAULT-DOMAIN-3',
          hostname: 'oci-1',
          id: 'ocid1.instance.oc1.phx.exampleuniqueID',
          metadata: { user_data: otherSecrets.ociUserData },
          ociAdName: 'phx-ad-1',
          region: 'phx',
          tenantId: 'ocid1.tenancy.oc1..exampletenant',
        });
      case '/opc/v2/vnics/':
        return json([
          {
            macAddr: '02:00:17:05:D1:DB',
            nicIndex: 0,
            privateIp: '10.0.3.6',
            subnetCidrBlock: '10.0.3.0/24',
            virtualRouterIp: '10.0.3.1',
            vlanTag: 11,
            vnicId: 'ocid1.vnic.oc1.phx.exampleuniqueID',
          },
        ]);
      default:
        return notFound;
    }
  }
}

export class FakeHetznerMetadata extends MetadataServer {
  privateNetworks =
    '- ip: 10.0.0.2\n' +
    '  alias_ips: [10.0.0.3, 10.0.0.4]\n' +
    '  interface_num: 1\n' +
    '  mac_address: 86:00:00:2a:7d:e0\n' +
    '  network_id: 1234\n' +
    '  network_name: nw-test1\n' +
    '  network: 10.0.0.0/8\n' +
    '  subnet: 10.0.0.0/24\n' +
    '  gateway: 10.0.0.1\n';

  protected answer({ path }: MetadataAsked): MetadataAnswered {
    switch (path) {
      case '/hetzner/v1/metadata/instance-id':
        return text('42');
      case '/hetzner/v1/metadata/hostname':
        return text('hetzner-1');
      case '/hetzner/v1/metadata/region':
        return text('eu-central');
      case '/hetzner/v1/metadata/availability-zone':
        return text('fsn1-dc14');
      case '/hetzner/v1/metadata/public-ipv4':
        return text('203.0.113.61');
      case '/hetzner/v1/metadata/private-networks':
        return text(this.privateNetworks);
      case '/hetzner/v1/metadata/network-config':
        return text(hetznerNetworkConfig);
      default:
        return notFound;
    }
  }
}

/** The public side, as the image's first boot configures it. */
const hetznerNetworkConfig =
  'config:\n' +
  '- mac_address: 96:00:00:08:19:da\n' +
  '  name: eth0\n' +
  '  subnets:\n' +
  '  - dns_nameservers: [203.0.113.1]\n' +
  '    ipv4: true\n' +
  '    type: dhcp\n' +
  '  - address: 2001:db8:c0c:1::1/64\n' +
  '    gateway: fe80::1\n' +
  '    ipv6: true\n' +
  '    type: static\n' +
  '  type: physical\n' +
  'version: 1\n';

export class FakeDigitaloceanMetadata extends MetadataServer {
  protected answer({ path }: MetadataAsked): MetadataAnswered {
    if (path !== '/metadata/v1.json') return notFound;
    return json({
      droplet_id: 2_756_294,
      hostname: 'do-1',
      user_data: otherSecrets.digitaloceanUserData,
      vendor_data: '',
      public_keys: [],
      auth_key: otherSecrets.digitaloceanAuthKey,
      region: 'nyc3',
      interfaces: {
        private: [
          {
            ipv4: { ip_address: '10.132.255.113', netmask: '255.255.0.0', gateway: '10.132.0.1' },
            mac: '04:01:2a:0f:2a:02',
            type: 'private',
          },
        ],
        public: [
          {
            ipv4: {
              ip_address: '203.0.113.71',
              netmask: '255.255.240.0',
              gateway: '203.0.112.1',
            },
            ipv6: { ip_address: '2001:DB8:0800:0010::51D:7001', cidr: 64, gateway: '2001:DB8::1' },
            anchor_ipv4: {
              ip_address: '10.17.0.9',
              netmask: '255.255.0.0',
              gateway: '10.17.0.1',
            },
            mac: '04:01:2a:0f:2a:01',
            type: 'public',
          },
        ],
      },
      floating_ip: { ipv4: { active: false } },
      reserved_ip: { ipv4: { ip_address: '203.0.113.72', active: true } },
      dns: { nameservers: ['203.0.113.1'] },
      features: { dhcp_enabled: false },
    });
  }
}

export class FakeAlibabaMetadata extends MetadataServer {
  readonly #tokens = new Set<string>();

  protected answer({ method, path, headers }: MetadataAsked): MetadataAnswered {
    if (method === 'PUT' && path === '/latest/api/token') {
      const ttl = Number(headers['x-aliyun-ecs-metadata-token-ttl-seconds']);
      if (!(ttl >= 1 && ttl <= 21_600)) return { status: 400, body: 'Bad Request' };
      const token = `fakeAlibabaToken${randomUUID()}==`;
      this.#tokens.add(token);
      return text(token);
    }
    const token = headers['x-aliyun-ecs-metadata-token'];
    if (typeof token !== 'string' || !this.#tokens.has(token)) return { status: 403, body: 'no' };
    const prefix = '/latest/meta-data/';
    const value = path.startsWith(prefix) ? alibabaValues[path.slice(prefix.length)] : undefined;
    return value === undefined ? notFound : text(value);
  }
}

const alibabaNic = 'network/interfaces/macs/00:16:3e:0f:4e:11/';
const alibabaValues: Readonly<Record<string, string>> = {
  'instance-id': 'i-bp13znx0m0me8cquu0ab',
  'instance/instance-name': 'ali-1',
  'zone-id': 'cn-hangzhou-i',
  'region-id': 'cn-hangzhou',
  'owner-account-id': '160998252992',
  eipv4: '203.0.113.81',
  mac: '00:16:3e:0f:4e:11',
  'network/interfaces/macs/': '00:16:3e:0f:4e:11/',
  [`${alibabaNic}network-interface-id`]: 'eni-bp1b2c0jvnj0g17b0abc',
  [`${alibabaNic}private-ipv4s`]: '["192.168.16.9"]',
  [`${alibabaNic}netmask`]: '255.255.240.0',
  [`${alibabaNic}vswitch-cidr-block`]: '192.168.16.0/20',
  [`${alibabaNic}vswitch-id`]: 'vsw-bp1ygryo03m39xhsy0ab',
  [`${alibabaNic}vpc-id`]: 'vpc-bp1e0g399hkd7c8q30ab',
};
