/**
 * What preflight says of a node, against what really becomes of packets there: where it says `fail`
 * with an id, packets of the pair are lost; where it only warns, none are; and a healthy lab has no
 * `fail` at all.
 *
 *     a1 a2   b1 b2   c1 c2      one segment; a1 to a2 natively, all else by VXLAN
 *      └──┴─────┴──┴────┴──┘
 *
 * Three faults at a time, one in each pair; a fault is made at the second node of its pair.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { agentRequest } from '../../src/agent/client.js';
import { loadClusterFile } from '../../src/config/index.js';
import { clearFaults, injectFault, labDown, labUp, openLab } from '../../src/lab/commands.js';
import { selvageProgram } from '../../src/lab/program.js';
import { command, inNamespace, tryCommand } from '../../src/lab/shell.js';
import type { PreflightReport } from '../../src/preflight/run.js';
import { skipReason } from '../support/capabilities.js';

const stateRoot = `/run/selvage-lab-test-${process.pid}`;
const name = `p${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'selvage-preflight-'));
const file = join(folder, 'cluster.yaml');

const pairs = ['a', 'b', 'c'] as const;
type Pair = (typeof pairs)[number];

const clusterText = `
version: 1
cluster: preflight
overlay: { pools: [10.64.0.0/16], settleSeconds: 1 }
zones:
  - { name: rack, provider: onprem, subnets: [192.168.10.0/24], segment: row }
rules:
  - { name: one-way, from: { node: a1 }, to: { node: a2 }, mode: native }
  - { name: rest, mode: vxlan }
nodes:
${pairs
  .flatMap((pair, i) => [1, 2].map((end) => ({ pair, end, host: 11 + 2 * i + end })))
  .map(
    ({ pair, end, host }) =>
      `  - { name: ${pair}${end}, address: 192.168.10.${host}/24, overlay: 10.64.${host}.0/24 }`,
  )
  .join('\n')}
`;

interface Case {
  readonly title: string;
  readonly pair: Pair;
  /** One of the lab's own. */
  readonly fault?: string;
  /** Or shell lines in the node's namespace, with its agent frozen. */
  readonly script?: string;
  readonly undo?: string;
  /** The agent may work while it stands. */
  readonly thawed?: true;
  /** A process in the node's namespace, as long as the fault stands. */
  readonly program?: readonly string[];
  /** Who is asked, where it is not the node itself. */
  readonly ask?: 'peer';
  readonly id: string;
  readonly status: 'fail' | 'warn';
  readonly says?: RegExp;
}

/** Binds a UDP port, says so, and waits. */
const holdPort = (port: number): readonly string[] => [
  ...['/usr/bin/python3', '-c'],
  `import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", ${port}))
print("bound", flush=True)
sys.stdin.read()`,
];

const vxlan = (device: string, vni: number): string =>
  `ip link add ${device} type vxlan id ${vni} dstport 4789 local 192.168.10.$HOST dev eth0 nolearning; ip link set ${device} up`;

