/**
 * Changes under traffic lose nothing. One stream of numbered UDP packets each way, one TCP transfer
 * each way and an IPv6 ping run all the time, while the file changes and is read by the two agents
 * at different moments:
 *
 *     namespace a                          namespace b
 *     10.64.1.0                            10.64.2.0
 *     192.0.2.1/24  eth0 ────────────────── eth0  198.51.100.2/24, later .22
 *
 * This kernel has no ipip, so a userspace process carries it; the kernel's own is measured under
 * user-mode-linux.
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { AgentFolder, eventually } from '../support/agents.js';
import type { TestAgent } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { Namespace } from '../support/netns.js';
import { createNamespace, vethPair } from '../support/netns.js';
import type { StreamSummary } from '../support/stream.js';
import type { TransferSummary } from '../support/transfer.js';

const skip = skipReason('root', 'netns', 'nft');
const perSecond = 1000;
const settleSeconds = 2;
/** How much later the second agent gets each file; up to half the settle time is allowed. */
const delayMs = 400;

interface Setting {
  readonly mode: 'native' | 'ipip' | 'vxlan';
  /** Is there a rule that could ask for ipip, so that it is received all the time? */
  readonly ipipRule: boolean;
  readonly vni: number;
  readonly port: number;
  readonly linkMtu: number;
  readonly peer: string;
}

const yaml = (setting: Setting): string => `
cluster: hitless
overlay:
  pools: [10.64.0.0/16, "fd64::/48"]
  vxlan: { vni: ${setting.vni}, port: ${setting.port} }
  settleSeconds: ${settleSeconds}
zones:
  - { name: x, segment: l2, subnets: [192.0.2.0/24], firewall: { ipip: allowed } }
  - { name: y, segment: l2, subnets: [198.51.100.0/24], firewall: { ipip: allowed } }
links:
  - { between: [x, y], mtu: ${setting.linkMtu} }
rules:
  - { name: for-later, to: { label: { carried: other } }, mode: ${setting.ipipRule ? 'ipip' : 'vxlan'}, force: true }
  - { name: native-too, to: { label: { carried: bare } }, mode: native, force: true }
  - { name: v4, family: 4, mode: ${setting.mode}, force: true }
  - { name: v6, mode: vxlan }
nodes:
  - { name: a, address: 192.0.2.1/24, overlay: [10.64.1.0/24, "fd64:0:0:1::/64"] }
  - { name: b, address: ${setting.peer}/24, overlay: [10.64.2.0/24, "fd64:0:0:2::/64"] }
`;

