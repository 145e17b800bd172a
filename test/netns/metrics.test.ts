/**
 * What an agent tells of real traffic: metrics over HTTP, status, and systemd's notifications.
 *
 *     namespace a                        namespace b
 *     10.64.1.0  slv4a                   10.64.2.0  slv4a
 *     192.0.2.1/24  eth0 ───────────── eth0  198.51.100.2/24
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AgentFolder, eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { Namespace, Teardown } from '../support/netns.js';
import { createNamespace, vethPair } from '../support/netns.js';

const skip = skipReason('root', 'netns', 'nft');

const yaml = (mode: string): string => `
cluster: pair
overlay:
  pools: [10.64.0.0/16, "fd64::/48"]
  settleSeconds: 1
  vxlan: { vni: 4096 }
zones:
  - { name: here, provider: onprem, subnets: [192.0.2.0/24] }
  - { name: there, provider: onprem, subnets: [198.51.100.0/24] }
rules:
  - { name: four, family: 4, mode: ${mode}, force: true }
  - { name: all, mode: vxlan, force: true }
nodes:
  - { name: a, address: 192.0.2.1/24, zone: here, overlay: [10.64.1.0/24, "fd64:0:0:1::/64"] }
  - { name: b, address: 198.51.100.2/24, zone: there, overlay: [10.64.2.0/24, "fd64:0:0:2::/64"] }
`;

const at = '127.0.0.1:14789';

t.setTimeout(120_000);
t.test('a scrape counts the very packets that were sent', { skip }, async (t) => {
  const [a, b] = twoNodes(t);
  const folder = new AgentFolder(t, yaml('vxlan'));
  const agentA = folder.start(a, 'a', '--metrics-listen', at, '--zone-traffic');
  await Promise.all([agentA.ready(), folder.start(b, 'b').ready()]);
  await eventually(
    () => a.run('nft', ['list', 'tables']).includes('inet selvage_traffic'),
    () => agentA.log().join('\n'),
  );

  const [count, payload] = [20, 1000];
  // IPv4 and ICMP headers; what is around them is not the overlay's.
  const bytes = count * (payload + 20 + 8);
  const ping = (to: string): string =>
    a.run('ping', ['-q', '-c', `${count}`, '-i', '0.01', '-s', `${payload}`, to]);

  await t.test('through a tunnel', async (t) => {
    const before = await scrape(a);
    ping('10.64.2.0');
    const grown = since(before, await scrape(a));
    for (const direction of ['transmit', 'receive']) {
      const labels = `mode="vxlan",direction="${direction}"`;
      const zones = `${labels},zone="here",peer_zone="there"`;
      t.equal(grown(`selvage_traffic_packets_total{${labels}}`), count, direction);
      t.equal(grown(`selvage_traffic_bytes_total{${labels}}`), bytes, direction);
      t.equal(grown(`selvage_zone_traffic_packets_total{${zones}}`), count, direction);
      t.equal(grown(`selvage_zone_traffic_bytes_total{${zones}}`), bytes, direction);
    }
  });

  await t.test('both families count', async (t) => {
    const before = await scrape(a);
    ping('fd64:0:0:2::');
    const grown = since(before, await scrape(a));
    const zones = 'mode="vxlan",direction="receive",zone="here",peer_zone="there"';
    t.equal(grown(`selvage_zone_traffic_packets_total{${zones}}`), count);
    t.equal(grown(`selvage_zone_traffic_bytes_total{${zones}}`), bytes + count * 20);
  });

  await t.test('natively, where no device of ours counts', async (t) => {
    folder.write(yaml('native'));
    await eventually(
      async () => {
        const series = await scrape(a);
        return (
          series.get('selvage_peer_prefixes{mode="native",state="ok"}') === 1 &&
          series.get('selvage_changeover_phase{phase="none"}') === 1
        );
      },
      () => agentA.log().join('\n'),
    );
    const before = await scrape(a);
    ping('10.64.2.0');
    const grown = since(before, await scrape(a));
    for (const direction of ['transmit', 'receive']) {
      const zones = (mode: string): string =>
        `{mode="${mode}",direction="${direction}",zone="here",peer_zone="there"}`;
      t.equal(grown(`selvage_zone_traffic_packets_total${zones('native')}`), count, direction);
      t.equal(grown(`selvage_zone_traffic_bytes_total${zones('native')}`), bytes, direction);
      t.equal(grown(`selvage_zone_traffic_packets_total${zones('vxlan')}`), 0, direction);
    }
    t.ok(before.get('selvage_apply_latency_seconds_count')! >= 1);
  });

  await t.test('a repair is counted by what was repaired', async (t) => {
    const before = await scrape(a);
    a.ip('route del 10.64.2.0/24 proto 83');
    const repairs = async (): Promise<number> =>
      since(before, await scrape(a))('selvage_drift_repairs_total{object="route"}');
    await eventually(
      async () => (await repairs()) > 0,
      () => agentA.log().join('\n'),
    );
    t.equal(await repairs(), 1);
  });

  await t.test('status tells the same', async (t) => {
    const { traffic } = await agentA.status();
    t.match(traffic, [{ mode: 'vxlan' }]);
    t.ok(traffic![0]!.sent.packets >= 2 * count);
  });

  await t.test('an agent that stops takes its counters along, and no other table', async (t) => {
    await agentA.kill('SIGTERM');
    const tables = a.run('nft', ['list', 'tables']);
    t.notMatch(tables, /selvage_traffic/);
    t.match(tables, /inet selvage_guard/);
  });
});

/** Writes down every datagram, with the process that it came from. */
const receiver = `
import socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(sys.argv[1])
while True:
    data, extra, _, _ = s.recvmsg(4096, 1024)
    print(struct.unpack('3i', extra[0][2])[0], data.decode().replace('\\n', ' '), flush=True)
`;

