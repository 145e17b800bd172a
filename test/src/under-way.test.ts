/** A change of configuration that is under way, as status, plan and route-explain tell it. */
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import { applyChanges } from '../../routes/apply.js';
import { diff } from '../../routes/diff.js';
import { explain } from '../../routes/explain.js';
import { readSysctls } from '../../routes/reconciler.js';
import { changeoverReport, withChangeover } from '../../src/agent/changeover-report.js';
import type { NodePlan } from '../../src/agent/planner.js';
import { Planner } from '../../src/agent/planner.js';
import { peerStatuses } from '../../src/agent/status.js';
import { changeoverLines } from '../../src/cli/render/changeover.js';
import { terminalFor } from '../../src/cli/terminal.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { ClusterSketch, NodeSketch } from '../support/cluster-builder.js';
import { sketchCluster } from '../support/cluster-builder.js';

const terminal = terminalFor({ isTty: false, columns: undefined, env: {}, noColor: true });

const pair = (change: Partial<ClusterSketch> = {}, b: Partial<NodeSketch> = {}): Cluster =>
  sketchCluster({
    nodes: [
      { name: 'a', at: '192.0.2.1/24', overlay: '10.64.1.0/24' },
      { name: 'b', at: '192.0.2.2/24', overlay: '10.64.2.0/24', ...b },
    ],
    rules: [{ mode: 'vxlan' }],
    zones: { default: { switches: { firewall: { ipip: 'allowed' } } } },
    ...change,
  });

class Bench {
  nowMs = 1_000_000;
  readonly kernel = createFakeKernel({
    nics: [{ name: 'eth0', mtu: 1500, addresses: pair().nodes.get('a')!.underlay }],
    sysctls: { 'net/ipv4/ip_forward': '0' },
  });
  readonly planner = new Planner(this.kernel, 'a', { nowMs: () => this.nowMs });

  async apply(cluster: Cluster, laterMs = 0): Promise<NodePlan> {
    this.nowMs += laterMs;
    const state = await this.kernel.dump();
    const plan = await this.planner.plan(cluster, state);
    const sysctls = readSysctls(this.kernel, plan.objects.values());
    const { changes } = diff(plan.objects, { kernel: state, sysctls });
    await applyChanges(this.kernel, changes, plan.desired.peers);
    this.planner.applied(plan, { unmade: [] });
    return plan;
  }

  lines(): readonly string[] {
    const report = changeoverReport(this.planner.underWay());
    return report === undefined ? [] : changeoverLines(report, terminal);
  }
}

t.test('prefixes that keep their way: until when, and what for', async (t) => {
  const bench = new Bench();
  t.same(bench.lines(), []);
  await bench.apply(pair());
  t.same(bench.lines(), [], 'a first configuration changes nothing');
  const plan = await bench.apply(pair({ rules: [{ mode: 'ipip' }] }), 60_000);
  bench.nowMs += 4_000;
  t.same(bench.lines(), [
    '~ a change is under way for another 6 s: what is new is received, and sent when',
    '  every node is ready',
    '  10.64.2.0/24 of b keeps vxlan 1450, and waits for ipip over IPv4',
  ]);
  t.match(changeoverReport(bench.planner.underWay(), new Date(1_000)), {
    step: 'waiting',
    nextStepAt: '1970-01-01T00:00:07.000Z',
    remainingMs: 6_000,
  });
  t.match(peerStatuses(plan, undefined), [
    { prefix: '10.64.2.0/24', mode: 'ipip', state: 'ok', keeps: 'vxlan 1450' },
  ]);
  const { snapshot } = plan;
  const [from, back] = ['a', 'b'].map((name) => snapshot.cluster.nodes.get(name)!);
  const question = { underWay: bench.planner.underWay(), node: 'a' };
  const there = explain({ snapshot, from: from!, destination: parseAddress('10.64.2.9') });
  t.equal(
    withChangeover(there, question).basis.note,
    'a change is under way for another 6 s: packets to 10.64.2.0/24 still go vxlan 1450, as b may not receive ipip over IPv4 yet',
  );
  const otherNode = explain({ snapshot, from: back!, destination: parseAddress('10.64.1.9') });
  t.equal(withChangeover(otherNode, question).basis.note, null, "b's own ways are not known here");

  const sent = await bench.apply(pair({ rules: [{ mode: 'ipip' }] }), 6_000);
  t.match(bench.lines()[0], /under way for another 10 s: what is new is sent, and the old still/);
  t.equal(peerStatuses(sent, undefined)[0]!.keeps, undefined);
  await bench.apply(pair({ rules: [{ mode: 'ipip' }] }), 10_000);
  t.same(bench.lines(), []);
});

t.test('a segment and addresses that are sent by later', async (t) => {
  const bench = new Bench();
  await bench.apply(pair({ vni: 7 }));
  await bench.apply(pair({ vni: 8, port: 8472 }, { at: '192.0.2.9/24' }), 60_000);
  t.same(bench.lines().slice(2), [
    '  VXLAN is sent with VNI 7, port 4789; VNI 8, port 8472 is received beside it',
    '  b is sent to at 192.0.2.2, and at 192.0.2.9 later',
  ]);
});