t.setTimeout(120_000);
t.test('changes under traffic', { skip, timeout: 110_000 }, async (t) => {
  const a = createNamespace(t);
  const b = createNamespace(t);
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'], mtu: 1500 },
    { namespace: b, device: 'eth0', addresses: ['198.51.100.2/24'], mtu: 1500 },
  );
  a.ip('route add 198.51.100.0/24 dev eth0');
  b.ip('route add 192.0.2.0/24 dev eth0');
  // Otherwise the first address of a subnet takes the others with it when it goes.
  b.sysctl({ 'net/ipv4/conf/all/promote_secondaries': 1 });
  let setting: Setting = {
    mode: 'vxlan',
    ipipRule: true,
    vni: 7,
    port: 4789,
    linkMtu: 1500,
    peer: '198.51.100.2',
  };
  const folders = [new AgentFolder(t, yaml(setting)), new AgentFolder(t, yaml(setting))] as const;
  const agents: [TestAgent, TestAgent] = [folders[0].start(a, 'a'), folders[1].start(b, 'b')];
  await Promise.all(agents.map((agent) => agent.ready()));

  const way = (namespace: Namespace, prefix: string): string => {
    const [route] = namespace.ipJson<Route[]>('route', 'show', prefix, 'proto', '83');
    const device = route?.dev ?? 'none';
    const [link] = device.startsWith('sl') ? namespace.ipJson<Link[]>('link', 'show', device) : [];
    const { id, port } = link?.linkinfo?.info_data ?? {};
    const mtu = route?.metrics?.[0]?.mtu;
    return [device.replace(/[ab]$/, ''), id, port, mtu].filter((part) => part !== undefined).join();
  };
  const tunnels = (namespace: Namespace): number =>
    namespace.ipJson<Link[]>('link').filter(({ ifname }) => ifname.startsWith('slv')).length;

  let turn = 0;
  /** Both agents get the file, one later than the other, and see the change through. */
  const change = async (next: Partial<Setting>, during?: () => Promise<void>): Promise<void> => {
    setting = { ...setting, ...next };
    const order = turn++ % 2 === 0 ? folders : [...folders].reverse();
    order[0].write(yaml(setting));
    await sleep(delayMs);
    order[1].write(yaml(setting));
    await during?.();
    const { mode, vni, port, linkMtu } = setting;
    const wanted = {
      native: `eth0,${linkMtu}`,
      ipip: `slip4,${linkMtu - 20}`,
      vxlan: `slv4,${vni},${port},${linkMtu - 50}`,
    }[mode];
    const seen = (): string => `${way(a, '10.64.2.0/24')} ${way(b, '10.64.1.0/24')}`;
    await eventually(
      () => seen() === `${wanted} ${wanted}`,
      () =>
        `${seen()} instead of ${wanted}\n${agents.map((one) => one.log().join('\n')).join('\n')}`,
    );
    await eventually(
      () => tunnels(a) === 1 && tunnels(b) === 1,
      () => `old devices stay: ${a.run('ip', ['link'])}`,
    );
    await sleep(300);
  };
  const settled = (): Promise<unknown> => sleep(2_000 * settleSeconds + 300);

  const steps: readonly (readonly [string, () => Promise<void>])[] = [
    ['vxlan to native', () => change({ mode: 'native' })],
    ['native to ipip', () => change({ mode: 'ipip' })],
    ['ipip to vxlan', () => change({ mode: 'vxlan' })],
    ['vxlan to ipip', () => change({ mode: 'ipip' })],
    ["the peer's address, ipip", () => readdress('198.51.100.22', '198.51.100.2')],
    ['ipip to native', () => change({ mode: 'native' })],
    ["the peer's address, native", () => readdress('198.51.100.2', '198.51.100.22')],
    ['native to vxlan', () => change({ mode: 'vxlan' })],
    ["the peer's address, vxlan", () => readdress('198.51.100.22', '198.51.100.2')],
    ['VNI', () => change({ vni: 8 })],
    [
      'port, and kill -9 of an agent half-way',
      () =>
        change({ port: 8472 }, async () => {
          await agents[0].kill('SIGKILL');
          agents[0] = folders[0].start(a, 'a');
          await agents[0].ready();
        }),
    ],
    ['VNI and port, and back before it is over', () => turnBack()],
    ['link MTU shrinks', () => change({ linkMtu: 1400 })],
    ['link MTU grows', () => change({ linkMtu: 1500 })],
    ['no rule needs ipip any more', () => change({ ipipRule: false })],
    ['NIC MTU shrinks', () => resize(1400)],
    ['NIC MTU grows', () => resize(1500)],
  ];

  async function readdress(to: string, from: string): Promise<void> {
    b.ip(`addr add ${to}/24 dev eth0`);
    await change({ peer: to });
    await settled();
    b.ip(`addr del ${from}/24 dev eth0`);
  }

  async function turnBack(): Promise<void> {
    const { vni, port } = setting;
    for (const folder of folders) folder.write(yaml({ ...setting, vni: 9, port: 4790 }));
    await sleep(settleSeconds * 1300);
    await change({ vni, port });
    await settled();
  }

  async function resize(mtu: number): Promise<void> {
    for (const namespace of [a, b]) namespace.ip(`link set eth0 mtu ${mtu}`);
    const wanted = `slv4,${setting.vni},${setting.port},${mtu - 50}`;
    await eventually(
      () => way(a, '10.64.2.0/24') === wanted && way(b, '10.64.1.0/24') === wanted,
      () => `${way(a, '10.64.2.0/24')} instead of ${wanted}`,
    );
    await sleep(500);
  }

  const traffic = await startTraffic(a, b);
  const times: { readonly what: string; readonly fromS: number; readonly toS: number }[] = [];
  for (const [what, step] of steps) {
    const fromS = traffic.elapsedS();
    await step();
    times.push({ what, fromS, toS: traffic.elapsedS() });
  }
  const { streams, transfers, pings } = await traffic.end();

  for (const { what, fromS, toS } of times) {
    const lost = streams.map(
      ({ missing }) => missing.filter((n) => n >= fromS * perSecond && n < toS * perSecond).length,
    );
    t.comment(
      `${what}: ${Math.round((toS - fromS) * perSecond)} packets each way, lost ${lost.join(' and ')}`,
    );
  }
  for (const stream of streams) {
    t.comment(`stream: ${JSON.stringify(stream)}`);
    t.ok(stream.received > traffic.elapsedS() * perSecond * 0.7, 'the stream kept its pace');
    t.match(stream, { missing: [], duplicates: 0 }, 'nothing lost, nothing twice');
  }
  for (const transfer of transfers) {
    t.comment(`TCP: ${JSON.stringify(transfer)}`);
    t.match(transfer, { wrong: 0, error: undefined }, 'the TCP connection survives');
    t.ok(transfer.bytes > 10_000_000, `${transfer.bytes} bytes`);
    t.ok(transfer.longestPauseMs < 1_500, `at most ${transfer.longestPauseMs} ms without data`);
  }
  t.equal(pings.sent, pings.received, `IPv6: ${pings.sent} pings`);
  t.ok(pings.sent > 1000);
  await Promise.all(agents.map((agent) => agent.kill('SIGTERM')));
});

