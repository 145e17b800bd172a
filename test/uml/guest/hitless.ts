/**
 * Every ordered pair of modes, a new segment and a new address of a peer, on a kernel that has ipip
 * itself: planned, compared and applied by the product on two nodes that learn of each change one
 * after the other, while a numbered stream runs each way. The only rule names the mode, so what is
 * received has to change with it. The clock of the settle times is the test's.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
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
import type { StreamSummary } from '../../support/stream.js';

const perSecond = 1000;
const longestS = 50;
const settleMs = 10_000;
let nowMs = 1_000_000;

interface Setting {
  readonly mode: Mode;
  readonly vni: number;
  readonly peer: string;
}

const clusterOf = ({ mode, vni, peer }: Setting): Cluster => ({
  ...sketchCluster({
    vni,
    rules: [{ mode, force: true }],
    nodes: [
      { name: 'a', at: '192.0.2.1/24', overlay: '10.64.1.0/24' },
      { name: 'b', at: `${peer}/24`, overlay: '10.64.2.0/24' },
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

  async devices(): Promise<string> {
    const { links } = await this.kernel.dump();
    return links
      .map(({ name }) => name)
      .filter((name) => /^sl(v|ip)/.test(name))
      .sort()
      .join(' ');
  }
}

t.setTimeout(110_000);
t.test('changes under traffic, with the tunnels of the kernel', { timeout: 100_000 }, async (t) => {
  writeFileSync('/proc/sys/net/core/rmem_max', '8388608');
  const a = new Node(t, 'a');
  const b = new Node(t, 'b');
  vethPair(
    { namespace: a.namespace, device: 'eth0', addresses: ['192.0.2.1/24'] },
    { namespace: b.namespace, device: 'eth0', addresses: ['192.0.2.2/24', '192.0.2.22/24'] },
  );
  let setting: Setting = { mode: 'native', vni: 7, peer: '192.0.2.2' };
  for (const node of [a, b]) await node.apply(clusterOf(setting));

  const ends = [
    { from: a, to: b, address: '10.64.2.0' },
    { from: b, to: a, address: '10.64.1.0' },
  ];
  // The tunnel address is only on tunnel devices, and a native node has none.
  for (const { to, address } of ends) to.namespace.ip(`addr add ${address}/32 dev lo`);
  const program = fileURLToPath(new URL('../../support/stream.js', import.meta.url));
  const start = (node: Node, ...args: readonly string[]): ChildProcess =>
    node.namespace.spawn(process.execPath, [program, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  const receivers = ends.map(({ to }) => start(to, 'receive', '7000'));
  const heard = receivers.map(lines);
  for (const line of heard) t.equal(await line(), 'ready');
  const senders = ends.map(({ from, address }) =>
    start(from, 'send', address, '7000', String(perSecond), String(longestS)),
  );
  const told = senders.map(lines);
  await sleep(2_500);

  const seen: string[] = [];
  const change = async (next: Partial<Setting>): Promise<void> => {
    setting = { ...setting, ...next };
    for (const waitMs of [1_000, settleMs, settleMs]) {
      nowMs += waitMs;
      for (const node of [a, b]) {
        await node.apply(clusterOf(setting));
        await sleep(30);
      }
      seen.push(await b.devices());
    }
  };
  for (const mode of ['ipip', 'vxlan', 'native', 'vxlan', 'ipip'] as const) await change({ mode });
  await change({ peer: '192.0.2.22' });
  await change({ mode: 'native' });
  await change({ mode: 'vxlan' });
  await change({ vni: 8 });
  await change({ peer: '192.0.2.2' });
  await sleep(300);

  for (const sender of senders) sender.kill('SIGINT');
  for (const [i, receiver] of receivers.entries()) {
    const { sent, failed } = JSON.parse(await told[i]!()) as { sent: number; failed: number };
    receiver.stdin?.write(`${sent}\n`);
    const summary = JSON.parse(await heard[i]!()) as StreamSummary;
    t.comment({ sent, failed, ...summary });
    t.equal(failed, 0, 'the sender saw no error');
    t.ok(sent > 4_000, `${sent} packets`);
    t.match(summary, { received: sent, duplicates: 0, reordered: 0, missing: [] }, 'none lost');
  }
  t.same(
    seen,
    [
      ['slip4', 'slip4', 'slip4'],
      ['slip4 slv4a', 'slip4 slv4a', 'slv4a'],
      ['slv4a', 'slv4a', ''],
      ['slv4a', 'slv4a', 'slv4a'],
      ['slip4 slv4a', 'slip4 slv4a', 'slip4'],
      ['slip4 slip4b', 'slip4 slip4b', 'slip4b'],
      ['slip4b', 'slip4b', ''],
      ['slv4a', 'slv4a', 'slv4a'],
      ['slv4a slv4b', 'slv4a slv4b', 'slv4b'],
      ['slv4b', 'slv4b', 'slv4b'],
    ].flat(),
    'devices come before they are used and go after',
  );
});

/** Collects what a program says; `said` waits for a complete line. */
function lines(child: ChildProcess): () => Promise<string> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (more: string) => (text += more));
  return async () => {
    while (!text.includes('\n')) {
      if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended early`);
      await Promise.race([once(child.stdout!, 'data'), once(child, 'close')]);
    }
    const [line = '', ...others] = text.split('\n');
    text = others.join('\n');
    return line;
  };
}
