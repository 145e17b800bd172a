/** A guarded change with ports that a test holds: every way it can end, and what is left on disk. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import { agentRequest } from '../../src/agent/client.js';
import type { ChangeRequest } from '../../src/agent/change.js';
import { ChangeRecordFile, settleLeftover } from '../../src/agent/change-record.js';
import { beginRoute, settleRoutes } from '../../src/agent/change-routes.js';
import { GuardedChange } from '../../src/agent/guarded-change.js';
import { managementAddresses } from '../../src/agent/management-facts.js';
import { pingArguments } from '../../src/agent/ping.js';
import type { ProbeTarget } from '../../src/agent/reachability.js';
import { maxSampledPeers, samplePeers } from '../../src/agent/reachability.js';
import { replaceFile } from '../../src/agent/replace-file.js';
import { parseDuration } from '../../src/cli/duration.js';
import { sshClient } from '../../src/cli/ssh-client.js';
import { maxFileBytes } from '../../src/config/limits.js';
import { parseClusterFile } from '../../src/config/index.js';
import { serveControl } from '../../src/http/server.js';
import { sketchCluster } from '../support/cluster-builder.js';

const folder = mkdtempSync(join(tmpdir(), 'selvage-change-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const yaml = (name: string): string => `
cluster: ${name}
nodes:
  - { name: a, address: 192.0.2.1/24, overlay: 10.64.1.0/24 }
  - { name: b, address: 192.0.2.2/24, overlay: 10.64.2.0/24 }
  - { name: c, address: 192.0.2.3/24, overlay: 10.64.3.0/24 }
`;

let counter = 0;

/** A change of `old` to something, whose kernel and peers are what the test says. */
function bench(options: { readonly failures?: readonly string[] } = {}) {
  const place = join(folder, String(++counter));
  const configFile = join(place, 'cluster.yaml');
  replaceFile(configFile, Buffer.from(yaml('old')), { mode: 0o600 });
  const record = new ChangeRecordFile(join(place, 'state', 'change'));
  const parsed = parseClusterFile({ text: yaml('old'), file: configFile });
  if (!parsed.ok) throw new Error('the test has a bad file');
  const inForce: string[] = [];
  const silent = new Set<string>();
  const probed: ProbeTarget[] = [];
  const change = new GuardedChange({
    node: 'a',
    keeper: 'agent',
    configFile,
    record,
    previous: { kind: 'configured' },
    prober: {
      probe: (target) => {
        probed.push(target);
        return Promise.resolve(!silent.has(`${target.node} ${target.path} ${inForce.at(-1)}`));
      },
    },
    pathMtu: () => Promise.resolve(1450),
    nextRevision: () => 2,
    presentCluster: () => parsed.cluster,
    assess: () =>
      Promise.resolve({
        schema: 'selvage.plan/1',
        node: 'a',
        revision: 2,
        changes: [],
        foreign: [],
        problems: [],
      }),
    enforce: (candidate: Cluster | undefined) => {
      inForce.push(candidate?.name ?? 'old');
      return Promise.resolve(candidate === undefined ? [] : (options.failures ?? []));
    },
    adopt: () => Promise.resolve(void inForce.push('adopted')),
    log: () => undefined,
    timing: { rounds: 2, pauseMs: 1, watchMs: 20 },
  });
  const request = (more: Partial<ChangeRequest> = {}): ChangeRequest => ({
    file: 'new.yaml',
    content: Buffer.from(yaml('new')),
    confirmMs: 60_000,
    allowManagementCut: false,
    allowLoss: [],
    ...more,
  });
  const config = (): string => readFileSync(configFile, 'utf8');
  return { change, request, inForce, silent, probed, config, configFile, record };
}

t.test('kept: the file is replaced only then, and the record says so', async (t) => {
  const { change, request, inForce, config, record, probed } = bench();
  const report = await change.begin(request());
  t.match(report, {
    state: 'provisional',
    probes: { asked: 2, answered: 2, lost: [], stillLost: [] },
  });
  t.match(record.read(), {
    state: 'provisional',
    file: 'new.yaml',
    previous: { kind: 'configured' },
  });
  t.equal(config(), yaml('old'));
  const full = probed.find((target) => target.path === 'full-size');
  t.match(full, { packetBytes: 1450, to: { text: '10.64.2.0' }, from: { text: '10.64.1.0' } });
  await t.rejects(change.begin(request()), { why: 'conflict', message: /is pending already/ });
  t.match(await change.confirm(), { state: 'confirmed' });
  t.equal(config(), yaml('new'));
  t.same(inForce, ['new', 'adopted']);
  t.match(record.read(), { state: 'confirmed' });
  await t.rejects(change.confirm(), { why: 'nothing', message: /new\.yaml\) is confirmed/ });
});

