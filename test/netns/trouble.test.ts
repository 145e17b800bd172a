/**
 * A real agent in trouble: its disk, its store, its NICs and its neighbours on the machine. It must
 * go on or come back within seconds, and paths that the trouble does not touch must not stop.
 *
 *     namespace a: agent n1                 namespace b: agent n2
 *     192.0.2.1/24  eth0 ─────────────────── eth0  192.0.2.2/24
 *                   eth1 ─────────────────── eth1  (no address)
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parsePrefix } from '../../encap/prefix.js';
import { mainTable, metrics, routeProtocol } from '../../routes/ownership.js';
import { Reconciler, systemClock } from '../../routes/reconciler.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import type { TestAgent } from '../support/agents.js';
import { AgentFolder, eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { Namespace } from '../support/netns.js';
import { createNamespace, vethPair } from '../support/netns.js';
import { workingPaths } from '../support/working.js';

const skip = skipReason('root', 'netns', 'nft', 'kernel-vxlan');
const yaml = (extra = ''): string => `
cluster: trouble
overlay:
  pools: [10.64.0.0/16]
rules:
  - { name: all, mode: vxlan, force: true }
nodes:
  - { name: n1, address: 192.0.2.1/24, overlay: 10.64.1.0/24 }
  - { name: n2, address: 192.0.2.2/24, overlay: 10.64.2.0/24 }
  - { name: n3, address: 192.0.2.3/24, overlay: 10.64.3.0/24 }
${extra}`;

t.setTimeout(150_000);
t.test('an agent in trouble', { skip, timeout: 140_000 }, async (t) => {
  const a = createNamespace(t);
  const b = createNamespace(t);
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'] },
    { namespace: b, device: 'eth0', addresses: ['192.0.2.2/24'] },
  );
  vethPair({ namespace: a, device: 'eth1' }, { namespace: b, device: 'eth1' });
  const folder = new AgentFolder(t, yaml());
  const state = join(folder.path, 'n1');
  mkdirSync(state, { mode: 0o700 });
  let agent = folder.start(a, 'n1');
  const other = folder.start(b, 'n2');
  await Promise.all([agent.ready(), other.ready()]);
  const kernel = openKernel({ netns: a.path });
  t.teardown(() => kernel.close());
  const paths = async (): Promise<string> =>
    [...workingPaths(await kernel.dump())].map((entry) => entry.join(' ')).join('\n');
  const parent = async (): Promise<string | undefined> => {
    const link = (await kernel.dump()).links.find(({ name }) => name === 'slv4a');
    return link?.kind === 'vxlan' ? link.parent : undefined;
  };
  const pings = (): boolean => ping(a, '10.64.2.0');
  const comesBack = (what: string, agentOf: TestAgent = agent): Promise<number> =>
    eventually(pings, () => `${what}: no ping; ${agentOf.log().slice(-5).join('\n')}`);
  await comesBack('at the start');
  const settled = await paths();
  t.equal(settled.split('\n').length, 2);

  await t.test('a full disk: told, and repairs go on', async (t) => {
    await agent.kill('SIGKILL');
    // The state directory of its own, full: one page is all that a tmpfs of this size has.
    const [program, ...args] = agentArguments(folder, state);
    const script = `mount -t tmpfs -o size=4k,mode=700 none ${state} && head -c 4096 /dev/zero > ${state}/filler; exec "$@"`;
    a.sysctl({ 'net/ipv4/ip_forward': 0 });
    const child = a.spawn('unshare', ['-m', 'sh', '-c', script, 'sh', program!, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => (log += text));
    await eventually(
      () =>
        /cannot write the record of host settings.*ENOSPC/.test(log) &&
        /cannot keep the last good configuration.*ENOSPC/.test(log),
      () => `not told:\n${log}`,
    );
    a.ip('route flush proto 83');
    const ms = await eventually(
      async () => (await paths()) === settled,
      () => `not repaired:\n${log}`,
    );
    t.pass(`repaired in ${Math.round(ms)} ms`);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    agent = folder.start(a, 'n1');
    await agent.ready();
  });

  await t.test(
    'the file gone, then garbage: nothing changes; a start uses the last good',
    async (t) => {
      rmSync(folder.config);
      await eventually(
        async () => (await agent.status()).config.problems.length > 0,
        () => 'a file that is gone is not noticed',
      );
      t.equal(await paths(), settled);
      t.ok(pings());
      writeFileSync(folder.config, Buffer.from([0, 255, 254, 1, 2, 3, 0x80]));
      await agent.kill('SIGKILL');
      // A reboot: nothing of ours is left in the kernel.
      a.ip('link del slv4a', 'route flush proto 83');
      a.run('nft', ['delete', 'table', 'inet', 'selvage_guard']);
      agent = folder.start(a, 'n1');
      await agent.ready();
      t.equal(await paths(), settled);
      await comesBack('from the last good configuration');
      const { config } = await agent.status();
      t.match(config.lastGoodOf, /^20\d\d-/);
      t.match(config.problems[0], /the last good one, of .*, is in force until it has/);
      t.match(agent.log().join('\n'), /is in force until it has/);
      folder.write(yaml());
      await eventually(
        async () => (await agent.status()).config.lastGoodOf === undefined,
        () => 'the good file is not taken up',
      );
      t.equal(await paths(), settled);
    },
  );

  await t.test('a peer whose route the kernel refuses delays nobody', async (t) => {
    // Its tunnel address is an address of this machine: "Nexthop has invalid gateway".
    a.ip('route del 10.64.3.0/24 proto 83', 'addr add 10.64.3.0/32 dev lo');
    await eventually(
      async () => (await agent.status()).peers.some(({ state }) => state === 'failed'),
      () => `no failure told: ${agent.log().slice(-5).join('\n')}`,
    );
    const failed = (await agent.status()).peers.find(({ state }) => state === 'failed');
    t.match(failed, { node: 'n3', error: /invalid gateway|EINVAL/ });
    for (let round = 0; round < 5; round++) {
      a.ip('route del 10.64.2.0/24 proto 83');
      const ms = await eventually(
        async () => (await paths()).includes('10.64.2.0/24'),
        () => 'the other peer is not repaired',
      );
      t.ok(ms < 2_000, `the other peer is repaired in ${Math.round(ms)} ms`);
    }
    a.ip('addr del 10.64.3.0/32 dev lo');
    await eventually(
      async () => (await paths()) === settled,
      () => 'the peer does not come back with the cause gone',
    );
  });

  await t.test('somebody who keeps deleting a route: one line, shown, and an end', async (t) => {
    const seen = agent.log().length;
    const fighter = a.spawn('sh', [
      '-c',
      'while :; do ip route del 10.64.3.0/24 proto 83 2>/dev/null; sleep 0.01; done',
    ]);
    await eventually(
      async () => (await agent.status()).contested.length > 0,
      () => 'no fight told',
    );
    a.ip('route del 10.64.2.0/24 proto 83');
    const ms = await eventually(
      async () => (await paths()).includes('10.64.2.0/24'),
      () => 'another route is not repaired during the fight',
    );
    t.ok(ms < 2_000, `another route is repaired in ${Math.round(ms)} ms`);
    const [contest] = (await agent.status()).contested;
    t.match(contest?.object, /^route 10\.64\.3\.0\/24/);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    fighter.kill('SIGKILL');
    const log = agent.log().slice(seen);
    t.equal(log.filter((line) => line.includes('somebody keeps undoing')).length, 1);
    t.ok(log.length < 40, `${log.length} lines in the log`);
    await eventually(
      async () => (await paths()) === settled,
      () => 'the route does not come back after the fight',
    );
  });

  await t.test('somebody who keeps deleting the guard: no guard, no tunnel', async (t) => {
    const seen = agent.log().length;
    const fighter = a.spawn('sh', [
      '-c',
      'while :; do nft delete table inet selvage_guard 2>/dev/null; sleep 0.05; done',
    ]);
    const isUp = async (): Promise<boolean | undefined> =>
      (await kernel.dump()).links.find(({ name }) => name === 'slv4a')?.up;
    const startMs = performance.now();
    await eventually(
      async () => (await isUp()) === false,
      () => `the tunnel is still up:\n${agent.log().slice(seen).join('\n')}`,
      60_000,
    );
    t.comment(`down ${Math.round(performance.now() - startMs)} ms after the first deletion`);
    const during = await agent.status();
    t.match(during.contested, [{ object: 'the guard (nftables)' }]);
    t.match(during.problems.join('\n'), /guard's rules .*the tunnels are down/);
    t.same(
      during.peers.map(({ state }) => state),
      ['held', 'held'],
    );
    t.equal(pings(), false);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    fighter.kill('SIGKILL');
    await eventually(
      async () => (await paths()) === settled && pings(),
      () => `the tunnel does not come back:\n${agent.log().slice(seen).join('\n')}`,
      60_000,
    );
    const log = agent.log().slice(seen);
    t.equal(log.filter((line) => line.includes("somebody keeps changing the guard's")).length, 1);
    t.equal(log.filter((line) => line.includes('the tunnels come up')).length, 1);
    t.match(a.run('nft', ['list', 'table', 'inet', 'selvage_guard']), /outer_source/);
    t.same((await agent.status()).contested, []);
  });

  await t.test('all routes of the machine are deleted', async (t) => {
    a.run('sh', ['-c', 'ip route flush table main; ip route add 192.0.2.0/24 dev eth0']);
    const ms = await comesBack('after a flush');
    t.ok(ms < 4_000, `${Math.round(ms)} ms`);
    await eventually(
      async () => (await paths()) === settled,
      () => 'not as before',
    );
  });

  await t.test(
    'the NIC: down and up, renamed, another MTU, the address on another one',
    async (t) => {
      a.ip('link set eth0 down');
      a.ip('link set eth0 up');
      t.ok((await comesBack('NIC down and up')) < 8_000);

      a.ip('link set eth0 down', 'link set eth0 name wan0', 'link set wan0 up');
      t.ok((await comesBack('NIC renamed')) < 8_000);
      await eventually(
        async () => (await parent()) === 'wan0',
        () => a.ip('link show'),
      );

      a.ip('link set wan0 mtu 1400');
      await eventually(
        () => a.run('ip', ['route', 'show', '10.64.2.0/24']).includes('mtu 1350'),
        () => `the MTU is not followed: ${a.run('ip', ['route'])}`,
      );
      t.ok(pings());

      a.ip('addr del 192.0.2.1/24 dev wan0', 'link set eth1 up', 'addr add 192.0.2.1/24 dev eth1');
      b.ip('addr del 192.0.2.2/24 dev eth0', 'link set eth1 up', 'addr add 192.0.2.2/24 dev eth1');
      t.ok((await comesBack('address moved', agent)) < 15_000);
      await eventually(
        async () => (await parent()) === 'eth1',
        () => a.ip('link show'),
      );
      t.equal(await paths(), settled);
    },
  );

  t.same((await agent.status()).lastPass?.failed, []);
  await agent.kill('SIGTERM');
});

t.test('notifications that overflow: everything is looked at again', { skip }, async (t) => {
  const a = createNamespace(t);
  a.ip('link add v0 type veth peer name v1', 'link set v0 up', 'link set v1 up');
  const kernel = openKernel({ netns: a.path });
  const deaf = openKernel({ netns: a.path, receiveBufferBytes: 4096 });
  t.teardown(() => (kernel.close(), deaf.close()));
  const route: RouteObject = {
    type: 'route',
    prefix: parsePrefix('10.64.7.0/24'),
    table: mainTable,
    metric: metrics.path,
    protocol: routeProtocol,
    target: { kind: 'blackhole' },
  };
  const reasons: string[] = [];
  const reconciler = new Reconciler({
    kernel: { ...kernel, watch: (listener) => deaf.watch(listener) },
    clock: systemClock,
    onPass: (report) => void reasons.push(...report.reasons),
    plan: () =>
      Promise.resolve({
        objects: new Map([[objectKey(route), route]]),
        peers: new Map(),
        prepare: () => Promise.resolve(),
      }),
  });
  reconciler.start();
  const isThere = (): boolean => a.run('ip', ['route']).includes('10.64.7.0/24');
  await eventually(isThere, () => 'no route at first');
  const flood = Array.from(
    { length: 3_000 },
    (_, n) => `route add 10.${n >> 8}.${n & 255}.0/24 dev v0`,
  );
  a.ip(...flood, 'route del blackhole 10.64.7.0/24 proto 83');
  const ms = await eventually(isThere, () => `not repaired after ${reasons.join(', ')}`);
  t.ok(ms < 5_000, `repaired in ${Math.round(ms)} ms`);
  await eventually(
    () => reasons.includes('notifications were lost'),
    () => reasons.join(', '),
  );
  await reconciler.stop();
});

function agentArguments(folder: AgentFolder, state: string): readonly string[] {
  const runtime = join(folder.path, 'n1-run');
  mkdirSync(runtime, { recursive: true, mode: 0o700 });
  return [...folder.command('n1').slice(0, -4), '--runtime-dir', runtime, '--state-dir', state];
}

function ping(namespace: Namespace, address: string): boolean {
  return namespace.tryRun('ping', ['-c', '1', '-W', '1', address]).status === 0;
}
