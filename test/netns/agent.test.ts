/**
 * Real agents against a real kernel, with real packets:
 *
 *     namespace a                        namespace b
 *     10.64.1.0  slv4a, slip4            10.64.2.0  slv4a, slip4
 *     192.0.2.1/24  eth0 ──────────────── eth0  192.0.2.2/24
 */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadClusterFile } from '../../src/config/index.js';
import { agentRequest } from '../../src/agent/client.js';
import { parsePrefix } from '../../encap/prefix.js';
import { pathMetric } from '../../routes/ownership.js';
import { selvageProgram } from '../../src/lab/program.js';
import { AgentFolder, eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { Namespace } from '../support/netns.js';
import { createNamespace, vethPair } from '../support/netns.js';
import type { StreamSummary } from '../support/stream.js';

const skip = skipReason('root', 'netns', 'nft');

const yaml = (rule: string, vni = 4096, settleSeconds = 3): string => `
cluster: pair
overlay:
  pools: [10.64.0.0/16, "fd64::/48"]
  settleSeconds: ${settleSeconds}
  vxlan: { vni: ${vni} }
rules:
  - { name: v4, family: 4, mode: ${rule}, force: true }
nodes:
  - { name: a, address: 192.0.2.1/24, overlay: [10.64.1.0/24, "fd64:0:0:1::/64"] }
  - { name: b, address: 192.0.2.2/24, overlay: [10.64.2.0/24, "fd64:0:0:2::/64"] }
`;

t.setTimeout(180_000);
t.test('two nodes', { skip, timeout: 170_000 }, async (t) => {
  const a = createNamespace(t);
  const b = createNamespace(t);
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'], mtu: 1500 },
    { namespace: b, device: 'eth0', addresses: ['192.0.2.2/24'], mtu: 1500 },
  );
  a.ip(
    'link add foreign0 type bridge',
    'addr add 198.51.100.1/24 dev foreign0',
    'link set foreign0 up',
    'route add 203.0.113.0/24 dev foreign0 proto static metric 77',
  );
  const before = footprint(a);
  const folder = new AgentFolder(t, yaml('vxlan'));
  let agentA = folder.start(a, 'a');
  const agentB = folder.start(b, 'b');
  await Promise.all([agentA.ready(), agentB.ready()]);
  const settled = footprint(a);

  await t.test('both families pass, at the full MTU and not above', (t) => {
    t.equal(ping(a, '10.64.2.0'), 0);
    t.equal(ping(a, 'fd64:0:0:2::'), 0);
    t.equal(ping(a, '10.64.2.0', '-M', 'do', '-s', String(1450 - 28)), 0, '1450 bytes');
    t.not(ping(a, '10.64.2.0', '-M', 'do', '-s', String(1451 - 28)), 0, '1451 bytes');
    t.match(folder.env('a'), /SELVAGE_OVERLAY_IPV4="10.64.1.0\/24"\n.*\n?SELVAGE_MTU=1450\n/s);
    t.end();
  });

  await t.test('only root may talk to it, and a second agent is refused', async (t) => {
    const mode = a.run('stat', ['-c', '%a %n', agentA.socket]).split(' ')[0];
    t.equal(mode, '600');
    // Whatever directories and node it is given: the namespace has a writer already.
    const elsewhere = new AgentFolder(t, yaml('vxlan'));
    for (const [files, node] of [
      [folder, 'a'],
      [elsewhere, 'a'],
      [elsewhere, 'b'],
    ] as const) {
      const second = files.start(a, node);
      t.equal(await new Promise((resolve) => second.process.once('exit', resolve)), 3);
      t.match(
        second.log().join('\n'),
        `selvage: another agent (pid ${agentA.process.pid}, node a) is at work in this network namespace and answers on ${agentA.socket}: stop it first, or ask it with --socket ${agentA.socket}`,
      );
    }
    // Nor does a command that would work by itself, finding no agent where it asks.
    const [program, ...rest] = selvageProgram();
    for (const command of ['apply', 'down']) {
      const files = elsewhere.options('a').slice(command === 'apply' ? 0 : 4);
      const asked = a.tryRun(program!, [...rest, command, ...files]);
      t.equal(asked.status, 3, asked.stdout);
      t.match(asked.stderr, `--socket ${agentA.socket}`);
    }
    t.equal(footprint(a), settled);
    await agentA.ready();
  });

  await t.test('whatever is deleted or edited is back within a second', async (t) => {
    const damages: readonly [string, () => unknown][] = [
      ['a route', () => a.ip('route del 10.64.2.0/24 proto 83')],
      ['an IPv6 route', () => a.ip('route del fd64:0:0:2::/64 proto 83')],
      [
        "a route's MTU",
        () =>
          a.ip(
            `route replace 10.64.2.0/24 via 10.64.2.0 dev slv4a onlink proto 83 metric ${pathMetric(parsePrefix('10.64.2.0/24'))} mtu 1000 src 10.64.1.0`,
          ),
      ],
      [
        'the blackhole of the own block',
        () => a.ip('route del blackhole 10.64.1.0/24 metric 4096'),
      ],
      ['an FDB entry', () => a.run('bridge', ['fdb', 'del', fdbMac(a), 'dev', 'slv4a', 'self'])],
      ['a neighbour entry', () => a.ip('neigh del 10.64.2.0 dev slv4a')],
      [
        "a neighbour's MAC",
        () => a.ip('neigh replace 10.64.2.0 lladdr 02:00:00:00:00:99 nud permanent dev slv4a'),
      ],
      ['an address', () => a.ip('addr del 10.64.1.0/32 dev slv4a')],
      ["the device's MTU", () => a.ip('link set slv4a mtu 1280')],
      ["the device's MAC", () => a.ip('link set slv4a address 02:00:00:00:00:01')],
      ['the device, down', () => a.ip('link set slv4a down')],
      ['the device', () => a.ip('link del slv4a')],
      ['the NIC, down and up', () => a.ip('link set eth0 down', 'link set eth0 up')],
      ['all routes', () => a.ip('route flush proto 83')],
    ];
    for (const [what, damage] of damages) {
      damage();
      const ms = await eventually(
        () => footprint(a) === settled,
        () => `${what} is not repaired:\n${footprint(a)}\nwanted:\n${settled}`,
        5_000,
      );
      t.ok(ms < 1_000, `${what}: ${Math.round(ms)} ms`);
    }
    t.equal(ping(a, '10.64.2.0'), 0);
    t.equal(ping(a, 'fd64:0:0:2::'), 0);
  });

  await t.test(
    'a NIC too small for IPv6 in VXLAN still carries IPv4, and grows again',
    async (t) => {
      a.ip('link set eth0 mtu 1280');
      await eventually(
        async () => {
          const { ready, notes } = await agentA.status();
          return ready && notes.some((note) => note.startsWith('slv4a has room for 1230 bytes'));
        },
        () => `not ready:\n${footprint(a)}`,
      );
      t.match(footprint(a), /10.64.2.0\/24[^\n]* mtu 1230/);
      t.equal(ping(a, '10.64.2.0', '-M', 'do', '-s', String(1230 - 28)), 0);
      const status = await agentA.status();
      t.same(
        status.peers.map(({ prefix, verdict, mtu, state }) => [prefix, verdict, mtu, state]),
        [
          ['10.64.2.0/24', 'forward', 1230, 'ok'],
          // 1230 bytes are too few, and there is no IPv6 underlay to go natively on.
          ['fd64:0:0:2::/64', 'unreachable', undefined, 'ok'],
        ],
      );
      a.ip('link set eth0 mtu 1500');
      await eventually(
        () => footprint(a) === settled,
        () => `it does not grow again:\n${footprint(a)}\nwanted:\n${settled}`,
      );
    },
  );

  await t.test('edited guard rules are put back', async (t) => {
    const rules = (): string => a.run('nft', ['-s', 'list', 'table', 'inet', 'selvage_guard']);
    const wanted = rules();
    // It may be repaired before a second command has looked.
    agentA.process.kill('SIGSTOP');
    a.run('nft', ['flush', 'table', 'inet', 'selvage_guard']);
    t.not(rules(), wanted);
    agentA.process.kill('SIGCONT');
    const ms = await eventually(
      () => rules() === wanted,
      () => `the guard is not repaired:\n${rules()}`,
      15_000,
    );
    t.pass(`after ${Math.round(ms)} ms`);
  });

  await t.test('kill -9 under traffic loses nothing, and the restart writes nothing', async (t) => {
    const stream = await startStream(a, b, { address: '10.64.2.0', seconds: 4 });
    await agentA.kill('SIGKILL');
    const watched = watchWrites(a);
    agentA = folder.start(a, 'a');
    await agentA.ready();
    t.match(await agentA.status(), { repairs: 0, lastPass: { failed: [] } });
    t.notMatch(agentA.log().join('\n'), /"msg":"(create|update|delete|repaired)/);
    t.same(watched(), [], 'no notification of a change by us');
    t.match(await stream.result(), { missing: [], reordered: 0 });
  });

  await t.test(
    'a new rule moves the pair without a lost packet; a bad file changes nothing',
    async (t) => {
      const both = [agentA, agentB];
      for (const [mode, device] of [
        ['ipip', 'slip4'],
        ['native', 'eth0'],
        ['vxlan', 'slv4a'],
      ] as const) {
        const stream = await startStream(a, b, { address: '10.64.2.0', seconds: 3 });
        folder.write(yaml(mode));
        await eventually(
          () =>
            both.every(
              () =>
                routeDevice(a, '10.64.2.0/24') === device &&
                routeDevice(b, '10.64.1.0/24') === device,
            ),
          () => `not on ${device}: ${a.run('ip', ['route'])}\n${agentA.log().join('\n')}`,
        );
        t.match(await stream.result(), { missing: [] }, `to ${mode}: nothing lost`);
        t.equal(ping(a, '10.64.2.0'), 0, mode);
      }
      folder.write(yaml('carrier-pigeon'));
      await eventually(
        async () => (await agentA.status()).config.problems.length > 0,
        () => 'the bad file was not noticed',
      );
      t.match(
        (await agentA.status()).config.problems[0],
        /cluster\.yaml:8:\d+: error: .*carrier-pigeon/,
      );
      t.equal(routeDevice(a, '10.64.2.0/24'), 'slv4a');
      t.equal(ping(a, '10.64.2.0'), 0);
      folder.write(yaml('vxlan'));
      await eventually(
        async () => (await agentA.status()).config.problems.length === 0,
        () => 'the good file was not noticed',
      );
    },
  );

  await t.test('the agent explains what its kernel has', async (t) => {
    const explained = async (): Promise<Explained> =>
      (await agentRequest({
        socket: agentA.socket,
        method: 'GET',
        path: '/v1/explain?destination=10.64.2.9',
      })) as Explained;
    t.match(await explained(), {
      basis: { kind: 'agent', localFacts: true },
      verdict: { kind: 'VXLAN' },
    });
  });

  await t.test('a change that is under way is shown wherever one would look', async (t) => {
    const selvage = (...args: readonly string[]): string => {
      // The step lasts for seconds, and three commands are to see it.
      const [program, ...rest] = selvageProgram();
      return a
        .tryRun(program!, [...rest, ...args, '--socket', agentA.socket])
        .stdout.replace(/\s+/g, ' ');
    };
    t.notMatch(selvage('status'), /under way/);
    folder.write(yaml('vxlan', 7, 8));
    await eventually(
      async () => (await agentA.status()).changeover?.step === 'waiting',
      () => `no change is under way: ${agentA.log().join('\n')}`,
    );
    const waits = 'VXLAN is sent with VNI 4096, port 4789; VNI 7, port 4789 is received beside it';
    const { changeover } = await agentA.status();
    t.same(changeover?.lines, [waits]);
    t.ok(changeover!.remainingMs === undefined || changeover!.remainingMs <= 8_000);
    for (const text of [selvage('status'), selvage('plan'), selvage('explain', '10.64.2.9')])
      t.match(text, new RegExp(`a change is under way (for another [0-8] s|until all).*${waits}`));
    await eventually(
      async () => (await agentA.status()).changeover?.step === 'ending',
      () => 'it is not sent',
    );
    t.match(
      selvage('status'),
      /what is new is sent, and the old still received VNI 4096, port 4789/,
    );
    folder.write(yaml('vxlan'));
  });

  await t.test(
    'stopping leaves everything in place; down removes it and nothing else',
    async (t) => {
      await eventually(
        () => footprint(a) === settled,
        () => `what the last change left behind is still there:\n${footprint(a)}`,
      );
      await agentA.kill('SIGTERM');
      t.equal(footprint(a), settled);
      t.equal(ping(a, '10.64.2.0'), 0);
      const [program, ...args] = selvageProgram();
      a.run(program!, [...args, 'down', ...folder.options('a').slice(4)]);
      t.equal(footprint(a), before);
      t.notMatch(a.run('nft', ['list', 'tables']), /selvage/);
      t.match(a.run('ip', ['route']), /203\.0\.113\.0\/24 dev foreign0 proto static .*metric 77/);
    },
  );
  await agentB.kill('SIGTERM');
  t.equal((await loadClusterFile(folder.config)).ok, true);
});

interface Explained {
  readonly verdict: unknown;
}

/** Everything in a namespace that the agent could touch, as text. */
function footprint(namespace: Namespace): string {
  return namespace.run('sh', [
    '-c',
    [
      'ip -d -o link | sed "s/^[0-9]*: //; s/ qlen [0-9]*//; s/ qdisc [a-z]*//" | grep -v "^lo" | sed "s/@if[0-9]*//; s/\\(link-netnsid\\|promiscuity\\|allmulti\\|gso\\|tso\\|gro\\|numtxqueues\\).*//; /^eth0/s/.*/eth0/; /^foreign0/s/.*/foreign0/"',
      'ip -o addr | awk "{print \\$2,\\$3,\\$4}" | sort',
      'ip route show table all | grep -v "^local\\|^broadcast\\|^multicast" | grep -v "^fe80\\|table local" | sed "s/ linkdown//" | sort',
      'ip neigh show nud permanent | sort',
      'bridge fdb show | grep slv | sort',
      'sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv4.conf.eth0.rp_filter net.ipv6.conf.eth0.accept_ra',
    ].join(';'),
  ]);
}

function fdbMac(namespace: Namespace): string {
  return namespace.run('bridge', ['fdb', 'show', 'dev', 'slv4a']).split(' ')[0]!;
}

function ping(namespace: Namespace, address: string, ...more: readonly string[]): number {
  return namespace.tryRun('ping', ['-c', '2', '-i', '0.2', '-W', '1', ...more, address]).status;
}

function routeDevice(namespace: Namespace, prefix: string): string | undefined {
  const [route] = namespace.ipJson<{ dev?: string }[]>('route', 'show', prefix, 'proto', '83');
  return route?.dev;
}

/** Notes every change of routes and links that the kernel announces; call it to hear them. */
function watchWrites(namespace: Namespace): () => readonly string[] {
  const monitor = namespace.spawn('ip', ['-o', 'monitor', 'route', 'link', 'address'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines: string[] = [];
  monitor
    .stdout!.setEncoding('utf8')
    .on('data', (chunk: string) => lines.push(...chunk.trim().split('\n')));
  return () => {
    monitor.kill('SIGKILL');
    // Looking for kinds of device makes and deletes a probe; addresses come and go with it.
    return lines.filter((line) => /slv|slip|proto 83/.test(line));
  };
}

interface Stream {
  result(): Promise<StreamSummary>;
}

/** A numbered UDP stream of 500 packets a second; returns once it flows. */
async function startStream(
  from: Namespace,
  to: Namespace,
  options: { readonly address: string; readonly seconds: number },
): Promise<Stream> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const program = fileURLToPath(new URL(`../support/stream${extension}`, import.meta.url));
  const node = [process.execPath, ...process.execArgv, program];
  const start = (namespace: Namespace, ...args: readonly string[]): ChildProcess =>
    namespace.spawn(node[0]!, [...node.slice(1), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const receiver = start(to, 'receive', '7000');
  let heard = '';
  receiver.stdout!.setEncoding('utf8').on('data', (chunk: string) => (heard += chunk));
  await eventually(
    () => heard.includes('ready'),
    () => 'the receiver does not start',
  );
  const sender = start(from, 'send', options.address, '7000', '500', String(options.seconds));
  let told = '';
  sender.stdout!.setEncoding('utf8').on('data', (chunk: string) => (told += chunk));
  const done = new Promise((resolve) => sender.once('exit', resolve));
  await new Promise((resolve) => setTimeout(resolve, 700));
  return {
    result: async () => {
      await done;
      const { sent } = JSON.parse(told) as { sent: number };
      const ended = new Promise((resolve) => receiver.once('exit', resolve));
      receiver.stdin!.write(`${sent}\n`);
      await ended;
      const summary = JSON.parse(heard.split('\n')[1]!) as StreamSummary;
      if (summary.received < options.seconds * 400)
        throw new Error(
          `only ${summary.received} of ${sent} packets: the stream proves nothing; ${heard} ${told}`,
        );
      return summary;
    },
  };
}