t.test('taken back: asked for, in time, stopped, failed', async (t) => {
  const asked = bench();
  await asked.change.begin(asked.request());
  t.match(await asked.change.rollback('asked for'), { state: 'rolled-back', reason: 'asked for' });
  t.same(asked.inForce, ['new', 'old']);
  t.equal(asked.config(), yaml('old'));

  const late = bench();
  t.equal((await late.change.begin(late.request({ confirmMs: 50 }))).state, 'provisional');
  t.match(await late.change.ended(), {
    state: 'rolled-back',
    reason: /nobody confirmed within 1 s/,
  });
  t.match(late.record.read(), { state: 'rolled-back' });

  const stopped = bench();
  await stopped.change.begin(stopped.request());
  await stopped.change.close();
  t.same(stopped.inForce, ['new', 'old']);

  const failed = bench({ failures: ['b: EPERM'] });
  t.match(await failed.change.begin(failed.request()), {
    state: 'rolled-back',
    problems: ['b: EPERM'],
  });
  t.same(failed.inForce, ['new', 'old']);
});

t.test('a lost peer is named, at the beginning and during the window', async (t) => {
  const lost = bench();
  lost.silent
    .add('b overlay new')
    .add('b full-size new')
    .add('c full-size old')
    .add('c full-size new');
  t.match(await lost.change.begin(lost.request()), {
    state: 'rolled-back',
    reason:
      'peers that answered before do not answer: b (overlay IPv4, overlay IPv4 with packets of full size)',
    probes: { lost: [{ node: 'b' }], stillLost: [] },
  });
  const meant = bench();
  meant.silent.add('b overlay new').add('b full-size new');
  t.equal((await meant.change.begin(meant.request({ allowLoss: ['b'] }))).state, 'provisional');
  meant.silent.add('c overlay new');
  const ended = await meant.change.ended();
  t.match(ended, { state: 'rolled-back', reason: /^peers stopped answering: c \(overlay IPv4\)$/ });
});

t.test('refused: nothing is written', async (t) => {
  const { change, request, inForce, record, configFile, config } = bench();
  await t.rejects(change.begin(request({ content: Buffer.from('nodes: 7') })), {
    why: 'invalid',
    message: /new\.yaml:1:\d+: error/,
  });
  const others = yaml('new').replace('name: a', 'name: z');
  await t.rejects(change.begin(request({ content: Buffer.from(others) })), {
    why: 'invalid',
    message: /has no node a/,
  });
  await t.rejects(change.begin(request({ content: Buffer.from(yaml('old')) })), {
    why: 'nothing',
    message: /nothing to apply/,
  });
  t.same(inForce, []);
  t.equal(record.read(), undefined);

  await change.begin(request());
  writeFileSync(configFile, yaml('edited'));
  await t.rejects(change.confirm(), { why: 'conflict', message: /was changed since/ });
  t.equal(change.isPending, true, 'there is still time');
  t.equal(config(), yaml('edited'));
  await change.rollback('asked for');

  const full = bench();
  writeFileSync(join(full.configFile, '..', 'state'), 'a file where the folder should be');
  await t.rejects(full.change.begin(full.request()), { why: 'conflict', message: /cannot keep/ });
  t.same(full.inForce, [], 'what cannot be noted is not begun');
});

t.test('what a process that died has left', async (t) => {
  const { change, request, record, configFile } = bench();
  await change.begin(request());
  t.match(settleLeftover(record, configFile), { state: 'rolled-back' });
  t.equal(settleLeftover(record, configFile), undefined, 'once');

  const other = bench();
  await other.change.begin(other.request());
  // It died after the file was replaced and before the record said so.
  replaceFile(other.configFile, Buffer.from(yaml('new')), { mode: 0o600 });
  t.match(settleLeftover(other.record, other.configFile), { state: 'confirmed' });

  const text = readFileSync(record.path, 'utf8');
  for (const damaged of [
    text.slice(0, -9),
    text.replace('new.yaml', 'old.yaml'),
    '',
    'sha256 0\n{}',
  ])
    t.throws(() => {
      writeFileSync(record.path, damaged);
      record.read();
    }, /its checksum does not match/);
  await change.close();
  await other.change.close();
});

t.test('a file is replaced whole, with its mode, behind its link', (t) => {
  const place = mkdtempSync(join(folder, 'replace-'));
  const [file, link] = [join(place, 'real.yaml'), join(place, 'link.yaml')];
  writeFileSync(file, 'old');
  chmodSync(file, 0o604);
  symlinkSync('real.yaml', link);
  replaceFile(link, Buffer.from('new'), { mode: 0o600 });
  t.equal(readFileSync(file, 'utf8'), 'new');
  t.equal(statSync(file).mode & 0o777, 0o604);
  t.same(readdirSync(place).sort(), ['link.yaml', 'real.yaml'], 'no temporary is left');
  t.ok(existsSync(link));
  t.end();
});