t.test('systemd is told by the agent itself', { skip }, async (t) => {
  const [a] = twoNodes(t);
  const folder = new AgentFolder(t, yaml('vxlan'));
  const socket = join(folder.path, 'notify');
  const heard = a.spawn('/usr/bin/python3', ['-c', receiver, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  heard.stdout!.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await eventually(
    () => existsSync(socket),
    () => 'nobody listens',
  );
  mkdirSync(join(folder.path, 'a'));
  const [program, ...args] = folder.command('a');
  const agent = a.spawn(program!, args, {
    stdio: 'ignore',
    env: { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '400000' },
  });
  const says = async (pattern: RegExp): Promise<void> => {
    await eventually(
      () => pattern.test(text),
      () => `${pattern.source} was not said: ${text}`,
    );
    t.match(text, pattern);
  };
  await says(/READY=1 STATUS=Ready: 1 peers, revision 1/);
  await says(/(WATCHDOG=1\n[^]*){4}/);
  agent.kill('SIGHUP');
  await says(/RELOADING=1 MONOTONIC_USEC=\d+ [^]*READY=1/);
  agent.kill('SIGTERM');
  await says(/STOPPING=1/);
  // `ip netns exec` becomes the program that it starts.
  const senders = new Set(
    text
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[0])),
  );
  t.same(senders, new Set([agent.pid]));
});

function twoNodes(t: Teardown): readonly [Namespace, Namespace] {
  const a = createNamespace(t);
  const b = createNamespace(t);
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'], mtu: 1500 },
    { namespace: b, device: 'eth0', addresses: ['198.51.100.2/24'], mtu: 1500 },
  );
  a.ip('route add 198.51.100.0/24 dev eth0');
  b.ip('route add 192.0.2.0/24 dev eth0');
  return [a, b];
}

type Series = ReadonlyMap<string, number>;

function since(before: Series, after: Series): (series: string) => number {
  return (series) => (after.get(series) ?? NaN) - (before.get(series) ?? NaN);
}

async function scrape(namespace: Namespace): Promise<Series> {
  const text = namespace.run('curl', ['-sS', '--fail', '--max-time', '20', `http://${at}/metrics`]);
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const end = line.lastIndexOf(' ');
        return [line.slice(0, end), Number(line.slice(end + 1))] as const;
      }),
  );
}
