/**
 * What is done with the facts of a machine: kept, written as JSON, matched to the kernel's NICs,
 * held against the cluster file, and shown.
 */
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import { addressFromBytes, parseAddress } from '../../encap/address.js';
import { parsePrefix, prefixOf } from '../../encap/prefix.js';
import { cloudDetect } from '../../src/cli/cloud-detect.js';
import { renderCloudDetect } from '../../src/cli/render/cloud-detect.js';
import { terminalFor } from '../../src/cli/terminal.js';
import type { DetectOptions } from '../../src/cloud/detect.js';
import { fillFromMachine } from '../../src/cloud/fill.js';
import { kernelNics } from '../../src/cloud/kernel-nics.js';
import { cloudProviders } from '../../src/cloud/machine.js';
import type { MachineFacts, MachineNic } from '../../src/cloud/machine.js';
import { machineCache } from '../../src/cloud/machine-cache.js';
import { machineFromJson, machineToJson } from '../../src/cloud/machine-json.js';
import { parseClusterFile } from '../../src/config/index.js';
import { FakeAwsMetadata } from '../fakes/cloud/metadata-aws.js';
import { FakeGceMetadata } from '../fakes/cloud/metadata-gce.js';
import { detect, found, secrets, withFake } from '../support/metadata.js';

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

const nic: MachineNic = {
  id: 'nic0',
  mac: '42:01:0a:84:00:15',
  device: 'ens4',
  index: 0,
  addresses: [{ address: parseAddress('10.132.0.21'), length: 32 }],
  publicAddresses: [parseAddress('203.0.113.21')],
  subnets: [parsePrefix('10.132.0.0/20')],
  subnetId: undefined,
  network: 'default',
  aliases: [],
  securityGroups: [],
  mtu: 8896,
};
const machine: MachineFacts = {
  provider: 'gce',
  instanceId: '1',
  instanceName: 'g',
  zone: 'europe-west1-b',
  region: 'europe-west1',
  account: 'p',
  nics: [nic],
  publicAddresses: [parseAddress('203.0.113.21')],
};

function clusterOf(text: string) {
  const parsed = parseClusterFile({ text, file: 'c.yaml' });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.cluster;
}

/** A cluster of one node `g`; what more its zone and its entry say. */
function one(options: { zone?: string; node?: string; address?: string }) {
  const { zone = '{ name: europe-west1-b, provider: gce, region: europe-west1 }' } = options;
  const zones = zone === '' ? '' : `zones:\n  - ${zone}\n`;
  const name = /name: ([^, ]+)/.exec(zone)?.[1];
  const own = `name: g, address: ${options.address ?? '10.132.0.21'}, overlay: 10.64.1.0/24`;
  const more = options.node === undefined ? '' : `, ${options.node}`;
  const inZone = name === undefined ? '' : `, zone: ${name}`;
  return clusterOf(`${zones}nodes:\n  - { ${own}${inZone}${more} }\n`);
}

function fillOne(options: Parameters<typeof one>[0], facts = machine) {
  const cluster = one(options);
  return fillFromMachine(cluster.nodes.get('g')!, facts, { zones: cluster.zones });
}

