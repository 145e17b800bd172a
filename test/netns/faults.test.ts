/**
 * Every fault of the lab, told by `route-explain --probe` in its first three lines; pairs of
 * faults; and nothing where nothing is wrong. All three modes are in use:
 *
 *     rack-1 … rack-5 ── native among themselves
 *          ├─────────── IPIP (userspace process) ─── far-1
 *          └─────────── VXLAN, link of 1446 ──────── az-1 az-2
 *
 * Cases whose nodes do not meet are tried at the same time.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { firstAddress } from '../../encap/prefix.js';
import { agentRequest } from '../../src/agent/client.js';
import { loadClusterFile } from '../../src/config/index.js';
import {
  clearFaults,
  faults,
  injectFault,
  labDown,
  labUp,
  openLab,
} from '../../src/lab/commands.js';
import { selvageProgram } from '../../src/lab/program.js';
import { inNamespace } from '../../src/lab/shell.js';
import { skipReason } from '../support/capabilities.js';
import { type FaultCase, combinedFaults, nodesOf, singleFaults } from './fault-cases.js';

const stateRoot = `/run/selvage-lab-test-${process.pid}`;
const name = `f${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'selvage-faults-'));
const file = join(folder, 'cluster.yaml');
const atATime = 3;
const patient = { timeout: 240_000 };

/** `far`: how the rule between the rack and the far row begins. */
function clusterText(far = 'between: [{ zone: rack }, { zone: far }]'): string {
  return `
version: 1
cluster: faults
overlay:
  pools: [10.64.0.0/16, 'fd64::/48']
  settleSeconds: 1
zones:
  - { name: rack, provider: onprem, subnets: [192.168.10.0/24], segment: row }
  - { name: far, provider: onprem, subnets: [192.168.20.0/24], segment: row2, firewall: { ipip: allowed } }
  - { name: az, provider: aws, region: r1, subnets: [172.31.16.0/20] }
links:
  - { between: [rack, az], mtu: 1446 }
  - { between: [rack, far], mtu: 1500 }
  - { between: [far, az], mtu: 1500 }
rules:
  - { name: near, same: subnet, family: 4, between: [{ zone: rack }, { zone: rack }], mode: native }
  - { name: far, family: 4, ${far}, mode: ipip, force: true }
  - { name: rest, mode: vxlan }
nodes:
  - { name: rack-1, address: 192.168.10.11/24, overlay: [10.64.1.0/24, 'fd64:0:0:1::/64'] }
  - { name: rack-2, address: 192.168.10.12/24, overlay: [10.64.2.0/24, 'fd64:0:0:2::/64'] }
  - { name: rack-3, address: 192.168.10.13/24, overlay: [10.64.3.0/24, 'fd64:0:0:3::/64'] }
  - { name: rack-4, address: 192.168.10.14/24, overlay: [10.64.7.0/24, 'fd64:0:0:7::/64'] }
  - { name: rack-5, address: 192.168.10.15/24, overlay: [10.64.8.0/24, 'fd64:0:0:8::/64'] }
  - { name: far-1, address: 192.168.20.11/24, overlay: [10.64.4.0/24, 'fd64:0:0:4::/64'] }
  - { name: az-1, address: 172.31.16.11/20, overlay: [10.64.5.0/24, 'fd64:0:0:5::/64'] }
  - { name: az-2, address: 172.31.16.12/20, overlay: [10.64.6.0/24, 'fd64:0:0:6::/64'] }
`;
}

async function load(): Promise<Cluster> {
  const result = await loadClusterFile(file);
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.cluster;
}

interface Told {
  readonly code: number | null;
  readonly text: string;
  readonly lines: readonly string[];
  readonly ms: number;
}

