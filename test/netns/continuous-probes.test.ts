/**
 * Continuous probes between real agents: a way that loses everything gives place to the next best, one
 * way only where only one way is lost; a path that became smaller limits its route; all of it is given
 * back when the underlay heals; and whoever only observes says so and changes nothing.
 *
 *     one (zone here, hetzner) ── zones' routers ── two (zone there, hetzner)
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { agentRequest } from '../../src/agent/client.js';
import type { StatusReport } from '../../src/agent/status.js';
import type { ExplainReport } from '../../routes/explain-report.js';
import { loadClusterFile } from '../../src/config/index.js';
import { type Lab, clearFaults, injectFault, labDown, labUp } from '../../src/lab/commands.js';
import { command } from '../../src/lab/shell.js';
import { healthOf } from '../../src/verify/health.js';
import { eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';

const stateRoot = `/run/selvage-lab-test-${process.pid}`;
const name = `cp${process.pid}`;
const file = `${stateRoot}/cluster.yaml`;
const subtest = { timeout: 70_000 };

const text = (mode: string): string => `
overlay: { pools: [10.64.0.0/16], settleSeconds: 1 }
probes: { mode: ${mode}, packetsPerSecond: 1000 }
zones:
  - { name: here, provider: hetzner, subnets: [10.1.0.0/24] }
  - { name: there, provider: hetzner, subnets: [10.2.0.0/24] }
nodes:
  - { name: one, address: 10.1.0.11/32, overlay: [10.64.1.0/24] }
  - { name: two, address: 10.2.0.11/32, overlay: [10.64.2.0/24] }
`;

async function build(): Promise<Lab> {
  const result = await loadClusterFile(file);
  if (!result.ok) throw new Error(result.problems.map((problem) => problem.message).join('\n'));
  return labUp({ lab: name, cluster: result.cluster, configFile: file, stateRoot });
}

t.setTimeout(290_000);
t.test(
  'continuous probes',
  { skip: skipReason('netns', 'nft', 'kernel-vxlan'), timeout: 280_000 },
  async (t) => {
    mkdirSync(stateRoot, { recursive: true, mode: 0o700 });
    writeFileSync(file, text('observe'));
    t.teardown(async () => {
      await labDown(name, { stateRoot });
      rmSync(stateRoot, { recursive: true, force: true });
    });
    const lab = await build();
    const ask = (node: string, method: 'GET' | 'POST', path: string): Promise<unknown> =>
      agentRequest({ socket: lab.files.get(node)!.agentSocket, method, path });
    const findings = async (node: string) =>
      ((await ask(node, 'GET', '/v1/status')) as StatusReport).probes!.findings;
    const way = async (node: string): Promise<string> => {
      const { namespace } = lab.plan.nodes.find((entry) => entry.name === node)!;
      const prefix = node === 'one' ? '10.64.2.0/24' : '10.64.1.0/24';
      const route = await command(['ip', 'route', 'show', prefix], { namespace });
      return route.replace(/.* dev (\w+) .* mtu (\d+).*/s, '$1 $2');
    };
    const ways = async (): Promise<string> => `${await way('one')}, ${await way('two')}`;
    const soon = async (condition: () => Promise<boolean>): Promise<number> => {
      let seen = '';
      return eventually(
        async () => {
          if (await condition()) return true;
          const found = await Promise.all(['one', 'two'].map(findings));
          seen = `${await ways()}; findings ${JSON.stringify(found)}`;
          return false;
        },
        () => `not within a minute: ${seen}`,
        60_000,
      );
    };

    await t.test('the peers are probed and nothing is found', subtest, async (t) => {
      await soon(
        async () =>
          ((await ask('one', 'GET', '/v1/status')) as StatusReport).probes!.probed.length === 1,
      );
      t.same(await findings('one'), []);
      t.equal(await ways(), 'slip4 1430, slip4 1430');
    });

    await t.test('observing: what is lost is told, with what would follow', subtest, async (t) => {
      await injectFault(lab, { fault: 'ipip-lost', from: 'one', to: 'two' });
      await soon(async () => (await findings('one')).length > 0);
      const [finding] = await findings('one');
      t.match(finding, { node: 'two', way: 'ipip', acted: false });
      t.equal(finding!.instead, 'vxlan over IPv4, MTU 1400');
      t.same(await findings('two'), [], 'what two sends arrives');
      t.equal(await ways(), 'slip4 1430, slip4 1430', 'nothing is changed');
    });

    await t.test(
      'driving: the direction that is lost takes the next best way',
      subtest,
      async (t) => {
        writeFileSync(file, text('drive'));
        await Promise.all([ask('one', 'POST', '/v1/reload'), ask('two', 'POST', '/v1/reload')]);
        const tookMs = await soon(async () => (await ways()) === 'slv4a 1400, slip4 1430');
        // At the latest the pass once a minute would act on what was found while observing.
        t.ok(tookMs < 30_000, 'what is known is acted on at once');
        const { workloadNamespace } = lab.plan.nodes[0]!;
        const { workload } = lab.plan.nodes[1]!;
        const argv = ['ping', '-c', '3', '-i', '0.2', '-W', '1', workload[0]!.address.text];
        t.match(await command(argv, { namespace: workloadNamespace }), '3 received');
        t.match(await findings('one'), [{ way: 'ipip', acted: true }]);
        for (const [from, to, direction] of [
          ['one', 'two', 'there'],
          ['two', 'one', 'back'],
        ] as const) {
          const path = `/v1/explain?destination=${to}&probe=5`;
          const { findings, verdict } = (await ask(from, 'GET', path)) as ExplainReport;
          t.match(verdict, { health: 'DEGRADED', code: 'probe-avoids' }, `${from} to ${to}`);
          t.match(findings[0], { direction, text: /from one to two is lost and avoided/ });
          t.match(findings.at(-1), { code: 'asymmetric-modes', severity: 'contributing' });
        }
        const reports = await Promise.all(
          ['one', 'two'].map((node) => ask(node, 'GET', '/v1/status')),
        );
        const health = healthOf(lab.plan.cluster, reports as readonly StatusReport[]);
        t.match(health({ from: 'here', to: 'there', family: 4 }), {
          state: 'degraded',
          text: 'avoided: ipip to two',
        });
        t.match(health({ from: 'there', to: 'here', family: 4 }), { state: 'ok' });
        t.equal(health({ from: 'here', to: 'here', family: 4 }), undefined, 'nobody probed it');
      },
    );

    await t.test('a way that heals is taken again', subtest, async (t) => {
      await clearFaults(lab);
      await soon(async () => (await ways()) === 'slip4 1430, slip4 1430');
      t.same(await findings('one'), []);
    });

    await t.test(
      'a path that became smaller limits the route of that direction',
      subtest,
      async (t) => {
        await injectFault(lab, { fault: 'mtu-black-hole', from: 'one', to: 'two' });
        await soon(async () => (await ways()) === 'slip4 1280, slip4 1430');
        t.match(await findings('one'), [{ way: 'path MTU over IPv4', acted: true }]);
        await clearFaults(lab);
        await soon(async () => (await ways()) === 'slip4 1430, slip4 1430');
        t.pass('and is given back');
      },
    );
  },
);
