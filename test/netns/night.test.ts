/**
 * What whoever is called at night does to a node: freezes it, asks when its agent hangs or is gone,
 * takes a snapshot along, watches packets pass. Real agents, a real kernel:
 *
 *     namespace a                        namespace b
 *     10.64.1.0  slv4a                   10.64.2.0  slv4a
 *     192.0.2.1/24  eth0 ──────────────── eth0  192.0.2.2/24
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { agentRequest } from '../../src/agent/client.js';
import { explainBundle } from '../../src/snapshot/explain.js';
import { readSnapshot } from '../../src/snapshot/file.js';
import type { CaptureReport } from '../../src/capture/run.js';
import { selvageProgram } from '../../src/lab/program.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import type { FreezeAnswer } from '../../src/agent/freeze-routes.js';
import type { StatusReport } from '../../src/agent/status.js';
import { AgentFolder, eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { RunResult } from '../support/netns.js';
import { createNamespace, vethPair } from '../support/netns.js';

const skip = skipReason('root', 'netns', 'nft', 'kernel-vxlan', 'ping');

const secrets = {
  comment: 'comment-hunter2',
  environment: 'environment-hunter2',
  key: 'key-hunter2',
  nft: 'nft-hunter2',
  credentials: 'credentials-hunter2',
};

const yaml = `
# the etcd password is ${secrets.comment}
cluster: pair
overlay:
  pools: [10.64.0.0/16, "fd64::/48"] # ${secrets.comment}
rules:
  - { name: all, mode: vxlan, force: true }
nodes:
  - { name: a, address: 192.0.2.1/24, overlay: [10.64.1.0/24, "fd64:0:0:1::/64"] }
  - { name: b, address: 192.0.2.2/24, overlay: [10.64.2.0/24, "fd64:0:0:2::/64"] }
`;

const destinations = [
  '10.64.2.7',
  '10.64.2.0/24',
  'b',
  'a',
  '10.64.1.9',
  'fd64:0:0:2::7',
  '10.64.99.1',
  'fd64:0:0:9::1',
  '192.0.2.2',
  '198.51.100.1',
];

t.setTimeout(170_000);
t.test('a node at night', { skip, timeout: 160_000 }, async (t) => {
  const a = createNamespace(t);
  const b = createNamespace(t);
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'], mtu: 1500 },
    { namespace: b, device: 'eth0', addresses: ['192.0.2.2/24'], mtu: 1500 },
  );
  const folder = new AgentFolder(t, yaml);
  process.env['SELVAGE_ETCD_PASSWORD'] = secrets.environment;
  let agent = folder.start(a, 'a');
  const peer = folder.start(b, 'b');
  await Promise.all([agent.ready(), peer.ready()]);
  const bundle = join(folder.path, 'case.json.gz');

  const selvage = (...args: readonly string[]): RunResult => {
    const [program, ...rest] = selvageProgram();
    return a.tryRun(program!, [...rest, ...args], {
      env: { SELVAGE_CONFIG: folder.config, SELVAGE_NODE: 'a', SELVAGE_SOCKET: agent.socket },
    });
  };
  const json = <T>(...args: readonly string[]): T => {
    const { stdout, stderr } = selvage(...args, '-o', 'json');
    if (stdout === '') throw new Error(`${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout) as T;
  };
  /** As `json('explain', …)`, without a process. */
  const explained = async (destination: string): Promise<ExplainReport> => {
    const path = `/v1/explain?${new URLSearchParams({ destination }).toString()}`;
    return (await agentRequest({ socket: agent.socket, method: 'GET', path })) as ExplainReport;
  };
  const route = (): string => a.run('ip', ['route', 'show', '10.64.2.0/24']).trim();
  const guard = (): string => a.run('nft', ['-s', 'list', 'table', 'inet', 'selvage_guard']);
  const inForce = route();
  const guarded = guard();

  await t.test('frozen: what drifts stays so, is told, and outlives a restart', async (t) => {
    const frozen = json<FreezeAnswer>('freeze', '--for', '10m', '--reason', 'looking for it');
    t.match(frozen, { freeze: { reason: 'looking for it' }, changes: [], failed: [] });
    const { since, until } = frozen.freeze!;
    t.equal(Date.parse(until!) - Date.parse(since), 600_000);
    a.ip('route del 10.64.2.0/24 proto 83');
    a.run('nft', ['flush', 'chain', 'inet', 'selvage_guard', 'input']);
    await eventually(
      async () => (await agent.status()).freeze?.drift.length === 1,
      () => 'the drift is not noticed',
    );
    const edited = guard();
    const status: StatusReport = await agent.status();
    t.match(status.freeze, { since, until, drift: [/^create route 10\.64\.2\.0\/24 /] });
    t.match(
      status.peers.find(({ prefix }) => prefix === '10.64.2.0/24'),
      {
        state: 'held',
        error: 'not as decided, and frozen',
      },
    );
    t.ok(
      status.problems.some((line) => line.startsWith("selvage's own guard is not as it should")),
    );
    const told = agent.log().filter((line) => line.includes('frozen, not done'));
    t.equal(told.length, 1, 'logged once');

    const report = await explained('10.64.2.7');
    t.same(report.freeze, { since, until, reason: 'looking for it' });
    const missing = report.kernel.objects.filter(({ state }) => state !== 'match');
    t.match(missing, [
      {
        type: 'route',
        state: 'missing',
        changedBy: /^frozen, not done: create route 10\.64\.2\.0/,
      },
    ]);
    const refused = selvage('apply', folder.config);
    t.equal(refused.status, 3);
    t.match(refused.stderr, 'looking for it; "selvage thaw" first');

    await agent.kill('SIGKILL');
    agent = folder.start(a, 'a');
    await eventually(
      async () => (await agent.status()).lastPass !== undefined,
      () => 'the agent does not answer',
    );
    t.match((await agent.status()).freeze, { since, until, reason: 'looking for it' });
    t.equal(route(), '', 'the new agent keeps its hands off as well');
    t.equal(guard(), edited);

    const thawed = json<FreezeAnswer>('thaw');
    t.match(thawed, { freeze: null, failed: [] });
    t.match(thawed.changes, [/^create route 10\.64\.2\.0\/24 /]);
    t.equal(route(), inForce);
    t.equal(guard(), guarded);
    t.equal((await agent.status()).freeze, undefined);
    t.match((await explained('10.64.2.7')).kernel.objects.at(-1), {
      state: 'match',
      changedBy: /^create route 10\.64\.2\.0\/24 .*; pass: thawed$/,
    });
  });

  await t.test('a freeze ends by itself', async (t) => {
    json<FreezeAnswer>('freeze', '--for', '1s');
    a.ip('route del 10.64.2.0/24 proto 83');
    await eventually(
      () => route() === inForce,
      () => 'nothing is repaired',
    );
    await eventually(
      () => agent.log().some((line) => line.includes('no longer frozen: its time is over')),
      () => 'nothing is said of the end',
    );
    await agent.ready();
    t.match(
      (await explained('10.64.2.7')).kernel.objects.at(-1)!.changedBy,
      /^repaired: create route /,
      "somebody's doing, by the journal",
    );
  });

  await t.test('a snapshot answers elsewhere to the letter', async (t) => {
    a.ip('link set slv4a mtu 1300', 'route add 10.64.2.64/26 dev eth0 proto static');
    a.run('nft', ['add', 'table', 'inet', 'mine']);
    a.run('nft', [
      'add chain inet mine in { type filter hook input priority 0 ; } ; ' +
        `add rule inet mine in udp dport 4789 drop comment "${secrets.nft}"`,
    ]);
    writeFileSync(join(folder.path, 'a', 'cluster.key'), secrets.key);
    writeFileSync(join(folder.path, 'a', 'credentials.json'), secrets.credentials);
    // Frozen, so that both look at the same node.
    json<FreezeAnswer>('freeze');
    // The agent looks at others' rules every few seconds only.
    await eventually(
      async () => (await explained('b')).guard.length === 1,
      () => 'the rule is not noticed',
    );
    a.ip('link set slv4a mtu 1310');
    const taken = selvage('snapshot', '-o', bundle);
    t.equal(taken.status, 0, taken.stderr);
    t.equal(statSync(bundle).mode & 0o777, 0o600);
    // Neither agent nor kernel of the node are at hand there.
    const elsewhere = (...args: readonly string[]): RunResult => {
      const [program, ...rest] = selvageProgram();
      const { SELVAGE_ETCD_PASSWORD: _, ...env } = process.env;
      const { status, stdout, stderr } = spawnSync(
        'unshare',
        ['--net', program!, ...rest, ...args, '--snapshot', bundle],
        { encoding: 'utf8', env },
      );
      return { status: status ?? 128, stdout, stderr };
    };
    const read = await readSnapshot(bundle);
    for (const destination of destinations) {
      const here = await explained(destination);
      const there = await explainBundle(read, { destination });
      t.equal(JSON.stringify(there), JSON.stringify(here), destination);
    }
    const question = ['explain', '10.64.2.7'];
    const [here, there] = [selvage(...question), elsewhere(...question)];
    t.equal(there.stdout, here.stdout);
    t.equal(there.status, here.status);
    t.match(elsewhere('status').stdout, /frozen since/);
    for (const [asked, answered] of [
      [['plan'], ['plan']],
      [
        ['plan', '-o', 'json'],
        ['plan', '-o', 'json'],
      ],
      [['verify', folder.config], ['verify']],
      [
        ['verify', folder.config, '-o', 'json'],
        ['verify', '-o', 'json'],
      ],
    ] as const) {
      const [onNode, away] = [selvage(...asked), elsewhere(...answered)];
      t.equal(away.stdout, onNode.stdout, asked.join(' '));
      t.equal(away.status, onNode.status, `${asked.join(' ')}: exit code`);
    }
    t.match(elsewhere('plan').stdout, /mtu 1310/, 'what was frozen as it was found');
    for (const [args, why] of [
      [['plan', folder.config], /a snapshot holds the plan of its moment/],
      [['plan', '--what-if', 'rule all: {mode: ipip}'], /does not go with --what-if/],
      [['verify', folder.config], /a snapshot has a cluster file of its own/],
    ] as const) {
      const refused = elsewhere(...args);
      t.equal(refused.status, 2, args.join(' '));
      t.match(refused.stderr, why);
    }
    t.match(there.stdout, /udp dport 4789 drop/, "somebody else's rule is judged there");
    const text = gunzipSync(readFileSync(bundle)).toString('utf8');
    for (const [where, secret] of Object.entries(secrets)) t.notOk(text.includes(secret), where);
    t.notMatch(text, 'stable_secret');
    t.notMatch(text, 'hunter2');
    t.match(text, '"$ip":"10.64.2.0/24"', 'and what is needed is there');
    selvage('thaw');
    a.run('nft', ['delete', 'table', 'inet', 'mine']);
    a.ip('route del 10.64.2.64/26');
  });

  await t.test('what is no snapshot is told so', async (t) => {
    const broken = join(folder.path, 'broken.gz');
    writeFileSync(broken, readFileSync(bundle).subarray(0, 500));
    await t.rejects(readSnapshot(broken), /broken\.gz is no snapshot, or a damaged one: /);
    await t.rejects(readSnapshot(folder.config), /is no snapshot, or a damaged one: /);
    writeFileSync(broken, gzipSync('{"schema":"selvage.snapshot/2"}'));
    await t.rejects(readSnapshot(broken), /format selvage\.snapshot\/2, and this release reads/);
    const { status, stderr } = selvage('explain', 'b', '--snapshot', folder.config);
    t.equal(status, 3);
    t.match(stderr, /^selvage: .* is no snapshot/);
  });

  await t.test('live packets, matched at each place', async (t) => {
    for (const [destination, places] of [
      ['10.64.2.0', 50],
      ['fd64:0:0:2::', 50],
    ] as const) {
      const pings = a.spawn('ping', ['-i', '0.1', '-s', '1000', destination], { stdio: 'ignore' });
      const { capture } = json<{ capture: CaptureReport }>(
        'explain',
        destination,
        '--capture',
        '4',
        '--capture-timeout',
        '20s',
      );
      pings.kill();
      t.equal(capture.packets.length, 4);
      t.same(
        new Set(capture.packets.map(({ direction }) => direction)),
        new Set(['there', 'back']),
      );
      for (const { direction, seen, missing, innerBytes } of capture.packets) {
        t.same(missing, []);
        t.same(
          seen.map(({ place, device, way }) => [place, device, way]),
          direction === 'there'
            ? [
                ['tunnel', 'slv4a', 'out'],
                ['nic', 'eth0', 'out'],
              ]
            : [
                ['nic', 'eth0', 'in'],
                ['tunnel', 'slv4a', 'in'],
              ],
        );
        const nic = seen.find(({ place }) => place === 'nic')!;
        t.equal(nic.bytes - innerBytes, places, 'the overhead of VXLAN over IPv4');
        t.match(nic.layers[0], /^IPv4 192\.0\.2\.\d → 192\.0\.2\.\d \(TTL 64, DF\)$/);
        t.match(nic.layers.join(' / '), /UDP \d+ → 4789 \/ VXLAN VNI 4096 \/ Ethernet /);
        t.match(nic.layers.at(-1), /echo re(quest|ply) id \d+ seq \d+$/);
      }
    }
    const wrong = selvage('explain', 'a', '--capture', '1');
    t.equal(wrong.status, 3);
    t.match(wrong.stderr, 'pass no tunnel and no NIC');
  });

  await t.test(
    'an agent that hangs is not waited for, and the kernel is read instead',
    async (t) => {
      a.ip('route del 10.64.2.0/24 proto 83');
      await eventually(
        () => route() === inForce,
        () => 'not repaired',
      );
      agent.process.kill('SIGSTOP');
      a.ip('route del 10.64.2.0/24 proto 83');
      a.run('nft', ['flush', 'chain', 'inet', 'selvage_guard', 'input']);
      const hung = json<ExplainReport>('explain', '10.64.2.7');
      t.match(hung.basis, {
        kind: 'kernel',
        localFacts: true,
        note: /^the agent at .* did not answer in 1500 ms; this kernel was read directly$/,
      });
      const missing = hung.kernel.objects.filter(({ state }) => state !== 'match');
      t.match(missing, [{ type: 'route', state: 'missing' }]);
      t.match(hung.guard, [/^selvage's own guard is not as it should be: /]);
      t.equal(route(), '', 'nothing was written');
      const direct = selvage('snapshot', '-o', bundle);
      t.equal(direct.status, 0, direct.stderr);
      t.equal(
        selvage('explain', '10.64.2.7', '--snapshot', bundle).stdout,
        selvage('explain', '10.64.2.7').stdout,
        'a snapshot without an agent',
      );
      agent.process.kill('SIGCONT');
      await agent.kill('SIGTERM');
      t.equal(selvage('snapshot', '-o', bundle).status, 0);
      const away = selvage('plan', '--snapshot', bundle);
      const here = selvage('plan');
      t.equal(away.stdout, here.stdout, 'the plan of a kernel without an agent');
      t.equal(away.status, here.status);
      const gone = json<ExplainReport>('explain', '10.64.2.7');
      t.match(gone.basis, {
        kind: 'kernel',
        note: /^no agent answers at .*; this kernel was read/,
      });
      const other = json<ExplainReport>('explain', '10.64.1.7', '--from', 'b');
      t.match(other.basis, { kind: 'file', note: /so this kernel is not its kernel$/ });
    },
  );
});
