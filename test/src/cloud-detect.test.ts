/**
 * Detection: who is asked and who never is, what each provider's metadata becomes, and what happens
 * when a service is slow, partial, hostile or not what it should be.
 */
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import { cloudProviders } from '../../src/cloud/machine.js';
import type { MachineFacts } from '../../src/cloud/machine.js';
import { machineCache } from '../../src/cloud/machine-cache.js';
import { machineFromJson, machineToJson } from '../../src/cloud/machine-json.js';
import { instanceCredentials } from '../../src/cloud/aws/metadata.js';
import { managedIdentityToken } from '../../src/cloud/azure/metadata.js';
import { serviceAccountToken } from '../../src/cloud/gce/metadata.js';
import type { DetectOptions, Detection } from '../../src/cloud/detect.js';
import { detectMachine } from '../../src/cloud/detect.js';
import type { Dmi } from '../../src/cloud/dmi.js';
import { MetadataError } from '../../src/cloud/metadata-error.js';
import type { MetadataRequest, MetadataTransport } from '../../src/cloud/metadata-transport.js';
import { cloudRegistry } from '../../src/cloud/registry.js';
import { kernelNics } from '../../src/cloud/kernel-nics.js';
import { addressFromBytes } from '../../encap/address.js';
import { prefixOf } from '../../encap/prefix.js';
import type { MetadataServer } from '../fakes/cloud/metadata-server.js';
import { FakeAwsMetadata, awsExample, awsSecrets } from '../fakes/cloud/metadata-aws.js';
import { FakeAzureMetadata, azureExample, azureSecrets } from '../fakes/cloud/metadata-azure.js';
import { FakeGceMetadata, gceExample, gceSecrets } from '../fakes/cloud/metadata-gce.js';
import { FakeOpenstackMetadata, openstackSecrets } from '../fakes/cloud/metadata-openstack.js';
import {
  FakeAlibabaMetadata,
  FakeDigitaloceanMetadata,
  FakeHetznerMetadata,
  FakeIbmMetadata,
  FakeOciMetadata,
  otherSecrets,
} from '../fakes/cloud/metadata-others.js';

const noDmi: Dmi = {
  sysVendor: '',
  productName: '',
  productVersion: '',
  boardVendor: '',
  boardAssetTag: '',
  chassisAssetTag: '',
  biosVendor: '',
};
const devices = new Map([
  ['0a:1b:2c:3d:4e:5f', 'ens5'],
  ['42:01:0a:84:00:15', 'ens4'],
  ['00:0d:3a:f8:06:ec', 'eth0'],
  ['fa:16:3e:ed:9a:59', 'ens3'],
  ['86:00:00:2a:7d:e0', 'enp7s0'],
]);

/** Detection as a test asks for it: nothing of this machine, no network beyond loopback. */
function detect(options: Partial<DetectOptions>): Promise<Detection> {
  return detectMachine({ env: {}, dmi: noDmi, devices, ...options });
}

function found(detection: Detection): Extract<Detection, { kind: 'found' }> {
  if (detection.kind !== 'found') throw new Error(`not found: ${JSON.stringify(detection)}`);
  return detection;
}

function failed(detection: Detection): Extract<Detection, { kind: 'failed' }> {
  if (detection.kind !== 'failed') throw new Error(`not failed: ${JSON.stringify(detection)}`);
  return detection;
}

async function refusal(promise: Promise<unknown>): Promise<MetadataError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof MetadataError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/** Runs with a fake that is gone afterwards. */
async function withFake<T extends MetadataServer>(
  fake: T,
  work: (fake: T, url: string) => Promise<void>,
): Promise<void> {
  const { url } = await fake.start();
  try {
    await work(fake, url);
  } finally {
    await fake.close();
  }
}

/** A transport that sends nothing: it remembers, and answers as it is told. */
function spy(
  answer: (request: MetadataRequest) => { status: number; body: string } | MetadataError,
): MetadataTransport & { readonly sent: string[] } {
  const sent: string[] = [];
  return {
    sent,
    send: async (request) => {
      sent.push(`${request.method} ${request.url.href}`);
      const answered = answer(request);
      if (answered instanceof MetadataError) throw answered;
      return { ...answered, headers: {} };
    },
    close: () => undefined,
  };
}

const nobody = spy(() => new MetadataError('nobody', { failure: 'unreachable' }));