t.test('over the socket: bodies up to a limit, refusals with their status', async (t) => {
  const { change, request, config } = bench();
  const socket = join(folder, 'control.sock');
  const server = await serveControl(socket, [beginRoute(change), ...settleRoutes(change)]);
  t.teardown(() => server.close());
  const post = (path: string, body?: Uint8Array): Promise<unknown> =>
    agentRequest({ socket, method: 'POST', path, body });
  const { content } = request();
  await t.rejects(post('/v1/change?confirmMs=-1', content), { status: 400, message: /confirmMs/ });
  await t.rejects(post('/v1/change', Buffer.from('nodes: 7')), {
    status: 422,
    message: /is not valid/,
  });
  await t.rejects(post('/v1/change', Buffer.alloc(maxFileBytes + 1)), {
    status: 413,
    message: /more than the/,
  });
  await t.rejects(post('/v1/change/confirm'), { status: 409, message: /no pending change/ });
  t.match(await post('/v1/change?confirmMs=60000&file=x.yaml', content), { state: 'provisional' });
  t.match(await post('/v1/change/confirm'), { state: 'confirmed' });
  t.equal(config(), yaml('new'), 'byte for byte');
});

t.test('peers are sampled over zones, those that the change touches first', (t) => {
  const zones = ['x', 'y', 'z'];
  const cluster = sketchCluster({
    zones: Object.fromEntries(zones.map((zone) => [zone, {}])),
    nodes: Array.from({ length: 200 }, (_, i) => ({
      name: `n${i}`,
      zone: zones[i < 150 ? 0 : i < 198 ? 1 : 2]!,
      at: `10.0.${i}.1/24`,
      overlay: `10.64.${i}.0/24`,
    })),
  });
  const sample = samplePeers({ cluster, self: 'n0' }, new Set(['n149']));
  t.equal(sample.length, maxSampledPeers);
  t.same(sample.slice(0, 4), ['n149', 'n1', 'n150', 'n198']);
  t.notOk(sample.includes('n0'), 'not this node itself');
  t.equal(new Set(sample).size, sample.length);
  t.end();
});

t.test('small things: durations, ping, sessions behind sudo, name servers', (t) => {
  t.same(['60s', '5m', '1h', '90'].map(parseDuration), [60_000, 300_000, 3_600_000, 90_000]);
  for (const bad of ['', '0', '-1s', '1d', '25h', '1.5s']) t.throws(() => parseDuration(bad), bad);
  t.equal(
    pingArguments({
      node: 'b',
      path: 'full-size',
      to: parseAddress('fd00::2'),
      from: parseAddress('fd00::1'),
      packetBytes: 1280,
    }).join(' '),
    '-6 -n -q -c 1 -W 1 -M do -s 1232 -I fd00::1 fd00::2',
  );
  const tree: Record<number, { environ: string; parent: number }> = {
    30: { environ: 'A=1\0', parent: 20 },
    20: { environ: 'B=2\0SSH_CONNECTION=fe80::1%eth0 5 fe80::2 22\0', parent: 1 },
  };
  const read = (pid: number, name: 'environ' | 'status'): string | undefined =>
    name === 'environ' ? tree[pid]?.environ : `PPid:\t${tree[pid]?.parent}\n`;
  t.equal(sshClient({}, { pid: 30, read }), 'fe80::1');
  t.equal(
    sshClient({ SSH_CONNECTION: '192.0.2.9 5 192.0.2.1 22' }, { pid: 30, read }),
    '192.0.2.9',
  );
  t.equal(sshClient({}, { pid: 1, read }), undefined);
  const resolv = join(folder, 'resolv.conf');
  writeFileSync(resolv, '# x\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver junk\n');
  const found = managementAddresses(
    { links: [], addresses: [], neighbours: [], fdb: [], routes: [] },
    { sshClient: '198.51.100.1', resolverFiles: [resolv, join(folder, 'absent')] },
  );
  t.same(
    found.map(({ role, address }) => `${role} ${address.text}`),
    ['ssh-client 198.51.100.1', 'name-server 192.0.2.53'],
  );
  t.end();
});

t.test('several files as the configuration: one file does not take their place', async (t) => {
  const { change, request, inForce, configFile } = bench();
  rmSync(configFile);
  mkdirSync(configFile);
  await t.rejects(change.begin(request()), {
    why: 'conflict',
    message: /whose files one file cannot take the place of/,
  });
  t.same(inForce, [], 'the kernel is left alone');
});