t.test('the own entry of the file', (t) => {
  t.test('what it leaves out and no other node reads is filled', (t) => {
    const { node, filled, contradictions, proposals } = fillOne({});
    t.equal(node.mtu, 8896);
    t.same(
      node.publicAddresses.map(({ text }) => text),
      ['203.0.113.21'],
    );
    t.same(filled, [
      { field: 'mtu', value: '8896', source: 'gce metadata, nic0' },
      { field: 'publicAddress', value: '203.0.113.21', source: 'gce metadata' },
    ]);
    t.same(contradictions, []);
    t.same(proposals, [
      {
        field: 'mtu',
        text: 'mtu: 8896',
        because: 'the other nodes believe 1460 of gce otherwise',
      },
    ]);
    t.equal(node.underlay[0]?.length, 32, 'masks are read by all nodes, and not filled on one');
    t.end();
  });

  t.test('what the file says wins, of the node or of its zone', (t) => {
    const own = fillOne({ node: 'mtu: 1400, publicAddress: 203.0.113.21' });
    t.same([own.node.mtu, own.filled, own.contradictions], [1400, [], []]);
    const zone = '{ name: z, provider: gce, mtu: 1500 }';
    const ofZone = fillOne({ zone, node: 'publicAddress: 203.0.113.21' });
    t.equal(ofZone.node.mtu, undefined);
    t.same([ofZone.filled, ofZone.contradictions], [[], []]);
    t.end();
  });

  t.test('facts that are not there fill and contradict nothing', (t) => {
    const bare: MachineFacts = {
      ...machine,
      zone: undefined,
      region: undefined,
      nics: [],
      publicAddresses: [],
    };
    const node = 'mtu: 9000, publicAddress: 198.51.100.1';
    const { filled, contradictions, proposals, node: same } = fillOne({ node }, bare);
    t.same([filled, contradictions, proposals], [[], [], []]);
    t.equal(same.mtu, 9000);
    t.end();
  });

  t.test('each contradiction, and what is none', (t) => {
    const table: readonly (readonly [Parameters<typeof one>[0], readonly string[]])[] = [
      [{ zone: '{ name: z, provider: aws }' }, ['provider aws gce']],
      [{ zone: '{ name: rack }' }, ['provider onprem gce']],
      [
        { zone: '{ name: z, provider: gce, region: europe-west2 }' },
        ['region europe-west2 europe-west1'],
      ],
      [{ zone: '{ name: europe-west1-c, provider: gce }' }, ['zone europe-west1-c europe-west1-b']],
      [{ zone: '{ name: europe-west1-b-private, provider: gce }' }, []],
      [{ zone: '{ name: europe-west1, provider: gce }' }, []],
      [{ zone: '{ name: edge, provider: gce }' }, []],
      [{ address: '10.132.0.22' }, ['address 10.132.0.22 10.132.0.21/32']],
      [{ address: '203.0.113.21' }, []],
      [{ address: '"fd00:1::5"' }, []],
      [{ address: '10.132.0.21/20' }, []],
      [{ address: '10.132.0.21/24' }, ['mask 10.132.0.21/24 10.132.0.21/20']],
      [{ node: 'mtu: 8897' }, ['mtu 8897 8896']],
      [{ node: 'mtu: 8896' }, []],
      [{ zone: '{ name: z, provider: gce, mtu: 9000 }' }, ['mtu 9000 8896']],
      [{ node: 'publicAddress: 198.51.100.1' }, ['publicAddress 198.51.100.1 203.0.113.21']],
      [{ node: 'publicAddress: "2001:db8::1"' }, []],
    ];
    for (const [options, expected] of table) {
      const { contradictions } = fillOne(options);
      t.same(
        contradictions.map((found) => `${found.field} ${found.file} ${found.machine}`),
        expected,
        JSON.stringify(options),
      );
      for (const { source } of contradictions) t.equal(source?.file, 'c.yaml');
    }
    t.end();
  });

  t.test('what every node must read is proposed for the file', (t) => {
    const aws: MachineFacts = {
      ...machine,
      provider: 'aws',
      zone: 'eu-west-1a',
      region: 'eu-west-1',
      nics: [{ ...nic, addresses: [{ address: parseAddress('10.132.0.21'), length: 20 }] }],
    };
    const none = fillOne({ zone: '' }, aws);
    t.same(
      none.proposals.map(({ text }) => text),
      [
        'zones: [{ name: eu-west-1a, provider: aws, region: eu-west-1, subnets: [10.132.0.0/20] }]',
        'address: 10.132.0.21/20',
        'mtu: 8896',
      ],
    );
    t.same(none.contradictions, [], 'a zone that nobody wrote contradicts nothing');
    t.equal(none.node.underlay[0]?.length, 32);
    const zone = '{ name: z, provider: aws, subnets: 10.132.0.0/20, mtu: 8896 }';
    t.same(fillOne({ zone }, aws).proposals, [], 'the subnet of the zone gives the mask');
    t.same(
      fillOne({ zone: '{ name: z, provider: gce, mtu: 8896 }' }).proposals,
      [],
      'a /32 is all there is',
    );
    t.end();
  });
  t.end();
});