const plain = (facts: MachineFacts): unknown => JSON.parse(JSON.stringify(machineToJson(facts)));

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
      t.same(await instanceCredentials({ env: env(url) }), {
        role: 'selvage-node',
        accessKeyId: awsSecrets.accessKeyId,
        secretAccessKey: awsSecrets.secretAccessKey,
        sessionToken: awsSecrets.token,
        expiresAtMs: Date.parse('2026-11-22T18:00:00Z'),
      });
      const { role: _, ...bare } = awsExample;
      fake.instance = bare;
      t.equal((await refusal(instanceCredentials({ env: env(url) }))).failure, 'absent');
      fake.instance = { ...awsExample, role: '../../evil' };
      t.equal((await refusal(instanceCredentials({ env: env(url) }))).failure, 'malformed');
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
        t.equal((await refusal(serviceAccountToken({ env: env(url) }))).failure, 'malformed');
      }
    });
  });

  t.test('a token of the service account', async (t) => {
    await withFake(new FakeGceMetadata(), async (fake, url) => {
      const token = await serviceAccountToken({ env: env(url) });
      t.equal(token.accessToken, gceSecrets.accessToken);
      t.ok(Math.abs(token.expiresAtMs - Date.now() - 3_599_000) < 60_000);
      const { serviceAccount: _, ...bare } = gceExample;
      fake.instance = bare;
      t.match(await refusal(serviceAccountToken({ env: env(url) })), {
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
      const token = await managedIdentityToken(resource, { env: env(url), clientId: 'id-1' });
      t.equal(token.accessToken, azureSecrets.accessToken);
      t.ok(Math.abs(token.expiresAtMs - Date.now() - 86_399_000) < 60_000);
      t.match(fake.asked[0]?.path, 'resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id=id-1');
      fake.machine = { ...azureExample, identity: false };
      t.match(await refusal(managedIdentityToken(resource, { env: env(url) })), {
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
        publicAddresses: ['203.0.113.61'],
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
          t.match(notes, [/did not tell private-networks: .* is not a list in YAML/]);
          t.equal(facts.instanceId, '42');
        });
      fake.privateNetworks = '';
      t.same(found(await detect({ env })).facts.nics, [], 'none is an honest answer');
    });
  });
});

/** A service of each kind of provider, for what must hold for all of them. */
const services: readonly (readonly [string, () => MetadataServer])[] = [
  ['AWS_EC2_METADATA_SERVICE_ENDPOINT', () => new FakeAwsMetadata()],
  ['GCE_METADATA_HOST', () => new FakeGceMetadata()],
  ['SELVAGE_AZURE_METADATA_ENDPOINT', () => new FakeAzureMetadata()],
  ['SELVAGE_OPENSTACK_METADATA_ENDPOINT', () => new FakeOpenstackMetadata()],
  ['SELVAGE_IBM_METADATA_ENDPOINT', () => new FakeIbmMetadata()],
  ['SELVAGE_OCI_METADATA_ENDPOINT', () => new FakeOciMetadata()],
  ['SELVAGE_HETZNER_METADATA_ENDPOINT', () => new FakeHetznerMetadata()],
  ['SELVAGE_DIGITALOCEAN_METADATA_ENDPOINT', () => new FakeDigitaloceanMetadata()],
  ['SELVAGE_ALIBABA_METADATA_ENDPOINT', () => new FakeAlibabaMetadata()],
];
const secrets = [
  ...Object.values(awsSecrets),
  ...Object.values(gceSecrets),
  ...Object.values(azureSecrets),
  ...Object.values(openstackSecrets),
  ...Object.values(otherSecrets),
  'fakeImdsToken',
  'fakeAlibabaToken',
];

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
        (await refusal(serviceAccountToken({ env, signal: AbortSignal.timeout(50) }))).failure,
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
          await instanceCredentials({ env }).catch(keep);
          await serviceAccountToken({ env, timeoutMs: 500, transport: nobody }).catch(keep);
          if (variable === 'GCE_METADATA_HOST') await serviceAccountToken({ env }).catch(keep);
          if (variable === 'SELVAGE_AZURE_METADATA_ENDPOINT')
            await managedIdentityToken('https://x/', { env }).catch(keep);
        }
      });
    const all = told.join('\n');
    for (const secret of secrets) t.notOk(all.includes(secret), secret.slice(0, 12));
  });
});

