/** Resident memory of a real agent process with 10,000 peers in its kernel. */
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { agentRequest } from '../../src/agent/client.js';
import { root } from '../support/root.js';
import { createNamespace, vethPair } from '../support/netns.js';
import { self, selfAddress, vxlanFleet } from './fleet.js';
import { figure, heading } from './report.js';

const peers = 10_000;

export async function benchMemory(): Promise<void> {
  heading(`Agent: a real process with ${peers.toLocaleString('en-US')} peers`);
  const cleanups: (() => unknown)[] = [];
  const scratch = mkdtempSync(join(tmpdir(), 'selvage-bench-'));
  try {
    const scope = { teardown: (handler: () => unknown) => void cleanups.push(handler) };
    const node = createNamespace(scope);
    vethPair(
      { namespace: node, device: 'eth0', addresses: [selfAddress] },
      { namespace: createNamespace(scope), device: 'eth0' },
    );
    const config = join(scratch, 'cluster.yaml');
    writeFileSync(config, clusterFile());
    const main = join(root, 'dist', 'src', 'cli', 'main.js');
    const start = performance.now();
    const agent = node.spawn(
      process.execPath,
      [
        ...[main, 'agent', '--config', config, '--node', self],
        ...['--runtime-dir', scratch, '--state-dir', scratch, '--log-level', 'silent'],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    await untilReady(join(scratch, 'agent.sock'), agent.pid!);
    figure({ name: 'cold start to converged', value: performance.now() - start, unit: 'ms' });
    const status = (await agentRequest({
      socket: join(scratch, 'agent.sock'),
      method: 'GET',
      path: '/v1/status',
    })) as { pid: number };
    await sleep(2_000);
    figure({
      name: 'resident memory',
      value: residentMb(status.pid),
      unit: 'MB',
      aim: 'under 150 MB',
    });
    process.kill(status.pid, 'SIGTERM');
  } finally {
    for (const cleanup of cleanups.reverse()) cleanup();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The fleet as a file, as an operator would have it. */
function clusterFile(): string {
  const cluster = vxlanFleet(peers + 1);
  const zones = [...cluster.zones.values()].map(
    (zone) => `  - { name: ${zone.name}, provider: ${zone.provider}, region: ${zone.region} }`,
  );
  const nodes = [...cluster.nodes.values()].map((node) => {
    const [entry] = node.underlay;
    return `  - { name: ${node.name}, zone: ${node.zone}, address: ${entry!.address.text}/${entry!.length}, overlay: ${node.overlay[0]!.text} }`;
  });
  return [
    'cluster: bench',
    'overlay: { pools: [10.0.0.0/8] }',
    'zones:',
    ...zones,
    'rules: [{ name: all, mode: vxlan }]',
    'nodes:',
    ...nodes,
    '',
  ].join('\n');
}

async function untilReady(socket: string, pid: number): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(20)) {
    const ready = await agentRequest({ socket, method: 'GET', path: '/readyz' }).then(
      () => true,
      () => false,
    );
    if (ready) return;
  }
  throw new Error(`the agent (pid ${pid}) was not ready within a minute`);
}

function residentMb(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) / 1024;
}
