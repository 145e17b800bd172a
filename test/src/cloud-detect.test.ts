/**
 * Detection: who is asked and who never is, what each provider's metadata becomes, and what happens
 * when a service is slow, partial, hostile or not what it should be.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { detectMachine } from '../../src/cloud/detect.js';
import type { Dmi } from '../../src/cloud/dmi.js';
import { cloudProviders } from '../../src/cloud/machine.js';
import { MetadataError } from '../../src/cloud/metadata-error.js';
import type { MetadataRequest } from '../../src/cloud/metadata-transport.js';
import { cloudRegistry } from '../../src/cloud/registry.js';
import type { MetadataServer } from '../fakes/cloud/metadata-server.js';
import { FakeAwsMetadata, awsExample, awsSecrets } from '../fakes/cloud/metadata-aws.js';
import { FakeAzureMetadata, azureExample, azureSecrets } from '../fakes/cloud/metadata-azure.js';
import { FakeGceMetadata, gceExample, gceSecrets } from '../fakes/cloud/metadata-gce.js';
import { FakeOpenstackMetadata } from '../fakes/cloud/metadata-openstack.js';
import {
  FakeAlibabaMetadata,
  FakeDigitaloceanMetadata,
  FakeHetznerMetadata,
  FakeIbmMetadata,
  FakeOciMetadata,
} from '../fakes/cloud/metadata-others.js';
import {
  azureToken,
  detect,
  devices,
  failed,
  found,
  gceToken,
  keysOf,
  noDmi,
  nobody,
  plain,
  refusal,
  secrets,
  services,
  spy,
  withFake,
} from '../support/metadata.js';

t.test('who is asked', async (t) => {
  t.test('where nothing names a provider, not one packet is sent', async (t) => {
    const transport = spy(() => ({ status: 200, body: 'i-1' }));
    t.same(await detect({ transport }), { kind: 'none' });
    t.same(await detect({ transport, file: { provider: 'onprem', text: 'zone rack-a' } }), {
      kind: 'none',
    });
    const ordinary = {
      ...noDmi,
      sysVendor: 'QEMU',
      productName: 'Standard PC',
      biosVendor: 'SeaBIOS',
    };
    t.same(await detect({ transport, dmi: ordinary }), { kind: 'none' });
    const hyperV = { ...noDmi, sysVendor: 'Microsoft Corporation', productName: 'Virtual Machine' };
    t.same(await detect({ transport, dmi: hyperV }), { kind: 'none' }, 'Hyper-V is not Azure');
    const proxies = { http_proxy: 'http://127.0.0.1:1', AWS_EC2_METADATA_SERVICE_ENDPOINT: ' ' };
    t.same(await detect({ transport, env: proxies }), { kind: 'none' });
    t.same(transport.sent, []);
  });

  t.test("the firmware's strings name each provider, and only it", async (t) => {
    const table: readonly (readonly [string, Partial<Dmi>])[] = [
      ['aws', { sysVendor: 'Amazon EC2', biosVendor: 'Amazon EC2', productName: 'm6i.large' }],
      ['aws', { sysVendor: 'Xen', productName: 'HVM domU', productVersion: '4.11.amazon' }],
      ['gce', { sysVendor: 'Google', productName: 'Google Compute Engine', biosVendor: 'Google' }],
      [
        'azure',
        {
          sysVendor: 'Microsoft Corporation',
          chassisAssetTag: '7783-7084-3265-9085-8269-3286-77',
        },
      ],
      ['openstack', { sysVendor: 'OpenStack Foundation', productName: 'OpenStack Nova' }],
      ['openstack', { sysVendor: 'Red Hat', productName: 'OpenStack Compute' }],
      ['openstack', { chassisAssetTag: 'OpenTelekomCloud' }],
      ['ibm', { sysVendor: 'IBM:Cloud Compute Server 1.0:bx2-2x8', chassisAssetTag: 'ibmcloud' }],
      ['oci', { chassisAssetTag: 'OracleCloud.com' }],
      ['hetzner', { sysVendor: 'Hetzner', productName: 'vServer' }],
      ['digitalocean', { sysVendor: 'DigitalOcean', productName: 'Droplet' }],
      ['alibaba', { sysVendor: 'Alibaba Cloud', productName: 'Alibaba Cloud ECS' }],
    ];
    for (const [name, strings] of table) {
      const dmi = { ...noDmi, ...strings };
      const who = cloudProviders.filter((entry) => cloudRegistry[entry].recognises(dmi));
      t.same(who, [name], JSON.stringify(strings));
      const { evidence } = failed(await detect({ dmi, transport: nobody }));
      t.equal(evidence[0]?.kind, 'firmware');
      t.match(evidence[0]?.text, /^the firmware's \w+ is "/);
    }
  });

  t.test('a folder of the environment stands in for the firmware', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'selvage-dmi-'));
    writeFileSync(join(folder, 'sys_vendor'), 'Hetzner\n');
    const detection = await detectMachine({
      env: { SELVAGE_DMI_DIR: folder },
      devices,
      transport: nobody,
    });
    t.same(failed(detection).evidence, [
      { provider: 'hetzner', kind: 'firmware', text: 'the firmware\'s sys_vendor is "Hetzner"' },
    ]);
  });

  t.test("the zone of the node's entry in the file names one as well", async (t) => {
    const transport = spy(() => new MetadataError('nobody', { failure: 'unreachable' }));
    const detection = await detect({
      transport,
      file: { provider: 'gce', text: 'zone z (cluster.yaml:3) has provider gce' },
    });
    t.equal(failed(detection).evidence[0]?.text, 'zone z (cluster.yaml:3) has provider gce');
    t.ok(transport.sent.length > 0);
    t.ok(
      transport.sent.every((line) =>
        line.startsWith('GET http://169.254.169.254/computeMetadata/'),
      ),
      'only GCE is asked',
    );
  });

  t.test('what the firmware says comes before what a shell has set', async (t) => {
    await withFake(new FakeAwsMetadata(), (_, aws) =>
      withFake(new FakeGceMetadata(), async (_fake, gce) => {
        const env = {
          AWS_EC2_METADATA_SERVICE_ENDPOINT: aws,
          GCE_METADATA_HOST: new URL(gce).host,
        };
        const dmi = { ...noDmi, productName: 'Google Compute Engine' };
        const detection = found(await detect({ env, dmi }));
        t.equal(detection.facts.provider, 'gce');
        t.match(detection.notes, ['aws answers as well as gce, which is believed: the firmware']);
        t.same(
          detection.evidence.map(({ provider, kind }) => `${provider} ${kind}`),
          ['gce firmware', 'aws variable', 'gce variable'],
        );
      }),
    );
  });
});

t.test('AWS', async (t) => {
  const env = (url: string) => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: url });

  t.test('an instance with two interfaces', async (t) => {
    await withFake(new FakeAwsMetadata(), async (fake, url) => {
      fake.knobs = { delayMs: 5 };
      const detection = found(await detect({ env: env(url), timeoutMs: 60_000 }));
      t.same(detection.notes, []);
      t.same(plain(detection.facts), {
        provider: 'aws',
        instanceId: 'i-0123456789abcdef0',
        zone: 'eu-west-1a',
        region: 'eu-west-1',
        account: '123456789012',
        nics: [
          {
            id: 'eni-0a1b2c3d4e5f60718',
            mac: '0a:1b:2c:3d:4e:5f',
            device: 'ens5',
            index: 0,
            addresses: ['172.31.16.11/20', '172.31.16.12/20', '2001:db8:1f18:6a00::b/128'],
            publicAddresses: ['203.0.113.11'],
            subnets: ['172.31.16.0/20', '2001:db8:1f18:6a00::/64'],
            subnetId: 'subnet-0aaaaaaaaaaaaaaaa',
            network: 'vpc-0bbbbbbbbbbbbbbbb',
            aliases: [],
            securityGroups: ['sg-0cccccccccccccccc', 'sg-0dddddddddddddddd'],
          },
          {
            id: 'eni-0a1b2c3d4e5f60719',
            mac: '0a:1b:2c:3d:4e:60',
            index: 1,
            addresses: ['172.31.32.11/20'],
            publicAddresses: [],
            subnets: ['172.31.32.0/20'],
            subnetId: 'subnet-0eeeeeeeeeeeeeeee',
            network: 'vpc-0bbbbbbbbbbbbbbbb',
            aliases: ['172.31.40.16/28'],
            securityGroups: ['sg-0cccccccccccccccc'],
          },
        ],
        publicAddresses: ['203.0.113.11'],
      });
      t.equal(fake.asked.filter(({ method }) => method === 'PUT').length, 1, 'one token for all');
      t.ok(fake.busiest > 1 && fake.busiest <= 8, `in parallel, and not too much: ${fake.busiest}`);
      t.notOk(
        fake.asked.some(({ path }) => path.includes('credentials')),
        'no keys are fetched',
      );
    });
  });

  t.test('a PUT without an answer has the limit of hops as its likely reason', async (t) => {
    await withFake(new FakeAwsMetadata(), async (fake, url) => {
      fake.hopLimitTooSmall = true;
      const dmi = { ...noDmi, sysVendor: 'Amazon EC2', boardAssetTag: 'i-0123456789abcdef0' };
      const began = performance.now();
      const { refusals } = failed(await detect({ env: env(url), dmi, timeoutMs: 300 }));
      t.ok(performance.now() - began < 10_000);
      t.match(refusals[0]?.text, /hop/);
      t.match(
        refusals[0]?.text,
        'aws ec2 modify-instance-metadata-options --instance-id i-0123456789abcdef0 --http-put-response-hop-limit 2',
      );
      t.ok(
        fake.asked.every(({ method }) => method === 'PUT'),
        'version 1 is never tried',
      );
    });
  });

  t.test('a token that is refused is renewed once, for all who wait', async (t) => {
    await withFake(new FakeAwsMetadata(), async (fake, url) => {
      let forgotten = false;
      const [push] = [fake.asked.push.bind(fake.asked)];
      // The service restarts behind the second request.
      fake.asked.push = (...items) => {
        if (!forgotten && fake.asked.length === 2) {
          forgotten = true;
          fake.forgetTokens();
        }
        return push(...items);
      };
      const detection = found(await detect({ env: env(url) }));
      t.same(detection.notes, []);
      t.equal(detection.facts.nics.length, 2);
      t.equal(fake.asked.filter(({ method }) => method === 'PUT').length, 2);
    });
  });

  t.test('a service that never likes a token is not asked for ever', async (t) => {
    await withFake(new FakeAwsMetadata(), async (fake, url) => {
      fake.refusesTokens = true;
      const { refusals } = failed(await detect({ env: env(url) }));
      t.match(refusals[0]?.text, /status 401/);
      t.ok(fake.asked.length < 30, `${fake.asked.length} requests`);
    });
  });

  t.test('metadata that is switched off is said, with the command', async (t) => {
    await withFake(new FakeAwsMetadata(), async (fake, url) => {
      fake.disabled = true;
      const { refusals } = failed(await detect({ env: env(url) }));
      t.match(refusals[0]?.text, /switched off/);
      t.match(refusals[0]?.text, '--instance-id INSTANCE-ID --http-endpoint enabled');
    });
  });

  t.test('IPv6: when the variable says so, and when there is no way over IPv4', async (t) => {
    const dmi = { ...noDmi, sysVendor: 'Amazon EC2' };
    const overV6 = (request: MetadataRequest) =>
      request.url.hostname.includes(':')
        ? { status: 200, body: request.method === 'PUT' ? 'token' : 'i-6' }
        : new MetadataError('no route', { failure: 'unreachable' as const });
    const first = spy(overV6);
    t.equal(found(await detect({ dmi, transport: first })).facts.instanceId, 'i-6');
    t.same(first.sent.slice(0, 2), [
      'PUT http://169.254.169.254/latest/api/token',
      'PUT http://[fd00:ec2::254]/latest/api/token',
    ]);
    const wanted = spy(overV6);
    const mode = { AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: 'IPv6' };
    found(await detect({ dmi, env: mode, transport: wanted }));
    t.equal(wanted.sent[0], 'PUT http://[fd00:ec2::254]/latest/api/token');
    const off = spy(overV6);
    const { refusals } = failed(
      await detect({ dmi, env: { AWS_EC2_METADATA_DISABLED: 'true' }, transport: off }),
    );
    t.match(refusals[0]?.text, /AWS_EC2_METADATA_DISABLED is set.*unset/);
    t.same(off.sent, []);
  });

  t.test('keys of the role', async (t) => {
    await withFake(new FakeAwsMetadata(), async (fake, url) => {
      fake.credentialsEnd = new Date('2026-11-22T18:00:00Z');
      t.same(await keysOf({ env: env(url) }), {
        role: 'selvage-node',
        accessKeyId: awsSecrets.accessKeyId,
        secretAccessKey: awsSecrets.secretAccessKey,
        sessionToken: awsSecrets.token,
        expiresAtMs: Date.parse('2026-11-22T18:00:00Z'),
      });
      const { role: _, ...bare } = awsExample;
      fake.instance = bare;
      t.equal((await refusal(keysOf({ env: env(url) }))).failure, 'absent');
      fake.instance = { ...awsExample, role: '../../evil' };
      t.equal((await refusal(keysOf({ env: env(url) }))).failure, 'malformed');
    });
  });
});

t.test('GCE', async (t) => {
  const env = (url: string) => ({ GCE_METADATA_HOST: new URL(url).host });

  t.test('an instance with an alias range', async (t) => {
    await withFake(new FakeGceMetadata(), async (_, url) => {
      const { facts, notes } = found(await detect({ env: env(url) }));
      t.same(notes, []);
      t.same(plain(facts), {
        provider: 'gce',
        instanceId: '6543210987654321098',
        instanceName: 'gce-b-1',
        zone: 'europe-west1-b',
        region: 'europe-west1',
        account: 'example-project',
        nics: [
          {
            id: 'nic0',
            mac: '42:01:0a:84:00:15',
            device: 'ens4',
            index: 0,
            addresses: ['10.132.0.21/32', '2001:db8:4000::21/128'],
            publicAddresses: ['203.0.113.21'],
            subnets: ['10.132.0.0/20'],
            network: 'default',
            aliases: ['10.66.1.0/24'],
            securityGroups: [],
            mtu: 1460,
          },
        ],
        publicAddresses: ['203.0.113.21'],
      });
    });
  });

  t.test('an answer without the flavour is nobody of ours', async (t) => {
    await withFake(new FakeGceMetadata(), async (fake, url) => {
      for (const flavour of [undefined, 'Gurgle', 'google']) {
        fake.flavour = flavour;
        const { refusals } = failed(await detect({ env: env(url) }));
        t.match(refusals[0]?.text, /does not answer as GCE's metadata service does/);
        t.equal((await refusal(gceToken({ env: env(url) }))).failure, 'malformed');
      }
    });
  });

  t.test('a token of the service account', async (t) => {
    await withFake(new FakeGceMetadata(), async (fake, url) => {
      const token = await gceToken({ env: env(url) });
      t.equal(token.accessToken, gceSecrets.accessToken);
      t.ok(Math.abs(token.expiresAtMs - Date.now() - 3_599_000) < 60_000);
      const { serviceAccount: _, ...bare } = gceExample;
      fake.instance = bare;
      t.match(await refusal(gceToken({ env: env(url) })), {
        failure: 'absent',
        remedy: /set-service-account/,
      });
    });
  });
});

t.test('Azure', async (t) => {
  const env = (url: string) => ({ SELVAGE_AZURE_METADATA_ENDPOINT: url });

  t.test('a machine of a zone', async (t) => {
    await withFake(new FakeAzureMetadata(), async (fake, url) => {
      const { facts, notes } = found(await detect({ env: env(url) }));
      t.same(notes, []);
      const group = `/subscriptions/${azureExample.subscriptionId}/resourceGroups/selvage`;
      t.same(plain(facts), {
        provider: 'azure',
        instanceId: azureExample.vmId,
        instanceName: `${group}/providers/Microsoft.Compute/virtualMachines/azure-1`,
        zone: 'westeurope-1',
        region: 'westeurope',
        account: azureExample.subscriptionId,
        nics: [
          {
            mac: '00:0d:3a:f8:06:ec',
            device: 'eth0',
            index: 0,
            addresses: ['10.200.0.11/24', 'fd00:db8:deca:1::4/128'],
            publicAddresses: ['203.0.113.31'],
            subnets: ['10.200.0.0/24'],
            aliases: [],
            securityGroups: [],
          },
        ],
        publicAddresses: ['203.0.113.31'],
      });
      fake.machine = { ...azureExample, zone: '' };
      t.equal(found(await detect({ env: env(url) })).facts.zone, undefined, 'in no zone');
    });
  });

  t.test('a token of the managed identity', async (t) => {
    await withFake(new FakeAzureMetadata(), async (fake, url) => {
      const resource = 'https://management.azure.com/';
      const token = await azureToken(resource, { env: env(url), clientId: 'id-1' });
      t.equal(token.accessToken, azureSecrets.accessToken);
      t.ok(Math.abs(token.expiresAtMs - Date.now() - 86_399_000) < 60_000);
      t.match(fake.asked[0]?.path, 'resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id=id-1');
      fake.machine = { ...azureExample, identity: false };
      t.match(await refusal(azureToken(resource, { env: env(url) })), {
        failure: 'absent',
        remedy: /az vm identity assign/,
      });
    });
  });
});

t.test('OpenStack, and the smaller clouds', async (t) => {
  t.test('OpenStack: ports with and without addresses', async (t) => {
    await withFake(new FakeOpenstackMetadata(), async (_, url) => {
      const env = { SELVAGE_OPENSTACK_METADATA_ENDPOINT: url };
      const { facts, notes } = found(await detect({ env }));
      t.same(notes, []);
      t.same(plain(facts), {
        provider: 'openstack',
        instanceId: 'd8e02d56-2648-49a3-bf97-6be8f1204f38',
        instanceName: 'os-1',
        zone: 'nova',
        account: 'f7ac731cc11f40efbc03a9f9e1d1d21f',
        nics: [
          {
            id: 'd435ecea-75e0-4b4a-8f4e-6bd1d1c7a6a1',
            mac: 'fa:16:3e:ed:9a:59',
            device: 'ens3',
            index: 0,
            addresses: ['192.168.44.10/24', 'fd00:44::10/64'],
            publicAddresses: ['203.0.113.41'],
            subnets: ['192.168.44.0/24', 'fd00:44::/64'],
            network: 'da5bb487-5193-4a65-a3df-4a0055a8c0d7',
            aliases: [],
            securityGroups: [],
            mtu: 1450,
          },
          {
            id: '77a0dc5b-720e-41b7-bfa7-1b2ff62e0d48',
            mac: 'fa:16:3e:d4:57:ad',
            index: 1,
            addresses: [],
            publicAddresses: [],
            subnets: [],
            network: '8d7e4f2a-5a0c-4c1e-9b37-6bdb5b2e3c11',
            aliases: [],
            securityGroups: [],
          },
        ],
        publicAddresses: ['203.0.113.41'],
      });
    });
  });

  const others: readonly (readonly [string, MetadataServer, unknown])[] = [
    [
      'IBM',
      new FakeIbmMetadata(),
      {
        provider: 'ibm',
        instanceId: '0717_e21b7391-2ca2-4ab5-84a8-b92157a633b0',
        instanceName: 'ibm-1',
        zone: 'us-south-1',
        region: 'us-south',
        account: '0123456789abcdef0123456789abcdef',
        nics: [
          {
            id: '0717-10c02d81-0ecb-4dc5-897d-28392913b81e',
            mac: '02:00:04:00:c4:6a',
            index: 0,
            addresses: ['10.240.0.5/32'],
            publicAddresses: ['203.0.113.51'],
            subnets: [],
            subnetId: '0717-bea6a632-5e13-42a4-b4b8-31dc877abfe4',
            network: 'r006-dc5431ef-1fc6-4861-adc9-a59d077d1241',
            aliases: [],
            securityGroups: ['r006-be5df5ca-12a0-494b-907e-aa6ec2bfa271'],
          },
        ],
        publicAddresses: ['203.0.113.51'],
      },
    ],
    [
      'OCI',
      new FakeOciMetadata(),
      {
        provider: 'oci',
        instanceId: 'ocid1.instance.oc1.phx.exampleuniqueID',
        instanceName: 'oci-1',
        zone: 'EMIr:PHX-AD-1',
        region: 'us-phoenix-1',
        account: 'ocid1.tenancy.oc1..exampletenant',
        nics: [
          {
            id: 'ocid1.vnic.oc1.phx.exampleuniqueID',
            mac: '02:00:17:05:d1:db',
            index: 0,
            addresses: ['10.0.3.6/24'],
            publicAddresses: [],
            subnets: ['10.0.3.0/24'],
            aliases: [],
            securityGroups: [],
          },
        ],
        publicAddresses: [],
      },
    ],
    [
      'HETZNER',
      new FakeHetznerMetadata(),
      {
        provider: 'hetzner',
        instanceId: '42',
        instanceName: 'hetzner-1',
        zone: 'fsn1-dc14',
        region: 'eu-central',
        nics: [
          {
            mac: '96:00:00:08:19:da',
            index: 0,
            addresses: ['203.0.113.61/32', '2001:db8:c0c:1::1/64'],
            publicAddresses: ['203.0.113.61', '2001:db8:c0c:1::1'],
            subnets: ['2001:db8:c0c:1::/64'],
            aliases: [],
            securityGroups: [],
          },
          {
            mac: '86:00:00:2a:7d:e0',
            device: 'enp7s0',
            index: 1,
            addresses: ['10.0.0.2/32'],
            publicAddresses: [],
            subnets: ['10.0.0.0/24'],
            network: 'nw-test1',
            aliases: ['10.0.0.3/32', '10.0.0.4/32'],
            securityGroups: [],
          },
        ],
        publicAddresses: ['203.0.113.61', '2001:db8:c0c:1::1'],
      },
    ],
    [
      'DIGITALOCEAN',
      new FakeDigitaloceanMetadata(),
      {
        provider: 'digitalocean',
        instanceId: '2756294',
        instanceName: 'do-1',
        region: 'nyc3',
        nics: [
          {
            mac: '04:01:2a:0f:2a:01',
            index: 0,
            addresses: ['203.0.113.71/20', '2001:db8:800:10::51d:7001/64'],
            publicAddresses: ['203.0.113.71', '2001:db8:800:10::51d:7001'],
            subnets: ['203.0.112.0/20', '2001:db8:800:10::/64'],
            aliases: [],
            securityGroups: [],
          },
          {
            mac: '04:01:2a:0f:2a:02',
            index: 1,
            addresses: ['10.132.255.113/16'],
            publicAddresses: [],
            subnets: ['10.132.0.0/16'],
            aliases: [],
            securityGroups: [],
          },
        ],
        publicAddresses: ['203.0.113.71', '2001:db8:800:10::51d:7001', '203.0.113.72'],
      },
    ],
    [
      'ALIBABA',
      new FakeAlibabaMetadata(),
      {
        provider: 'alibaba',
        instanceId: 'i-bp13znx0m0me8cquu0ab',
        instanceName: 'ali-1',
        zone: 'cn-hangzhou-i',
        region: 'cn-hangzhou',
        account: '160998252992',
        nics: [
          {
            id: 'eni-bp1b2c0jvnj0g17b0abc',
            mac: '00:16:3e:0f:4e:11',
            index: 0,
            addresses: ['192.168.16.9/20'],
            publicAddresses: ['203.0.113.81'],
            subnets: ['192.168.16.0/20'],
            subnetId: 'vsw-bp1ygryo03m39xhsy0ab',
            network: 'vpc-bp1e0g399hkd7c8q30ab',
            aliases: [],
            securityGroups: [],
          },
        ],
        publicAddresses: ['203.0.113.81'],
      },
    ],
  ];
  for (const [name, server, expected] of others)
    t.test(name, async (t) => {
      await withFake(server, async (_, url) => {
        const env = { [`SELVAGE_${name}_METADATA_ENDPOINT`]: url };
        const { facts, notes } = found(await detect({ env }));
        t.same(notes, []);
        t.same(plain(facts), expected);
      });
    });

  t.test('Alibaba is asked at its own address', async (t) => {
    const transport = spy(() => new MetadataError('nobody', { failure: 'unreachable' }));
    await detect({ transport, dmi: { ...noDmi, productName: 'Alibaba Cloud ECS' } });
    t.same(transport.sent, ['PUT http://100.100.100.200/latest/api/token']);
  });

  t.test('a list of private networks that is none is told as a gap', async (t) => {
    await withFake(new FakeHetznerMetadata(), async (fake, url) => {
      const env = { SELVAGE_HETZNER_METADATA_ENDPOINT: url };
      for (const text of ['{ a: b', 'hello', '&a [*a, *a]\n- ['])
        await t.test(JSON.stringify(text), async (t) => {
          fake.privateNetworks = text;
          const { facts, notes } = found(await detect({ env }));
          t.match(notes, [/did not tell private-networks: .* is not YAML of that kind/]);
          t.equal(facts.instanceId, '42');
        });
      fake.privateNetworks = '';
      t.equal(found(await detect({ env })).facts.nics.length, 1, 'none is an honest answer');
    });
  });
});

t.test('services that misbehave', async (t) => {
  t.equal(services.length, cloudProviders.length, 'all of them');

  t.test('a redirect is never followed', async (t) => {
    const trap = new FakeAwsMetadata();
    await withFake(trap, async (_, elsewhere) => {
      for (const [variable, make] of services)
        await withFake(make(), async (fake, url) => {
          fake.knobs = { redirect: `${elsewhere}/latest/meta-data/instance-id` };
          const { refusals } = failed(await detect({ env: { [variable]: url } }));
          t.match(refusals[0]?.text, /redirect \(302\), which is not followed/, variable);
        });
    });
    t.same(trap.asked, [], 'nobody came by');
  });

  t.test('what is no metadata gives no facts and no defect', async (t) => {
    const bodies = [
      '',
      'null',
      '[]',
      '"text"',
      '<html>Please log in</html>',
      '\u0000\u001b[2J',
      '{"compute":[],"network":{"interface":{}},"interfaces":7}',
      '[null, 1, {"mac": {}, "ip": "999.1.1.1", "mtu": -3, "ipAliases": [{}]}]',
      '{"__proto__": {"vmId": "x"}}',
    ];
    for (const [variable, make] of services)
      await withFake(make(), async (fake, url) => {
        for (const garbage of bodies) {
          fake.knobs = { garbage };
          const detection = await detect({ env: { [variable]: url } });
          const told = JSON.stringify(
            detection.kind === 'found' ? plain(detection.facts) : detection,
          );
          t.notMatch(told, /\u0000|\u001b|999\.1/, `${variable} ${JSON.stringify(garbage)}`);
        }
      });
  });

  t.test('an answer without an end is cut off', async (t) => {
    for (const [variable, make] of services)
      await withFake(make(), async (fake, url) => {
        fake.knobs = { huge: true };
        const { refusals } = failed(await detect({ env: { [variable]: url } }));
        t.match(refusals[0]?.text, /more than 262144 bytes/, variable);
        fake.knobs = { cut: true };
        t.match(
          failed(await detect({ env: { [variable]: url } })).refusals[0]?.text,
          /cannot be reached/,
        );
      });
  });

  t.test('one that hangs ends with the deadline, whoever it is', async (t) => {
    await Promise.all(
      services.map(([variable, make]) =>
        withFake(make(), async (fake, url) => {
          fake.knobs = { hang: /./ };
          const began = performance.now();
          const detection = failed(await detect({ env: { [variable]: url }, timeoutMs: 200 }));
          t.match(detection.refusals[0]?.text, /did not answer in time/, variable);
          t.ok(performance.now() - began < 15_000);
        }),
      ),
    );
  });

  t.test('a part that hangs leaves the rest', async (t) => {
    await withFake(new FakeAwsMetadata(), async (fake, url) => {
      fake.knobs = { hang: /security-group-ids|public-ipv4$/ };
      const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: url };
      const { facts, notes } = found(await detect({ env, timeoutMs: 30_000 }));
      t.match(notes, [/did not tell public-ipv4, security-group-ids of 0a:1b.*in time/]);
      t.equal(notes.length, 1, 'one sentence for one reason');
      t.equal(facts.nics[0]?.subnets[0]?.text, '172.31.16.0/20');
      t.same(facts.nics[0]?.securityGroups, []);
    });
  });

  t.test('a part that fails is told, and the rest used', async (t) => {
    await withFake(new FakeGceMetadata(), async (fake, url) => {
      fake.knobs = { fail: { path: /network-interfaces/, status: 503 } };
      const { facts, notes } = found(await detect({ env: { GCE_METADATA_HOST: url } }));
      t.match(notes, [/did not tell instance\/network-interfaces\/: .*status 503/]);
      t.equal(facts.zone, 'europe-west1-b');
      t.same(facts.nics, []);
    });
  });

  t.test('a slow one is waited for', async (t) => {
    await withFake(new FakeAzureMetadata(), async (fake, url) => {
      fake.knobs = { delayMs: 150 };
      const env = { SELVAGE_AZURE_METADATA_ENDPOINT: url };
      t.equal(found(await detect({ env, timeoutMs: 10_000 })).facts.provider, 'azure');
    });
  });

  t.test('nobody listens', async (t) => {
    const fake = new FakeAzureMetadata();
    const { url } = await fake.start();
    await fake.close();
    const env = { SELVAGE_AZURE_METADATA_ENDPOINT: url };
    t.match(failed(await detect({ env })).refusals[0]?.text, /cannot be reached \(ECONNREFUSED\)/);
  });

  t.test('a variable that is no endpoint is named', async (t) => {
    for (const text of ['https://127.0.0.1/', 'ftp://x', 'http://user:pass@127.0.0.1/', 'http://'])
      for (const [variable] of services) {
        const { refusals } = failed(await detect({ env: { [variable]: text }, transport: nobody }));
        t.match(refusals[0]?.text, new RegExp(`^${variable} is not the address.*write it like`));
        t.notMatch(refusals[0]?.text, 'pass@');
      }
  });

  t.test('a whole that is given up by whoever asked ends at once', async (t) => {
    await withFake(new FakeGceMetadata(), async (fake, url) => {
      fake.knobs = { hang: /./ };
      const env = { GCE_METADATA_HOST: url };
      failed(await detect({ env, signal: AbortSignal.timeout(50), timeoutMs: 600_000 }));
      failed(await detect({ env, signal: AbortSignal.abort(), timeoutMs: 600_000 }));
      t.equal(
        (await refusal(gceToken({ env, signal: AbortSignal.timeout(50) }))).failure,
        'timeout',
      );
    });
  });

  t.test('no secret is in facts, notes, refusals or errors', async (t) => {
    const told: string[] = [];
    const keep = (value: unknown): void => {
      told.push(
        value instanceof Error ? `${value.stack}${JSON.stringify(value)}` : JSON.stringify(value),
      );
    };
    for (const [variable, make] of services)
      await withFake(make(), async (fake, url) => {
        const env = { [variable]: url };
        for (const knobs of [
          {},
          { cut: true },
          { fail: { path: /credentials|token/, status: 500 } },
          { garbage: secrets.join(' ') },
          { garbage: JSON.stringify({ Code: secrets[0], access_token: `${secrets[1]} x` }) },
        ]) {
          fake.knobs = knobs;
          const detection = await detect({ env });
          keep(detection.kind === 'found' ? { ...detection, facts: undefined } : detection);
          if (!('garbage' in knobs) && detection.kind === 'found') keep(plain(detection.facts));
          // A key that arrives whole is the answer itself; only what is thrown is told to anybody.
          if (variable === 'AWS_EC2_METADATA_SERVICE_ENDPOINT') await keysOf({ env }).catch(keep);
          if (variable === 'GCE_METADATA_HOST') await gceToken({ env }).catch(keep);
          if (variable === 'SELVAGE_AZURE_METADATA_ENDPOINT')
            await azureToken('https://x/', { env }).catch(keep);
        }
      });
    const all = told.join('\n');
    for (const secret of secrets) t.notOk(all.includes(secret), secret.slice(0, 12));
  });
});
