/**
 * One node's event through the agent: a node joins, leaves, and its record changes, from the store's
 * word until the kernel has it. On a real kernel with nftables as the guard, and, to see that the cost
 * is the node's and not the fleet's, on kernels in memory with fleets of different sizes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { withNode, withoutNode } from '../../encap/node-table.js';
import type { PassReport } from '../../routes/reconciler.js';
import { NodeLoop } from '../../src/agent/node-loop.js';
import { NodeRuntime } from '../../src/agent/node-runtime.js';
import { Planner } from '../../src/agent/planner.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { Guard } from '../../tunnel/guard/guard.js';
import { MemoryGuard } from '../../tunnel/guard/memory.js';
import { NftablesGuard } from '../../tunnel/guard/nftables.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import { sketchNode } from '../support/cluster-builder.js';
import { createNamespace, vethPair } from '../support/netns.js';
import { self, selfAddress, vxlanFleet } from './fleet.js';
import { figure, heading, quantile } from './report.js';

const peers = 10_000;

export async function benchEvent(): Promise<void> {
  heading("One node's event through the agent");
  for (const size of [100, 1_000, 10_000]) {
    const cluster = vxlanFleet(size + 1);
    const kernel = createFakeKernel({
      nics: [{ name: 'eth0', addresses: cluster.nodes.get(self)!.underlay }],
      sysctls: { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' },
    });
    const times = await eventTimes(cluster, { kernel, guard: new MemoryGuard() });
    const fleet = `${size.toLocaleString('en-US')} peers, kernel in memory`;
    figure({ name: `a node joins: p50 among ${fleet}`, value: quantile(times, 0.5), unit: 'ms' });
  }
  const cleanups: (() => unknown)[] = [];
  try {
    const scope = { teardown: (handler: () => unknown) => void cleanups.push(handler) };
    const node = createNamespace(scope);
    vethPair(
      { namespace: node, device: 'eth0', addresses: [selfAddress] },
      { namespace: createNamespace(scope), device: 'eth0' },
    );
    const kernel = openKernel({ netns: node.name });
    const guard = new NftablesGuard({ netns: node.name });
    const times = await eventTimes(vxlanFleet(peers + 1), { kernel, guard });
    kernel.close();
    const fleet = `${peers.toLocaleString('en-US')} peers, real kernel and guard`;
    figure({
      name: `a node joins: p50 among ${fleet}`,
      value: quantile(times, 0.5),
      unit: 'ms',
      aim: 'under 10 ms',
    });
    figure({
      name: `a node joins: p99 among ${fleet}`,
      value: quantile(times, 0.99),
      unit: 'ms',
      aim: 'under 100 ms',
    });
  } finally {
    for (const cleanup of cleanups.reverse()) cleanup();
  }
}

/** Milliseconds until what joined was in the kernel. */
export async function eventTimes(
  fleet: Cluster,
  {
    kernel,
    guard,
    rounds = 300,
  }: {
    readonly kernel: Kernel;
    readonly guard: Guard;
    readonly rounds?: number;
  },
): Promise<readonly number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-bench-'));
  const runtime = new NodeRuntime({
    kernel,
    guard,
    planeFor: () => ({
      ensure: () => Promise.reject(new Error('no plane is needed here')),
      status: () => Promise.resolve(undefined),
      stop: () => Promise.resolve(),
    }),
    paths: { runtimeDir: folder, stateDir: folder },
    log: pino({ level: 'silent' }),
  });
  let cluster = fleet;
  let onPass: (report: PassReport) => void = () => undefined;
  const loop = new NodeLoop({
    planner: new Planner(kernel, self),
    runtime,
    cluster: () => cluster,
    onPass: (report) => onPass(report),
  });
  const watch = runtime.guardKeeper.watch(() => loop.reconciler.trigger('guard changed'));
  const pass = (): Promise<PassReport> => new Promise((resolve) => (onPass = resolve));
  try {
    loop.start();
    // Until it hears nothing of itself any more.
    for (let quietMs = 0; quietMs < 500;) {
      const start = performance.now();
      await Promise.race([pass(), new Promise((resolve) => setTimeout(resolve, 500))]);
      quietMs = performance.now() - start;
    }
    await runtime.guardKeeper.prepareSteps();
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const node = newcomer(round);
      for (const nodes of [withNode(cluster.nodes, node), withoutNode(cluster.nodes, node.name)]) {
        cluster = { ...cluster, nodes, revision: cluster.revision + 1 };
        const start = performance.now();
        const done = pass();
        loop.storeChanged({ kind: 'nodes', names: [node.name] });
        const { error } = await done;
        if (error !== undefined) throw error;
        // The first one may meet what the start has left.
        if (round > 0 && cluster.nodes.get(node.name) !== undefined)
          times.push(performance.now() - start);
      }
    }
    return times;
  } finally {
    watch.close();
    await loop.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function newcomer(round: number): ClusterNode {
  return sketchNode({
    name: `late${round}`,
    zone: 'z1',
    at: `172.17.${200 + (round >> 7)}.${(round & 127) + 1}/16`,
    overlay: `10.200.${round & 255}.${(round >> 8) << 7}/25`,
  });
}