t.test('the answer of the command', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-cloud-'));
  const dmi = join(folder, 'dmi');
  mkdirSync(dmi);
  const file = join(folder, 'cluster.yaml');
  writeFileSync(
    file,
    'zones:\n  - { name: eu-west-1b, provider: aws, region: eu-west-1 }\n' +
      'nodes:\n  - { name: a, zone: eu-west-1b, address: 172.31.16.11, overlay: 10.64.1.0/24 }\n',
  );
  const terminal = terminalFor({ isTty: false, columns: 80, env: {}, noColor: true });
  const ask = (env: NodeJS.ProcessEnv, node?: string) =>
    cloudDetect({
      config:
        node === undefined
          ? { file: join(folder, 'no'), isDefault: true }
          : { file, isDefault: false },
      node:
        node === undefined ? { text: 'host', isDefault: true } : { text: node, isDefault: false },
      runtimeDir: join(folder, 'run'),
      timeoutMs: 60_000,
      refresh: true,
      env: { SELVAGE_DMI_DIR: dmi, ...env },
    });

  t.test('nothing names a provider', async (t) => {
    const report = await ask({});
    t.match(report, { provider: 'none', machine: null, evidence: [], file: null, exitCode: 0 });
    t.match(
      renderCloudDetect(report, terminal),
      /^none nothing names a cloud: .*nobody was\s+asked$/s,
    );
  });

  t.test('a machine, and a file that contradicts it', async (t) => {
    await withFake(new FakeAwsMetadata(), async (fake, url) => {
      const env = { AWS_EC2_METADATA_SERVICE_ENDPOINT: url };
      const alone = await ask(env);
      t.match(alone, { provider: 'aws', machine: { zone: 'eu-west-1a' }, file: null, exitCode: 0 });
      const draft = `overlay: { pools: 10.64.0.0/12 }\nzones:\n  - ${alone.draft?.zone}\nnodes:\n  - ${alone.draft?.node.replace('PREFIX', '10.64.1.0/24')}\n`;
      const drafted = [...clusterOf(draft).nodes.values()][0];
      t.match(drafted, { zone: 'eu-west-1a', underlay: [{ length: 20 }] }, 'a file that is sound');
      t.match(renderCloudDetect(alone, terminal), alone.draft?.node);
      const report = await ask(env, 'a');
      t.equal(report.exitCode, 1);
      t.same(report.file?.contradictions, [
        {
          field: 'zone',
          file: 'eu-west-1b',
          machine: 'eu-west-1a',
          text: 'node a is in zone eu-west-1b of the file, and this machine is in eu-west-1a',
          at: `${file}:4`,
        },
      ]);
      t.same(
        report.evidence.map(({ kind, text }) => `${kind}: ${text}`),
        [
          `file: zone eu-west-1b (${file}:2) has provider aws`,
          'variable: AWS_EC2_METADATA_SERVICE_ENDPOINT is set',
        ],
      );
      const text = renderCloudDetect(report, terminal);
      for (const part of [
        /^AWS i-0123456789abcdef0 in eu-west-1a$/m,
        /MTU +not told; 9001 is believed: a VPC carries 9001 bytes/,
        /\+ publicAddress 203\.0\.113\.11, which it leaves out/,
        /· write "address: 172\.31\.16\.11\/20"/,
        /the file wins/,
      ])
        t.match(text, part);
      t.ok(
        text.split('\n').every((line) => line.length <= 80),
        'no line is wider than the terminal',
      );
      fake.disabled = true;
      const off = await ask(env, 'a');
      t.match(off, { provider: 'aws', machine: null, exitCode: 3 });
      t.match(renderCloudDetect(off, terminal), /^AWS is named.*--http-endpoint\s+enabled/s);
      await t.rejects(ask(env, 'nobody'), /--node/);
    });
  });
});
