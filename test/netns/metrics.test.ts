/**
 * What an agent tells of real traffic: metrics over HTTP, status, and systemd's notifications.
 *
 *     namespace a                        namespace b
 *     10.64.1.0  slv4a                   10.64.2.0  slv4a
 *     192.0.2.1/24  eth0 ──────────────── eth0  192.0.2.2/24
 */
import t from 'tap';
import { AgentFolder } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { Namespace } from '../support/netns.js';
import { createNamespace, vethPair } from '../support/netns.js';

const skip = skipReason('root', 'netns', 'nft');

const yaml = `
cluster: pair
overlay:
  pools: [10.64.0.0/16]
  vxlan: { vni: 4096 }
rules:
  - { name: all, mode: vxlan, force: true }
nodes:
  - { name: a, address: 192.0.2.1/24, overlay: [10.64.1.0/24] }
  - { name: b, address: 192.0.2.2/24, overlay: [10.64.2.0/24] }
`;

const at = '127.0.0.1:14789';

t.setTimeout(120_000);
t.test('a scrape counts the very packets that were sent', { skip }, async (t) => {
  const a = createNamespace(t);
  const b = createNamespace(t);
  vethPair(
    { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'], mtu: 1500 },
    { namespace: b, device: 'eth0', addresses: ['192.0.2.2/24'], mtu: 1500 },
  );
  const folder = new AgentFolder(t, yaml);
  const agentA = folder.start(a, 'a', '--metrics-listen', at);
  await Promise.all([agentA.ready(), folder.start(b, 'b').ready()]);

  const before = await scrape(a);
  const [count, payload] = [20, 1000];
  a.run('ping', ['-q', '-c', `${count}`, '-i', '0.01', '-s', `${payload}`, '10.64.2.0']);
  const after = await scrape(a);
  // IPv4 and ICMP headers; what is around them is not the overlay's.
  const bytes = count * (payload + 20 + 8);
  for (const direction of ['transmit', 'receive']) {
    const series = `{mode="vxlan",direction="${direction}"}`;
    const grown = (name: string): number =>
      after.get(`${name}${series}`)! - before.get(`${name}${series}`)!;
    t.equal(grown('selvage_traffic_packets_total'), count, direction);
    t.equal(grown('selvage_traffic_bytes_total'), bytes, direction);
  }
});

async function scrape(namespace: Namespace): Promise<ReadonlyMap<string, number>> {
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
