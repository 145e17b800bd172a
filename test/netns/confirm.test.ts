/**
 * Changes with a way back, by real agents against a real kernel:
 *
 *     namespace a                        namespace b
 *     10.64.1.0  slv4a                   10.64.2.0  slv4a
 *     192.0.2.1/24  eth0 ──────────────── eth0  192.0.2.2/24
 *
 * The operator of `a` comes in from 198.51.100.7, through the gateway 192.0.2.254.
 */
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { ChangeReport } from '../../src/agent/change.js';
import { agentRequest } from '../../src/agent/client.js';
import type { PlanReport } from '../../src/agent/plan-report.js';
import { selvageProgram } from '../../src/lab/program.js';
import type { TestAgent } from '../support/agents.js';
import { AgentFolder, eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { Namespace, RunResult } from '../support/netns.js';
import { createNamespace, vethPair } from '../support/netns.js';

const skip = skipReason('root', 'netns', 'nft');

const yaml = (rule: string, pools = '10.64.0.0/16', vni = 4096): string => `
cluster: pair
overlay:
  pools: [${pools}]
  settleSeconds: 0
  vxlan: { vni: ${vni} }
rules:
  - { name: v4, family: 4, mode: ${rule}, force: true }
  # For nobody; but so every node receives both modes, whatever the first rule asks for.
  - { name: v6, family: 6, same: zone, mode: native }
  - { name: v6 far, family: 6, mode: vxlan }
nodes:
  - { name: a, address: 192.0.2.1/24, overlay: [10.64.1.0/24] }
  - { name: b, address: 192.0.2.2/24, overlay: [10.64.2.0/24] }
`;

const bothFamilies = (ipv6: string): string => `
cluster: pair
overlay:
  pools: [10.64.0.0/16, "fd64::/48"]
  settleSeconds: 0
rules:
  - { name: v6, family: 6, mode: ${ipv6}, force: true }
nodes:
  - { name: a, addresses: [192.0.2.1/24, "fd00::1/64"], overlay: [10.64.1.0/24, "fd64:0:0:1::/64"] }
  - { name: b, addresses: [192.0.2.2/24, "fd00::2/64"], overlay: [10.64.2.0/24, "fd64:0:0:2::/64"] }
`;

t.setTimeout(400_000);
t.test('changes with a way back', { skip, timeout: 390_000 }, async (t) => {
  const a = createNamespace(t);
  const b = createNamespace(t);
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'], mtu: 1500 },
    { namespace: b, device: 'eth0', addresses: ['192.0.2.2/24'], mtu: 1500 },
  );
  a.ip('route add default via 192.0.2.254');
  const folder = new AgentFolder(t, yaml('vxlan'));
  const folderB = new AgentFolder(t, yaml('vxlan'));
  const agentB = folderB.start(b, 'b');
  await agentB.ready();
  const files = folder.options('a');
  let agent: TestAgent;

  /** A file beside the configured one, by its rule. */
  const candidate = (rule: string, pools?: string): string => {
    const file = join(folder.path, `new-${rule}.yaml`);
    writeFileSync(file, yaml(rule, pools));
    return file;
  };
  const selvage = (
    args: readonly string[],
    options: { readonly env?: Record<string, string> } = {},
  ): RunResult => {
    const [program, ...rest] = selvageProgram();
    return a.tryRun(program!, [...rest, ...args], options);
  };
  const socket = join(folder.path, 'a', 'agent.sock');
  const at = ['--socket', socket];
  const sent = (by: string): Promise<number> =>
    eventually(
      () => routeDevice(a) === by,
      () => `b is sent to by ${routeDevice(a)}, not by ${by}`,
    );
  /** Of the cluster that packets are sent by. */
  const revision = async (): Promise<number> => {
    const rib = await agentRequest({ socket, method: 'GET', path: '/v1/rib' });
    return (rib as { revision: number }).revision;
  };
  const change = (result: RunResult): ChangeReport => {
    if (result.stdout === '') throw new Error(`no report: ${result.stderr}`);
    return JSON.parse(result.stdout) as ChangeReport;
  };

  await t.test('without an agent: confirmed by another command, or taken back', async (t) => {
    const alone = ['--node', 'a', '--config', folder.config, ...files.slice(4), ...at];
    const [program, ...rest] = selvageProgram();
    const start = () => {
      const child = a.spawn(
        program!,
        [...rest, 'apply', '--confirm', '30s', '-o', 'json', ...alone],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      );
      let out = '';
      let err = '';
      child.stdout!.setEncoding('utf8').on('data', (text: string) => (out += text));
      child.stderr!.setEncoding('utf8').on('data', (text: string) => (err += text));
      const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
      return { child, ended, out: () => out, err: () => err };
    };
    const waits = (job: ReturnType<typeof start>): Promise<number> =>
      eventually(
        () => job.err().includes('in force provisionally'),
        () => `it does not wait: ${job.out()}${job.err()}`,
      );

    const taken = start();
    await waits(taken);
    t.equal(routeDevice(a), 'slv4a');
    taken.child.kill('SIGHUP');
    t.equal(await taken.ended, 1, 'the session ended');
    t.match(JSON.parse(taken.out()), { state: 'rolled-back' });
    t.equal(routeDevice(a), undefined, 'nothing was there before');

    const kept = start();
    await waits(kept);
    t.equal(selvage(['confirm', ...at]).status, 0);
    t.equal(await kept.ended, 0);
    t.match(JSON.parse(kept.out()), { state: 'confirmed' });
    t.equal(routeDevice(a), 'slv4a');

    // On a terminal it asks; `script` gives it one.
    const [answered, refused] = ['y', 'n'].map((answer) => async () => {
      const words = [program!, ...rest, 'apply', '--confirm', '30s', ...alone];
      const line = words.map((word) => `'${word}'`).join(' ');
      const terminal = a.spawn('script', ['-qec', line, '/dev/null'], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      let shown = '';
      terminal.stdout!.setEncoding('utf8').on('data', (text: string) => (shown += text));
      const over = new Promise((resolve) => terminal.once('exit', resolve));
      await eventually(
        () => shown.includes('keep it? [y/n]'),
        () => `it does not ask: ${shown}`,
      );
      // What is no answer is asked again.
      terminal.stdin!.write('what?\n');
      await eventually(
        () => shown.split('keep it? [y/n]').length > 2,
        () => `it does not ask again: ${shown}`,
      );
      terminal.stdin!.write(`${answer}\n`);
      return { code: await over, shown: shown.replace(/\s+/g, ' ') };
    });
    t.match(await answered!(), { code: 0, shown: /is in force: kept as/ });
    t.match(await refused!(), { code: 1, shown: /was rolled back: answered no/ });
    t.equal(routeDevice(a), 'slv4a');

    const killed = start();
    await waits(killed);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const back = selvage(['rollback', ...at, ...files.slice(4)]);
    t.equal(back.status, 0, back.stderr);
    t.equal(routeDevice(a), 'slv4a', 'as it was applied before');
    t.equal(selvage(['rollback', ...at, ...files.slice(4)]).status, 3, 'only once');
  });

  await t.test('without an agent: the guard and the rules of others count too', (t) => {
    const file = ['--node', 'a', '--config', folder.config];
    const plan = (): RunResult => selvage(['plan', ...file, '--socket', `${socket}.none`]);
    const apply = (): RunResult => selvage(['apply', ...file, ...files.slice(4), ...at]);
    t.equal(plan().status, 0, plan().stdout);
    a.run('nft', ['delete', 'table', 'inet', 'selvage_guard']);
    const missing = plan();
    t.equal(missing.status, 1);
    t.match(missing.stdout, /^~ guard: .*\n(.*\n)*a, revision 1: the guard to renew$/m);
    t.match(apply().stdout, /✓ a: the guard renewed$/m);
    t.equal(plan().status, 0, plan().stdout);

    a.run('nft', ['-f', '-'], {
      input:
        'table inet other { chain in { type filter hook input priority 0; udp dport 4789 counter drop; }; }',
    });
    for (const found of [plan(), apply()]) {
      t.equal(found.status, 1);
      t.match(
        found.stdout.replace(/\s+/g, ' '),
        /inet other, chain in: "udp dport 4789 drop" hits VXLAN \(UDP 4789\) over IPv4; make room with: nft insert rule inet other in iifname "eth0" udp dport 4789 accept/,
      );
    }
    a.run('nft', ['delete', 'table', 'inet', 'other']);
    t.end();
  });

  agent = folder.start(a, 'a');
  await agent.ready();

  await t.test('an agent tells of its guard and of what it masquerades', (t) => {
    a.run('nft', ['-f', '-'], {
      input:
        'table inet other { chain in { type filter hook input priority 0; udp dport 4789 drop; }; }',
    });
    const found = selvage(['plan', ...at]);
    a.run('nft', ['delete', 'table', 'inet', 'other']);
    t.equal(found.status, 1);
    t.match(found.stdout, /! inet other, chain in: "udp dport 4789 drop"/);
    t.match(
      selvage(['status', ...at]).stdout,
      /^ {2}nat {5}masquerades 10.64.1.0\/24, but not to the overlay$/m,
    );
    t.end();
  });

  await t.test('plan names whom it touches', (t) => {
    const file = candidate('native');
    const result = selvage(['plan', file, '-o', 'json', ...at]);
    t.equal(result.status, 1, result.stderr);
    const plan = JSON.parse(result.stdout) as PlanReport;
    t.match(plan.blast, {
      peers: { changed: 1, total: 1 },
      groups: [{ from: 'vxlan 1450', to: 'native 1500', nodes: ['b'], families: [4] }],
    });
    t.match(
      selvage(['plan', file, ...at]).stdout,
      /touches 1 of 1 peer\n {2}1 peer in zone default, IPv4: vxlan 1450 → native 1500 \(b\)/,
    );
    t.equal(routeDevice(a), 'slv4a', 'nothing was written');
    t.end();
  });

  await t.test('confirmed, it becomes the configured file, with its mode', async (t) => {
    chmodSync(folder.config, 0o640);
    const file = candidate('native');
    const report = change(selvage(['apply', file, '--confirm', '60s', '-o', 'json', ...at]));
    t.match(report, { state: 'provisional', probes: { asked: 1, answered: 1, lost: [] } });
    t.ok(report.remainingMs > 50_000, `${report.remainingMs} ms left`);
    t.equal(routeDevice(a), 'eth0');
    t.equal(readFileSync(folder.config, 'utf8'), yaml('vxlan'), 'the file is untouched');
    t.match((await agent.status()).change, { state: 'provisional', file });
    const second = selvage(['apply', file, '--confirm', '60s', ...at]);
    t.equal(second.status, 3);
    t.match(second.stderr, /a change is pending already/);

    const confirmed = selvage(['confirm', ...at]);
    t.equal(confirmed.status, 0, confirmed.stderr);
    t.equal(readFileSync(folder.config, 'utf8'), yaml('native'));
    t.equal(statSync(folder.config).mode & 0o777, 0o640);
    t.equal(routeDevice(a), 'eth0');
    t.equal((await agent.status()).change, undefined);
    t.match(
      selvage(['confirm', ...at]).stderr,
      /no pending change to confirm; the last one .* is confirmed/,
    );
    // The same file again is no change.
    t.match(selvage(['apply', file, '--confirm', '60s', ...at]).stderr, /nothing to apply/);
  });

  await t.test('unconfirmed, it comes back after its time; a rollback at once', async (t) => {
    const file = candidate('vxlan');
    const started = performance.now();
    const report = change(selvage(['apply', file, '--confirm', '2s', '-o', 'json', ...at]));
    t.equal(report.state, 'provisional', report.reason);
    t.equal(routeDevice(a), 'slv4a');
    await sent('eth0');
    t.ok(performance.now() - started >= 2_000);
    t.equal(readFileSync(folder.config, 'utf8'), yaml('native'));
    t.match(selvage(['confirm', ...at]).stderr, /rolled back: nobody confirmed within 2 s/);
    const first = await revision();

    t.equal(selvage(['apply', file, '--confirm', '60s', ...at]).status, 0);
    t.equal(routeDevice(a), 'slv4a');
    const second = await revision();
    t.equal(selvage(['rollback', ...at]).status, 0);
    t.equal(routeDevice(a), 'eth0');
    t.equal(await revision(), first, 'what is in force again');
    t.ok(second > first + 1, `${second}: the number of what was taken back is not used again`);

    agent.process.kill('SIGHUP');
    await eventually(
      () => agent.log().some((line) => line.includes('the configuration is unchanged')),
      () => agent.log().join('\n'),
    );
  });

  await t.test('a new segment: the peers that are tunnelled anew are named', async (t) => {
    const file = join(folder.path, 'new-vni.yaml');
    writeFileSync(file, yaml('native', undefined, 7));
    t.match(
      selvage(['plan', file, ...at]).stdout,
      /touches 0 of 1 peer\n {2}device slv4b made\n {2}device slv4a removed\n/,
      'nobody is reached by it just now',
    );
    writeFileSync(folder.config, yaml('vxlan'));
    await sent('slv4a');
    writeFileSync(file, yaml('vxlan', undefined, 7));
    t.match(
      selvage(['plan', file, ...at]).stdout.replace(/\s+/g, ' '),
      /touches 1 of 1 peer 1 peer in zone default, IPv4: vxlan 1450 \(VNI 4096, port 4789\) → vxlan 1450 \(VNI 7, port 4789\) \(b\) device slv4b made device slv4a removed/,
    );
    writeFileSync(folder.config, yaml('native'));
    await sent('eth0');
  });

  await t.test('a peer that it cuts is named, and it comes back at once', async (t) => {
    // What the peer's firewall does to VXLAN nobody knows beforehand.
    b.run('nft', ['-f', '-'], {
      input:
        'table inet blocker { chain in { type filter hook input priority -300; udp dport 4789 drop; }; }',
    });
    const blocked = selvage(['apply', candidate('vxlan'), '--confirm', '60s', '-o', 'json', ...at]);
    b.run('nft', ['delete', 'table', 'inet', 'blocker']);
    t.equal(blocked.status, 1);
    t.match(change(blocked), {
      state: 'rolled-back',
      probes: { lost: [{ node: 'b' }], stillLost: [] },
    });
    t.equal(routeDevice(a), 'eth0');

    // A rule that denies the pair cuts it just as well.
    const denied = selvage(['apply', candidate('deny'), '--confirm', '60s', '-o', 'json', ...at]);
    t.equal(denied.status, 1);
    t.match(change(denied), {
      state: 'rolled-back',
      reason:
        'peers that answered before do not answer: b (overlay IPv4, overlay IPv4 with packets of full size)',
      probes: { lost: [{ node: 'b' }], stillLost: [] },
    });
    t.equal(routeDevice(a), 'eth0');
    t.equal(a.tryRun('ping', ['-c', '1', '-W', '2', '10.64.2.0']).status, 0);

    const meant = selvage([
      'apply',
      candidate('deny'),
      '--confirm',
      '60s',
      '--allow-loss',
      'b',
      ...at,
    ]);
    t.equal(meant.status, 0, meant.stdout);
    t.equal(selvage(['rollback', ...at]).status, 0);
  });

  await t.test('an agent killed meanwhile goes back when it starts', async (t) => {
    const applied = selvage(['apply', candidate('vxlan'), '--confirm', '60s', ...at]);
    t.equal(applied.status, 0, applied.stdout);
    t.equal(routeDevice(a), 'slv4a');
    await agent.kill('SIGKILL');
    t.equal(routeDevice(a), 'slv4a', 'still forwarding');
    agent = folder.start(a, 'a');
    await agent.ready();
    t.equal(routeDevice(a), 'eth0');
    t.match(agent.log().join('\n'), /new-vxlan.yaml is rolled back: the process that watched/);
    t.match(selvage(['confirm', ...at]).stderr, /no pending change/);
  });

  await t.test('what would cut the way to this node is refused', async (t) => {
    const file = candidate('vxlan', '10.64.0.0/16, 198.51.100.0/24');
    const env = { SSH_CONNECTION: '198.51.100.7 50022 192.0.2.1 22' };
    const before = a.run('ip', ['route']);
    const planned = selvage(['plan', file, ...at], { env });
    t.equal(planned.status, 3);
    t.match(
      planned.stdout.replace(/\s+/g, ' '),
      /your SSH client 198.51.100.7 .* would be refused by route unreachable 198.51.100.0\/24/,
    );
    const refused = selvage(['apply', file, '--confirm', '60s', ...at], { env });
    t.equal(refused.status, 3);
    t.match(refused.stderr, /would cut this node's own management/);
    t.match(refused.stderr, /now: route 0.0.0.0\/0 via 192.0.2.254/);
    t.equal(a.run('ip', ['route']), before);
    const told = selvage(['apply', file, '--confirm', '60s', '--allow-management-cut', ...at], {
      env,
    });
    t.equal(told.status, 0, told.stderr);
    t.match(a.run('ip', ['route']), /unreachable 198.51.100.0\/24/);
    await agent.kill('SIGTERM');
    t.equal(a.run('ip', ['route']), before, 'an agent that stops in order goes back first');
  });
  await agentB.kill('SIGTERM');
  t.ok(existsSync(folder.config));

  await t.test('a change that cuts IPv6 alone comes back, and says so', async (t) => {
    a.ip('addr add fd00::1/64 dev eth0 nodad');
    b.ip('addr add fd00::2/64 dev eth0 nodad');
    const both = new AgentFolder(t, bothFamilies('vxlan'));
    const agents = [both.start(a, 'a'), both.start(b, 'b')];
    await Promise.all(agents.map((one) => one.ready()));
    const file = join(both.path, 'new.yaml');
    writeFileSync(file, bothFamilies('native'));
    const apply = (): ChangeReport =>
      change(
        selvage([
          ...['apply', file, '--confirm', '60s', '-o', 'json'],
          ...['--socket', agents[0]!.socket],
        ]),
      );
    b.run('nft', ['-f', '-'], {
      input:
        'table inet blocker { chain in { type filter hook prerouting priority -300; iifname "eth0" ip6 saddr fd64::/48 drop; }; }',
    });
    const blocked = apply();
    b.run('nft', ['delete', 'table', 'inet', 'blocker']);
    t.match(blocked, { state: 'rolled-back', probes: { stillLost: [] } });
    t.same(blocked.probes?.lost, [
      { node: 'b', paths: ['overlay IPv6', 'overlay IPv6 with packets of full size'] },
    ]);
    t.match(apply(), { state: 'provisional', probes: { asked: 1, answered: 1, lost: [] } });
    for (const one of agents) await one.kill('SIGTERM');
  });
});

function routeDevice(namespace: Namespace): string | undefined {
  const [route] = namespace.ipJson<{ dev?: string }[]>(
    'route',
    'show',
    '10.64.2.0/24',
    'proto',
    '83',
  );
  return route?.dev;
}