const cases: readonly Case[] = [
  // Lost.
  {
    ...{ title: 'strict filter on the NIC of a pair that goes two ways', pair: 'a' },
    script: 'sysctl -qw net.ipv4.conf.eth0.rp_filter=1',
    ...{ id: 'reverse-path', status: 'fail', says: /strict on eth0 .*packets of a1/ },
  },
  {
    title: 'forwarding off',
    pair: 'b',
    fault: 'forwarding-off',
    id: 'forwarding-ipv4',
    status: 'fail',
  },
  {
    ...{ title: 'drop policy on forward', pair: 'c', fault: 'foreign-forward-drop' },
    ...{
      id: 'foreign-filter',
      status: 'fail',
      says: /somebody_elses, chain forward: "policy drop"/,
    },
  },
  {
    ...{ title: 'drop rule on input', pair: 'b', fault: 'foreign-firewall' },
    ...{ id: 'foreign-filter', status: 'fail', says: /drops VXLAN \(UDP 4789\)/ },
  },
  {
    ...{ title: "somebody's device has our VNI and port", pair: 'a' },
    script: `ip link delete slv4a; ${vxlan('flannel.1', 4096)}`,
    undo: 'ip link delete flannel.1',
    ...{
      id: 'vxlan-device',
      status: 'fail',
      says: /flannel\.1 \(flannel\) has VNI 4096 on port 4789/,
    },
  },
  {
    ...{ title: "a process has the tunnels' port", pair: 'c', thawed: true },
    ...{ script: 'ip link delete slv4a', program: holdPort(4789) },
    ...{ id: 'vxlan-port', status: 'fail', says: /process python3/ },
  },
  {
    title: 'NIC too small',
    pair: 'a',
    fault: 'nic-mtu',
    id: 'nic-mtu',
    status: 'fail',
    says: /1300.*1500/,
  },
  {
    title: 'route of others',
    pair: 'b',
    fault: 'foreign-route',
    id: 'foreign-routes',
    status: 'fail',
  },
  {
    title: 'policy rule of others',
    pair: 'c',
    fault: 'foreign-rule',
    id: 'policy-rules',
    status: 'fail',
  },
  {
    ...{ title: 'no way to the peer', pair: 'a', fault: 'underlay-route-missing' },
    ...{ id: 'underlay-routes', status: 'fail', says: /unreachable/ },
  },
  {
    title: 'guard without the peer',
    pair: 'b',
    fault: 'guard-misses-node',
    id: 'guard-state',
    status: 'fail',
  },
  {
    title: 'stale entry',
    pair: 'c',
    fault: 'stale-fdb',
    id: 'objects',
    status: 'fail',
    says: /fdb/,
  },
  {
    ...{ title: 'underlay address gone', pair: 'a' },
    script: 'ip address delete 192.168.10.$HOST/24 dev eth0',
    undo: 'ip address add 192.168.10.$HOST/24 dev eth0',
    ...{ id: 'underlay-address', status: 'fail', says: /no device of this machine has/ },
  },
  { title: 'device down', pair: 'a', fault: 'device-down', id: 'objects', status: 'fail' },
  {
    ...{ title: "another host has the peer's address", pair: 'b', fault: 'duplicate-address' },
    ...{ ask: 'peer', id: 'duplicate-address', status: 'fail', says: /answers for 192\.168/ },
  },
  {
    ...{ title: 'another VNI', pair: 'c', fault: 'wrong-vni', id: 'objects', status: 'fail' },
    says: /is missing/,
  },
  // Not lost.
  {
    ...{ title: 'strict filter where all pairs are symmetric', pair: 'b' },
    script: 'sysctl -qw net.ipv4.conf.eth0.rp_filter=1',
    undo: 'sysctl -qw net.ipv4.conf.eth0.rp_filter=2',
    ...{ id: 'reverse-path', status: 'warn' },
  },
  {
    ...{ title: "another VNI on the tunnels' port", pair: 'c', thawed: true },
    ...{ script: vxlan('flannel.9', 99), undo: 'ip link delete flannel.9' },
    ...{ id: 'vxlan-device', status: 'warn' },
  },
  {
    ...{ title: "a process has the probes' port", pair: 'a', program: holdPort(8473) },
    ...{ id: 'probe-port', status: 'warn' },
  },
  {
    ...{ title: 'masquerade of others', pair: 'b', fault: 'foreign-masquerade' },
    ...{ id: 'foreign-filter', status: 'warn', says: /rewrites/ },
  },
  { title: 'no guard', pair: 'c', fault: 'guard-missing', id: 'guard-state', status: 'warn' },
];