t.test('what was told is kept', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-machine-'));
  const path = join(folder, 'run', 'machine');
  let uptimeMs = 1_000_000;
  let boot = 'boot-1';
  const cache = machineCache({ path, uptimeMs: () => uptimeMs, boot: () => boot });

  t.test('for a while, this boot, and this way of asking', async (t) => {
    await withFake(new FakeAwsMetadata(), async (fake, url) => {
      const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: url };
      const asked = async (more: Partial<DetectOptions> = {}): Promise<number> => {
        const before = fake.asked.length;
        const { facts } = found(await detect({ env, cache, ...more }));
        t.equal(facts.zone, 'eu-west-1a');
        return fake.asked.length - before;
      };
      t.ok((await asked()) > 0);
      t.equal(statSync(path).mode & 0o777, 0o600);
      t.equal(await asked(), 0, 'kept');
      uptimeMs += 60_000;
      const kept = found(
        await detect({ env, cache, devices: new Map([['0a:1b:2c:3d:4e:60', 'ens9']]) }),
      );
      t.equal(kept.ageMs, 60_000);
      t.same(
        kept.facts.nics.map(({ device }) => device),
        [undefined, 'ens9'],
        'devices are those of now',
      );
      t.ok((await asked({ refresh: true })) > 0, 'refreshed');
      uptimeMs += 5 * 60_000 + 1;
      t.ok((await asked()) > 0, 'too old');
      uptimeMs -= 1_000;
      t.ok((await asked()) > 0, 'from the future');
      boot = 'boot-2';
      t.ok((await asked()) > 0, 'another boot');
      t.equal(await asked(), 0);
      const slash = { AWS_EC2_METADATA_SERVICE_ENDPOINT: `${url}/` };
      t.ok((await asked({ env: slash })) > 0, 'asked elsewhere');
      writeFileSync(path, readFileSync(path, 'utf8').replace('eu-west-1a', 'eu-west-1z'));
      t.ok((await asked()) > 0, 'damaged');
      const text = readFileSync(path, 'utf8');
      for (const secret of secrets) t.notOk(text.includes(secret));
    });
  });

  t.test('an answer with gaps for ten seconds only', async (t) => {
    await withFake(new FakeGceMetadata(), async (fake, url) => {
      const env = { GCE_METADATA_HOST: url };
      fake.knobs = { fail: { path: /zone/, status: 500 } };
      t.equal(found(await detect({ env, cache })).notes.length, 1);
      fake.knobs = {};
      t.equal(found(await detect({ env, cache })).notes.length, 1, 'the notes are kept as well');
      uptimeMs += 10_001;
      t.equal(found(await detect({ env, cache })).facts.zone, 'europe-west1-b');
    });
  });

  t.test('where it cannot be kept, it is asked for', async (t) => {
    const blocked = join(folder, 'blocked');
    mkdirSync(join(blocked, 'machine'), { recursive: true });
    const other = machineCache({ path: join(blocked, 'machine') });
    await withFake(new FakeGceMetadata(), async (_, url) => {
      const env = { GCE_METADATA_HOST: url };
      found(await detect({ env, cache: other }));
      t.equal(found(await detect({ env, cache: other })).ageMs, undefined);
    });
  });
});

t.test('facts to JSON and back are the same facts', (t) => {
  const word = fc.option(fc.string({ minLength: 1, maxLength: 12 }), { nil: undefined });
  const number = fc.option(fc.nat(65_535), { nil: undefined });
  const address = fc
    .oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    )
    .map((bytes) => addressFromBytes(bytes));
  const bounded = address.chain((one) =>
    fc.nat(8 * one.bytes.length).map((length) => ({ address: one, length })),
  );
  const prefix = bounded.map(({ address: one, length }) => prefixOf(one, length));
  const nic = fc.record({
    id: word,
    mac: word,
    device: word,
    index: number,
    addresses: fc.array(bounded, { maxLength: 3 }),
    publicAddresses: fc.array(address, { maxLength: 3 }),
    subnets: fc.array(prefix, { maxLength: 3 }),
    subnetId: word,
    network: word,
    aliases: fc.array(prefix, { maxLength: 3 }),
    securityGroups: fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }),
    mtu: number,
  });
  const facts = fc.record({
    provider: fc.constantFrom(...cloudProviders),
    instanceId: word,
    instanceName: word,
    zone: word,
    region: word,
    account: word,
    nics: fc.array(nic, { maxLength: 3 }),
    publicAddresses: fc.array(address, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(facts, (machine) => {
      const text = JSON.stringify(machineToJson(machine));
      const back = machineFromJson(JSON.parse(text));
      return back !== undefined && JSON.stringify(machineToJson(back)) === text;
    }),
    { numRuns: 200 },
  );
  for (const wrong of [null, 7, {}, { provider: 'onprem' }, { provider: 'aws' }])
    t.equal(machineFromJson(wrong), undefined);
  const good = machineToJson({
    provider: 'aws',
    instanceId: 'i-1',
    instanceName: undefined,
    zone: undefined,
    region: undefined,
    account: undefined,
    nics: [],
    publicAddresses: [],
  });
  t.ok(machineFromJson(good));
  for (const wrong of [
    { ...good, zone: 7 },
    { ...good, nics: [{}] },
    { ...good, publicAddresses: ['1.2.3'] },
  ])
    t.equal(machineFromJson(wrong), undefined);
  t.end();
});

t.test("the kernel's NICs by MAC", (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-net-'));
  const nic = (name: string, mac: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'address'), `${mac}\n`);
  };
  nic('ens5', '0A:1B:2C:3D:4E:5F');
  nic('lo', '00:00:00:00:00:00');
  nic('slv4a', '02:c6:80:a1:ba:71');
  nic('tun0', '');
  t.same([...kernelNics(folder)], [['0a:1b:2c:3d:4e:5f', 'ens5']]);
  t.same([...kernelNics(join(folder, 'nothing'))], []);
  t.end();
});
