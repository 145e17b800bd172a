/**
 * Every ordered pair of modes, and changes of segment, port, MTU and addresses, on a kernel that has
 * ipip itself: planned, compared and applied by the product on two nodes that learn of each change
 * one after the other, while numbered packets and a TCP connection go both ways. The only rule names
 * the mode, so what is received has to change with it. The clock of the settle times is the test's.
 *
 *     a  192.0.2.1/24  eth0 ──────────────── eth0  198.51.100.2/24 and .22  b
 *        10.64.1.0                                 10.64.2.0
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Cluster } from '../../../encap/cluster.js';
import type { Mode } from '../../../encap/mode.js';
import { applyChanges } from '../../../routes/apply.js';
import { diff } from '../../../routes/diff.js';
import { readSysctls } from '../../../routes/reconciler.js';
import { Planner } from '../../../src/agent/planner.js';
import type { Kernel } from '../../../tunnel/kernel.js';
import { openKernel } from '../../../tunnel/real-kernel.js';
import { sketchCluster } from '../../support/cluster-builder.js';
import { type Namespace, type Teardown, createNamespace, vethPair } from '../../support/netns.js';
import { startTraffic, trafficTable } from '../../support/traffic.js';

const perSecond = 1000;
const settleMs = 10_000;
let nowMs = 1_000_000;

interface Setting {
  readonly mode: Mode;
  readonly vni: number;
  readonly port: number;
  readonly linkMtu: number;
  readonly peer: string;
}

const clusterOf = ({ mode, vni, port, linkMtu, peer }: Setting): Cluster => ({
  ...sketchCluster({
    vni,
    port,
    rules: [{ mode, force: true }],
    zones: { x: { subnets: ['192.0.2.0/24 floor'] }, y: { subnets: ['198.51.100.0/24 floor'] } },
    links: [
      {
        ends: [
          { kind: 'zone', zone: 'x' },
          { kind: 'zone', zone: 'y' },
        ],
        mtu: linkMtu,
      },
    ],
    nodes: [
      { name: 'a', zone: 'x', at: '192.0.2.1/24', overlay: '10.64.1.0/24' },
      { name: 'b', zone: 'y', at: `${peer}/24`, overlay: '10.64.2.0/24' },
    ],
  }),
  settleMs,
});

class Node {
  readonly namespace: Namespace;
  readonly kernel: Kernel;
  readonly #planner: Planner;

  constructor(t: Teardown, name: 'a' | 'b') {
    this.namespace = createNamespace(t);
    this.kernel = openKernel({ netns: this.namespace.name });
    t.teardown(() => this.kernel.close());
    this.#planner = new Planner(this.kernel, name, { nowMs: () => nowMs });
  }

  async apply(cluster: Cluster): Promise<void> {
    const state = await this.kernel.dump();
    const plan = await this.#planner.plan(cluster, state);
    const sysctls = readSysctls(this.kernel, plan.objects.values());
    const { changes } = diff(plan.objects, { kernel: state, sysctls });
    const { failed } = await applyChanges(this.kernel, changes, plan.desired.peers);
    if (failed.length > 0) throw new Error(failed.map((one) => one.failure.message).join('\n'));
    this.#planner.applied(plan, { unmade: [] });
  }

  /** Device, without its slot, and MTU of the route to this prefix. */
  async way(text: string): Promise<string> {
    const { routes } = await this.kernel.dump();
    const target = routes.find(({ prefix }) => prefix.text === text)?.target;
    return target?.kind === 'unicast'
      ? `${target.device.replace(/[ab]$/, '')} ${target.mtu}`
      : 'none';
  }

  async devices(): Promise<string> {
    const { links } = await this.kernel.dump();
    return links
      .map(({ name }) => name)
      .filter((name) => /^sl(v|ip)/.test(name))
      .sort()
      .join(' ');
  }
}

/** A change, and the devices that b has when it is prepared, switched and over. */
type Step = readonly [what: string, next: Partial<Setting>, devices: readonly string[]];

