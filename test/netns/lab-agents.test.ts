/**
 * The lab with the real agents: all three modes between four nodes, a rule changed on the live
 * cluster, an agent killed under its routes.
 *
 *     rack-1 ─┬─ row ─┬─ rack-2      link of 1446      aws-a (zone a)  aws-b (zone b)
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { agentRequest } from '../../src/agent/client.js';
import { loadClusterFile } from '../../src/config/index.js';
import { type Lab, labDown, labRun, labUp, matrixText, openLab } from '../../src/lab/commands.js';
import { command } from '../../src/lab/shell.js';
import { hasCapability, skipReason } from '../support/capabilities.js';

const stateRoot = `/run/selvage-lab-test-${process.pid}`;
const name = `a${process.pid}`;
const file = `${stateRoot}/cluster.yaml`;

function clusterText(rackMode: string): string {
  return `
version: 1
overlay:
  pools: [10.64.0.0/12, fd64::/48]
zones:
  - { name: rack, provider: onprem, subnets: [192.168.10.0/24] }
  - { name: a, provider: aws, region: r, subnets: [172.31.16.0/20], sourceDestinationCheck: disabled }
  - { name: b, provider: aws, region: r, subnets: [172.31.32.0/20], sourceDestinationCheck: disabled }
links:
  - { between: [rack, { provider: aws }], mtu: 1446 }
rules:
  - { name: zones, between: [{ zone: a }, { zone: b }], mode: ipip, family: 4 }
  - { name: rack, between: [{ zone: rack }, { zone: rack }], mode: ${rackMode}, family: 4 }
nodes:
  - { name: rack-1, address: 192.168.10.11/24, overlay: [10.64.1.0/24, 'fd64:0:0:1::/64'] }
  - { name: rack-2, address: 192.168.10.12/24, overlay: [10.64.2.0/24, 'fd64:0:0:2::/64'] }
  - { name: aws-a, address: 172.31.16.11, overlay: [10.64.3.0/24] }
  - { name: aws-b, address: 172.31.32.11, overlay: [10.64.4.0/24] }
`;
}

async function load(): Promise<Cluster> {
  const result = await loadClusterFile(file);
  if (!result.ok) throw new Error(result.problems.map((problem) => problem.message).join('\n'));
  return result.cluster;
}

function routeIn(lab: Lab, node: string, prefix: string): Promise<string> {
  const namespace = lab.plan.nodes.find((entry) => entry.name === node)!.namespace;
  return command(['ip', 'route', 'show', prefix], { namespace });
}

t.test(
  'real agents',
  { skip: skipReason('netns', 'nft', 'tcpdump', 'kernel-vxlan'), timeout: 120_000 },
  async (t) => {
    mkdirSync(stateRoot, { recursive: true, mode: 0o700 });
    writeFileSync(file, clusterText('native'));
    t.teardown(async () => {
      await labDown(name, { stateRoot }).catch(() => undefined);
      rmSync(stateRoot, { recursive: true, force: true });
    });
    const lab = await labUp({ lab: name, cluster: await load(), configFile: file, stateRoot });
    const socketOf = (node: string): string => lab.files.get(node)!.agentSocket;

    await t.test('all three modes, as decided', async (t) => {
      const matrix = await labRun(lab);
      t.ok(matrix.ok, matrixText(matrix, { colour: false, layout: 'lines' }));
      t.strictSame(matrix.totals.decided, { native: 2, vxlan: 10, ipip: 2 });
      t.equal(matrix.totals.lost, 0);
      const ipip = matrix.pairs.find((pair) => pair.from === 'aws-a' && pair.to === 'aws-b');
      t.match(ipip, { seen: 'ipip', mtu: 8981, fullSize: 'passed', oversize: 'refused' });
      t.equal(ipip?.plane, hasCapability('kernel-ipip') ? 'kernel' : 'userspace');
    });

    await t.test('a changed rule moves the pair, in the kernel and on the wire', async (t) => {
      writeFileSync(file, clusterText('vxlan'));
      for (const node of lab.plan.nodes)
        await agentRequest({ socket: socketOf(node.name), method: 'POST', path: '/v1/reload' });
      const changed = openLab(name, { cluster: await load(), stateRoot });
      const matrix = await labRun(changed, {
        only: ({ from, to }) => from.zone === 'rack' && to.zone === 'rack',
      });
      t.ok(matrix.ok, matrixText(matrix, { colour: false, layout: 'lines' }));
      t.strictSame(
        matrix.pairs.map((pair) => `${pair.family} ${pair.seen} ${pair.mtu}`),
        ['4 vxlan 1450', '6 vxlan 1450', '4 vxlan 1450', '6 vxlan 1450'],
      );
      t.equal(matrix.pairs[0]!.transfer?.problem, undefined);
    });

    await t.test('a deleted route is back within a second', async (t) => {
      const namespace = lab.plan.nodes[0]!.namespace;
      const before = await routeIn(lab, 'rack-1', '10.64.2.0/24');
      t.match(before, /dev slv4/);
      await command(['ip', 'route', 'delete', '10.64.2.0/24'], { namespace });
      const deadline = Date.now() + 1000;
      while ((await routeIn(lab, 'rack-1', '10.64.2.0/24')) === '' && Date.now() < deadline)
        await sleep(20);
      t.equal(await routeIn(lab, 'rack-1', '10.64.2.0/24'), before);
    });

    await t.test('a killed agent leaves its routes, and down removes the lab', async (t) => {
      const [agent] = lab.manifest.processes;
      process.kill(agent!.pid, 'SIGKILL');
      await t.rejects(labRun(lab), { message: /no agent answers/ });
      t.match(await routeIn(lab, 'rack-1', '10.64.2.0/24'), /dev slv4/);
      const matrix = await labRun(openLab(name, { cluster: await load(), stateRoot }), {
        agents: 'none',
        only: ({ from, to }) => from.zone === 'rack' && to.zone === 'rack',
      });
      t.ok(matrix.ok, matrixText(matrix, { colour: false, layout: 'lines' }));
      const result = await labDown(name, { stateRoot });
      t.equal(result.namespaces, 11, 'three zones, four nodes and their workloads');
    });
  },
);