t.setTimeout(200_000);
t.test(
  'preflight is right about what is lost',
  { skip: skipReason('netns', 'nft', 'kernel-vxlan'), timeout: 180_000 },
  async (t) => {
    mkdirSync(stateRoot, { recursive: true, mode: 0o700 });
    writeFileSync(file, clusterText);
    t.teardown(async () => {
      await labDown(name, { stateRoot }).catch(() => undefined);
      rmSync(stateRoot, { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    });
    const loaded = await loadClusterFile(file);
    if (!loaded.ok) throw new Error(loaded.problems.map(({ message }) => message).join('\n'));
    const { cluster } = loaded;
    await labUp({ lab: name, cluster, configFile: file, stateRoot });
    const lab = openLab(name, { cluster, stateRoot });
    const nodeOf = (node: string) => lab.plan.nodes.find((entry) => entry.name === node)!;

    const preflight = async (node: string): Promise<PreflightReport> => {
      const files = lab.files.get(node)!;
      const { status, stdout, stderr } = await tryCommand(
        [
          ...[...selvageProgram(), 'preflight', '--config', file, '--node', node, '-o', 'json'],
          ...['--runtime-dir', files.runtimeDir, '--state-dir', files.stateDir, '--no-cloud'],
        ],
        { namespace: nodeOf(node).namespace },
      );
      if (stdout === '') throw new Error(stderr);
      const report = JSON.parse(stdout) as PreflightReport;
      t.equal(status, report.worst === 'fail' ? 1 : 0, `${node}: exit status of ${report.worst}`);
      return report;
    };

    /** Small and full-size echoes between the two workloads; how many were lost. */
    const lost = async (from: string, to: string): Promise<number> => {
      const target = nodeOf(to).workload.find((entry) => entry.family === 4)!.address.text;
      const one = async (bytes: number): Promise<number> => {
        const size = ['-M', 'do', '-s', String(bytes - 28)];
        const { stdout } = await tryCommand(
          ['ping', '-q', '-c', '3', '-i', '0.2', '-W', '1', ...size, target],
          { namespace: nodeOf(from).workloadNamespace },
        );
        return 3 - Number(/(\d+) received/.exec(stdout)?.[1] ?? 0);
      };
      const each = await Promise.all([one(84), one(1450)]);
      return each[0] + each[1];
    };

    const ask = (node: string, path: string): Promise<unknown> =>
      agentRequest({ socket: lab.files.get(node)!.agentSocket, method: 'POST', path });
    const shell = async (node: string, script: string): Promise<void> => {
      const host = nodeOf(node).addresses[0]!.address.text.replace(/.*\./, '');
      await command(['sh', '-ec', script.replaceAll('$HOST', host)], {
        namespace: nodeOf(node).namespace,
      });
    };

    const make = async (one: Case): Promise<ChildProcess | undefined> => {
      const [peer, at] = [`${one.pair}1`, `${one.pair}2`];
      if (one.fault !== undefined) await injectFault(lab, { fault: one.fault, from: at, to: peer });
      if (one.script !== undefined) {
        await ask(at, '/v1/freeze');
        await shell(at, one.script);
      }
      const thaw = async (): Promise<void> => {
        if (one.thawed === true) await ask(at, '/v1/thaw');
      };
      if (one.program === undefined) {
        await thaw();
        return undefined;
      }
      const argv = inNamespace(nodeOf(at).namespace, one.program);
      const child = spawn(argv[0]!, argv.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
      await once(child.stdout, 'data');
      await thaw();
      return child;
    };

    const undo = async (one: Case, child: ChildProcess | undefined): Promise<void> => {
      const at = `${one.pair}2`;
      if (child !== undefined) {
        child.stdin!.end();
        await once(child, 'exit');
      }
      if (one.undo !== undefined) await shell(at, one.undo);
      if (one.script !== undefined && one.thawed === undefined) await ask(at, '/v1/thaw');
      await ask(at, '/v1/reload');
    };

    const judge = async (t: Test, one: Case): Promise<void> => {
      const [peer, at] = [`${one.pair}1`, `${one.pair}2`];
      const [report, there, back] = await Promise.all([
        preflight(one.ask === 'peer' ? peer : at),
        lost(peer, at),
        lost(at, peer),
      ]);
      const gone = there + back;
      // What the agents' own probes have found of a pair that is really broken at the same time is true.
      const failing = report.checks
        .filter(({ status }) => status === 'fail')
        .filter(({ id, found }) => id !== 'probes' || found.includes(peer) || found.includes(at));
      const told = report.checks.filter(({ id, status }) => id === one.id && status === one.status);
      const all = failing.map(({ id, found }) => `${id}: ${found}`).join('; ');
      t.ok(told.length > 0, `${one.title}: ${one.status} ${one.id} is told (${all})`);
      if (one.says !== undefined)
        t.ok(
          told.some(({ found }) => one.says!.test(found)),
          `${one.title}: ${told[0]?.found}`,
        );
      t.ok(
        told.every(({ fix }) => fix !== null),
        `${one.title}: with what to do`,
      );
      if (one.status === 'fail') t.ok(gone > 0, `${one.title}: packets are really lost`);
      else {
        t.equal(gone, 0, `${one.title}: nothing is lost`);
        t.same(failing, [], `${one.title}: and nothing is said to be`);
      }
    };

    const whole = async (t: Test): Promise<void> => {
      const reports = await Promise.all(['a2', 'b2', 'c1'].map(preflight));
      for (const report of reports)
        t.same(
          report.checks.filter(({ status }) => status === 'fail'),
          [],
          `${report.node}: nothing fails`,
        );
      const gone = await Promise.all(pairs.map((pair) => lost(`${pair}1`, `${pair}2`)));
      t.same(gone, [0, 0, 0], 'and nothing is lost');
    };

    /** Agents have put everything right once the pair's packets arrive again, and probes found so. */
    const healed = async (pair: Pair): Promise<void> => {
      const ends = [`${pair}1`, `${pair}2`] as const;
      const deadline = Date.now() + 40_000;
      const isWell = async (): Promise<boolean> => {
        if ((await lost(...ends)) > 0) return false;
        const reports = await Promise.all(ends.map(preflight));
        return reports.every(({ checks }) =>
          checks.every(
            ({ id, status, found }) =>
              id !== 'probes' || status !== 'fail' || !ends.some((end) => found.includes(end)),
          ),
        );
      };
      while (!(await isWell()))
        if (Date.now() > deadline) throw new Error(`the pair ${pair} does not come back`);
    };

    await t.test('a healthy lab', whole);
    const waiting = new Map(pairs.map((pair) => [pair, cases.filter((one) => one.pair === pair)]));
    while ([...waiting.values()].some((left) => left.length > 0)) {
      const now = [...waiting.values()].flatMap((left) => left.splice(0, 1));
      await t.test(now.map(({ title }) => title).join('; '), async (t) => {
        const standing: (ChildProcess | undefined)[] = [];
        for (const one of now) standing.push(await make(one));
        await Promise.all(now.map((one) => judge(t, one)));
        await clearFaults(lab);
        await Promise.all(now.map((one, i) => undo(one, standing[i])));
        await Promise.all(now.map(({ pair }) => healed(pair)));
      });
    }
    await t.test('the lab is healthy again', whole);
  },
);