const steps: readonly Step[] = [
  ['native to ipip', { mode: 'ipip' }, ['slip4', 'slip4', 'slip4']],
  [
    "the peer's address, ipip",
    { peer: '198.51.100.22' },
    ['slip4 slip4b', 'slip4 slip4b', 'slip4b'],
  ],
  ['link MTU shrinks, ipip', { linkMtu: 1400 }, ['slip4b', 'slip4b', 'slip4b']],
  ['link MTU grows, ipip', { linkMtu: 1500 }, ['slip4b', 'slip4b', 'slip4b']],
  ['ipip to native', { mode: 'native' }, ['slip4b', 'slip4b', '']],
  ["the peer's address, native", { peer: '198.51.100.2' }, ['', '', '']],
  ['native to vxlan', { mode: 'vxlan' }, ['slv4a', 'slv4a', 'slv4a']],
  ["the peer's address, vxlan", { peer: '198.51.100.22' }, ['slv4a', 'slv4a', 'slv4a']],
  ['VNI', { vni: 8 }, ['slv4a slv4b', 'slv4a slv4b', 'slv4b']],
  ['port', { port: 8472 }, ['slv4a slv4b', 'slv4a slv4b', 'slv4a']],
  ['VNI and port', { vni: 9, port: 4790 }, ['slv4a slv4b', 'slv4a slv4b', 'slv4b']],
  ['link MTU shrinks, vxlan', { linkMtu: 1400 }, ['slv4b', 'slv4b', 'slv4b']],
  ['link MTU grows, vxlan', { linkMtu: 1500 }, ['slv4b', 'slv4b', 'slv4b']],
  ['vxlan to ipip', { mode: 'ipip' }, ['slip4 slv4b', 'slip4 slv4b', 'slip4']],
  ['ipip to vxlan', { mode: 'vxlan' }, ['slip4 slv4a', 'slip4 slv4a', 'slv4a']],
  ['vxlan to native', { mode: 'native' }, ['slv4a', 'slv4a', '']],
];

t.setTimeout(110_000);
t.test('changes under traffic, with the tunnels of the kernel', { timeout: 100_000 }, async (t) => {
  writeFileSync('/proc/sys/net/core/rmem_max', String(64 * 1024 * 1024));
  const a = new Node(t, 'a');
  const b = new Node(t, 'b');
  vethPair(
    { namespace: a.namespace, device: 'eth0', addresses: ['192.0.2.1/24'] },
    { namespace: b.namespace, device: 'eth0', addresses: ['198.51.100.2/24', '198.51.100.22/24'] },
  );
  // The tunnel address is only on tunnel devices, and a native node has none.
  a.namespace.ip('route add 198.51.100.0/24 dev eth0', 'addr add 10.64.1.0/32 dev lo');
  b.namespace.ip('route add 192.0.2.0/24 dev eth0', 'addr add 10.64.2.0/32 dev lo');
  let setting: Setting = {
    mode: 'native',
    vni: 7,
    port: 4789,
    linkMtu: 1500,
    peer: '198.51.100.2',
  };
  for (const node of [a, b]) await node.apply(clusterOf(setting));

  const traffic = await startTraffic(t, {
    ends: [
      { namespace: a.namespace, addresses: ['10.64.1.0'] },
      { namespace: b.namespace, addresses: ['10.64.2.0'] },
    ],
    perSecond,
    // A single slow CPU carries all of it.
    tcpBytesPerSecond: 200_000,
  });
  for (const [index, [what, next, devices]] of steps.entries())
    await traffic.during(what, async () => {
      setting = { ...setting, ...next };
      const seen: string[] = [];
      for (const waitMs of [3 * settleMs, settleMs, settleMs]) {
        nowMs += waitMs;
        for (const node of index % 2 === 0 ? [a, b] : [b, a]) {
          await node.apply(clusterOf(setting));
          await sleep(50);
        }
        seen.push(await b.devices());
      }
      t.same(seen, devices, `${what}: devices come before they are used and go after`);
      const device = { native: 'eth0', ipip: 'slip4', vxlan: 'slv4' }[setting.mode];
      const overhead = { native: 0, ipip: 20, vxlan: 50 }[setting.mode];
      const way = `${device} ${setting.linkMtu - overhead}`;
      t.same([await a.way('10.64.2.0/24'), await b.way('10.64.1.0/24')], [way, way], what);
    });

  const result = await traffic.end();
  for (const line of trafficTable(result)) t.comment(line);
  t.equal(result.overflowed, 0, 'the receivers had room for what arrived');
  for (const row of result.rows) {
    const packets = row.sent.join(' and ');
    t.match(
      row,
      { lost: [0, 0], refused: [0, 0], reordered: [0, 0] },
      `${row.what}: ${packets} packets, none lost, none reordered`,
    );
  }
  const [fewest] = [...result.total.sent].sort((x, y) => x - y);
  t.ok(fewest! > result.total.seconds * perSecond * 0.7, 'the streams kept their pace');
  t.match(result, { duplicates: 0, total: { lost: [0, 0] } }, 'nor between the changes');
  for (const tcp of result.tcp) {
    t.match(tcp, { wrong: 0, error: undefined }, 'the TCP connection survives');
    t.ok(tcp.bytes > 100_000, `${tcp.bytes} bytes`);
  }
});