interface Route {
  readonly dev?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
}

interface Link {
  readonly ifname: string;
  readonly linkinfo?: { readonly info_data?: { readonly id?: number; readonly port?: number } };
}

interface Traffic {
  elapsedS(): number;
  end(): Promise<{
    readonly streams: readonly StreamSummary[];
    readonly transfers: readonly TransferSummary[];
    readonly pings: { readonly sent: number; readonly received: number };
  }>;
}

/** Ends with the test or with `end`, whichever comes first. */
const longestS = 90;

async function startTraffic(a: Namespace, b: Namespace): Promise<Traffic> {
  const ends = [
    { from: a, to: b, address: '10.64.2.0' },
    { from: b, to: a, address: '10.64.1.0' },
  ];
  const servers = ends.map(({ to }) => ({
    stream: program(to, 'stream', 'receive', '7000'),
    transfer: program(to, 'transfer', 'serve', '7001'),
  }));
  for (const { stream, transfer } of servers)
    for (const server of [stream, transfer])
      await eventually(
        () => server.said().includes('ready'),
        () => 'a receiver does not start',
      );
  const clients = ends.map(({ from, address }) => ({
    stream: program(from, 'stream', 'send', address, '7000', `${perSecond}`, `${longestS}`),
    transfer: program(from, 'transfer', 'connect', address, '7001', `${longestS}`),
  }));
  const ping = program6(a);
  await sleep(1_000);
  const startedMs = performance.now();
  return {
    elapsedS: () => (performance.now() - startedMs) / 1000,
    end: async () => {
      for (const { stream, transfer } of clients)
        for (const client of [stream, transfer]) client.child.kill('SIGINT');
      ping.child.kill('SIGINT');
      const streams: StreamSummary[] = [];
      for (const [i, { stream }] of servers.entries()) {
        const { sent } = JSON.parse(await clients[i]!.stream.all()) as { sent: number };
        stream.child.stdin!.write(`${sent}\n`);
        streams.push(JSON.parse((await stream.all()).split('\n')[1]!) as StreamSummary);
      }
      const transfers = [
        ...servers.map(async ({ transfer }) => (await transfer.all()).split('\n')[1]!),
        ...clients.map(({ transfer }) => transfer.all()),
      ];
      const counts = /(\d+) packets transmitted, (\d+) received/.exec(await ping.all());
      return {
        streams,
        transfers: (await Promise.all(transfers)).map(
          (text) => JSON.parse(text) as TransferSummary,
        ),
        pings: { sent: Number(counts?.[1]), received: Number(counts?.[2]) },
      };
    },
  };
}

interface Program {
  readonly child: ChildProcess;
  said(): string;
  /** All that it said, once it has ended. */
  all(): Promise<string>;
}

function program(namespace: Namespace, name: string, ...args: readonly string[]): Program {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const file = fileURLToPath(new URL(`../support/${name}${extension}`, import.meta.url));
  return started(namespace, [process.execPath, ...process.execArgv, file, ...args]);
}

function program6(namespace: Namespace): Program {
  return started(namespace, ['ping', '-q', '-i', '0.02', 'fd64:0:0:2::']);
}

function started(namespace: Namespace, command: readonly string[]): Program {
  const child = namespace.spawn(command[0]!, command.slice(1), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const closed = new Promise((resolve) => child.once('close', resolve));
  return {
    child,
    said: () => text,
    all: async () => {
      await closed;
      return text;
    },
  };
}