t.setTimeout(290_000);
t.test(
  'faults of a cluster, and what is said of them',
  { skip: skipReason('netns', 'nft', 'kernel-vxlan'), timeout: 300_000 },
  async (t) => {
    mkdirSync(stateRoot, { recursive: true, mode: 0o700 });
    writeFileSync(file, clusterText());
    t.teardown(async () => {
      await labDown(name, { stateRoot }).catch(() => undefined);
      rmSync(stateRoot, { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    });
    const cluster = await load();
    await labUp({ lab: name, cluster, configFile: file, stateRoot });
    // Agents that were killed come back as other processes.
    const lab = () => openLab(name, { cluster, stateRoot });

    /** The command of an operator on that node, whatever it is asked. */
    const explain = (destination: string, from: string): Promise<Told> => {
      const { plan, files } = lab();
      const { namespace } = plan.nodes.find((node) => node.name === from)!;
      const argv = inNamespace(namespace, [
        ...[...selvageProgram(), 'route-explain', destination, '--from', from, '--probe'],
        ...['--socket', files.get(from)!.agentSocket, '--config', file],
      ]);
      const startMs = performance.now();
      const child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      return new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code) => {
          const lines = text.split('\n');
          resolve({ code, text, lines, ms: Math.round(performance.now() - startMs) });
        });
      });
    };

    const inject = async (of: FaultCase): Promise<void> => {
      for (const { fault, at, reverse } of of.faults) {
        const [from, to] = reverse === true ? [of.to, of.from] : [of.from, of.to];
        await injectFault(lab(), { fault, from, to, at: at && of[at] });
      }
    };

    const judge = (t: Test, of: FaultCase, told: Told): void => {
      const { lines, text, ms } = told;
      const title = titleOf(of);
      const head = lines.slice(0, 3).join('\n');
      const codes = /^\S+ (\S+) ([a-z0-9, -]+?):\s/.exec(lines.slice(0, 3).join(' '));
      t.equal(codes?.[1], of.health, `${title}: ${head}`);
      t.same(codes?.[2]?.split(/,\s+/), of.codes, `${title}: ${head}`);
      t.equal(told.code, of.health === 'OK' ? 0 : 1, `${title}: exit status`);
      if (of.says !== undefined) t.match(unbroken(text), of.says, title);
      t.comment(`| ${title} | ${verdictOf(lines)} | ${ms} |`);
    };

    const tryAll = async (t: Test, cases: readonly FaultCase[]): Promise<void> => {
      for (let left = [...cases]; left.length > 0;) {
        const now = apart(left);
        left = left.filter((one) => !now.includes(one));
        for (const one of now) await inject(one);
        const told = await Promise.all(now.map(({ from, to }) => explain(to, from)));
        await clearFaults(lab());
        now.forEach((one, i) => judge(t, one, told[i]!));
      }
    };

    const healthy = async (t: Test): Promise<void> => {
      const pairs = [
        ['rack-1', 'az-1'],
        ['rack-2', 'far-1'],
        ['rack-3', 'rack-4'],
      ] as const;
      const questions = pairs
        .flatMap(([a, b]) => [[a, b] as const, [b, a] as const])
        .flatMap(([from, to]) =>
          cluster.nodes
            .get(to)!
            .overlay.map((prefix) => [firstAddress(prefix).text, from] as const),
        );
      const seen = new Set<string>();
      for (let i = 0; i < questions.length; i += atATime)
        await Promise.all(
          questions.slice(i, i + atATime).map(async ([to, from]) => {
            const { code, lines, text } = await explain(to, from);
            const [kind, health] = lines[0]!.split(' ');
            t.equal(health, 'OK', `${to} from ${from}: ${lines.slice(0, 3).join('\n')}`);
            t.equal(code, 0);
            t.notMatch(text, /What is wrong|What to do/);
            seen.add(kind!);
          }),
        );
      t.same([...seen].sort(), ['IPIP', 'NATIVE', 'VXLAN']);
    };

    await t.test('a healthy cluster has no finding', patient, healthy);

    await t.test('one fault', patient, (t) => tryAll(t, singleFaults));

    await t.test('every fault that a lab can have was among them', (t) => {
      const tried = new Set(singleFaults.flatMap((one) => one.faults.map(({ fault }) => fault)));
      t.same(
        faults.map((fault) => fault.name).filter((fault) => !tried.has(fault)),
        [],
      );
      t.end();
    });

    await t.test('two faults', patient, (t) => tryAll(t, combinedFaults));

    await t.test('a rule that holds for one direction only', async (t) => {
      const reload = (nodes: readonly string[]) =>
        Promise.all(
          nodes.map((node) =>
            agentRequest({
              socket: lab().files.get(node)!.agentSocket,
              method: 'POST',
              path: '/v1/reload',
            }),
          ),
        );
      writeFileSync(file, clusterText('from: { zone: rack }, to: { zone: far }'));
      await reload(['rack-2', 'far-1']);
      const pair = { from: 'rack-2', to: 'far-1', faults: [] } as const;
      const oneWay = { ...pair, codes: ['asymmetric-modes'], health: 'DEGRADED' } as const;
      judge(t, { ...oneWay, title: 'a rule for one direction' }, await explain('far-1', 'rack-2'));
    });
  },
);

/** As many of them as have no node in common. */
function apart(cases: readonly FaultCase[]): readonly FaultCase[] {
  const chosen: FaultCase[] = [];
  const taken = new Set<string>();
  for (const one of cases) {
    if (chosen.length === atATime) break;
    const nodes = nodesOf(one);
    if (nodes.some((node) => taken.has(node))) continue;
    chosen.push(one);
    for (const node of nodes) taken.add(node);
  }
  return chosen;
}

function titleOf({ title, faults: made, from, to }: FaultCase): string {
  const words = made.map(({ fault, at, reverse }) => {
    const where = at === undefined ? '' : at === 'from' ? ' (sender)' : ' (receiver)';
    return `${fault}${where}${reverse === true ? ' (way back)' : ''}`;
  });
  return `${title ?? words.join(' + ')}, ${from} → ${to}`;
}

/** The first line as it was before it was laid out for a narrow terminal. */
function verdictOf(lines: readonly string[]): string {
  const end = lines.findIndex((line) => line.startsWith('  decided:'));
  return unbroken(lines.slice(0, end < 0 ? 1 : end).join('\n')).replaceAll('|', '\\|');
}

function unbroken(text: string): string {
  return text.replaceAll(/\n\s+/g, ' ');
}
