/**
 * What registered.ts measures, as a process in the node's namespace. Each time ends when the kernel
 * has told somebody else, who listens as `ip monitor` does; nothing is asked of the agent.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openKeyValue, storeAddress } from '../../src/store/registry.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import { startEtcd } from '../support/etcd.js';
import { startAgent } from './agent-stage.js';
import { self, vxlanFleet } from './fleet.js';
import { residentMb } from './memory.js';
import type { Registration } from './registered-fleet.js';
import {
  configText,
  register,
  registerAll,
  registrations,
  unregister,
  writeConfig,
} from './registered-fleet.js';
import type { Figure } from './report.js';
import { quantile } from './report.js';
import { RouteListener } from './route-listener.js';

export type Seen = Figure;

const joins = 250;
/** Longer than anything here takes. */
const leaseSeconds = 600;

async function measure(peers: number): Promise<void> {
  const cleanups: (() => unknown)[] = [];
  const scratch = mkdtempSync(join(tmpdir(), 'selvage-bench-'));
  cleanups.push(() => rmSync(scratch, { recursive: true, force: true }));
  try {
    const etcd = await startEtcd({ teardown: (handler) => void cleanups.push(handler) });
    const address = `etcd://${etcd.authority}/bench`;
    const kv = await openKeyValue({ address: storeAddress(address), access: {} });
    cleanups.push(() => kv.close());
    const cluster = vxlanFleet(peers + 1);
    const lease = await kv.lease(leaseSeconds);
    await writeConfig(kv, 1, configText(cluster, 'vxlan'));
    await registerAll(kv, registrations(cluster), { self, lease });

    const kernel = openKernel();
    cleanups.push(() => kernel.close());
    const started = performance.now();
    const agent = await startAgent(['--store', address], {
      folder: scratch,
      spawn: (command, args, options) => spawn(command, args, options),
    });
    cleanups.push(() => agent.stop());
    const startMs = performance.now() - started;
    await requirePeers(peers, 'slv4a');
    tell({ name: 'cold start to converged', value: startMs, unit: 'ms', aim: 'under 3,000 ms' });

    const listener = new RouteListener(kernel);
    cleanups.push(() => listener.close());
    await listener.untilQuiet(2_000);
    const arrivals: number[] = [];
    const leaves: number[] = [];
    const written: number[] = [];
    for (let round = 0; round < joins; round++) {
      const node = newcomer(round);
      for (const [verb, times] of [
        ['set', arrivals],
        ['delete', leaves],
      ] as const) {
        const seen = listener.next(verb, node.overlay);
        const start = performance.now();
        await (verb === 'set' ? register(kv, node, lease) : unregister(kv, node));
        written.push(performance.now() - start);
        times.push((await seen) - start);
        // At no regular distance from what the agent does by its clock.
        await sleep(50 + ((round * 37) % 51));
      }
    }
    const reference = { name: 'its three keys are written in etcd: p50', unit: 'ms' };
    tell({ ...reference, value: quantile(written, 0.5) });
    tellQuantiles('a node joins', arrivals);
    tellQuantiles('a node leaves', leaves);
    tell({
      name: 'resident memory',
      value: residentMb(agent.pid),
      unit: 'MB',
      aim: 'under 200 MB',
    });
    tell({ name: 'resident memory: the most so far', value: peakMb(agent.pid), unit: 'MB' });

    for (const [version, mode, device] of [
      [2, 'native', 'eth0'],
      [3, 'vxlan', 'slv4a'],
    ] as const) {
      await listener.untilQuiet(2_000);
      const start = performance.now();
      await writeConfig(kv, version, configText(cluster, mode));
      await listener.untilRoutes(peers);
      const value = (await listener.untilQuiet(2_000)) - start;
      await requirePeers(peers, device);
      const name = `a rule moves every peer to ${mode}`;
      tell({ name, value, unit: 'ms', aim: 'under 1,500 ms' });
    }
    tell({ name: 'resident memory: the most in all', value: peakMb(agent.pid), unit: 'MB' });
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

async function requirePeers(count: number, device: string): Promise<void> {
  const kernel = openKernel();
  const { routes } = await kernel.dump();
  kernel.close();
  const found = routes.filter(
    ({ target }) =>
      target.kind === 'unicast' && target.device === device && target.gateway !== undefined,
  );
  if (found.length !== count)
    throw new Error(`the kernel has ${found.length} routes by ${device}; expected ${count}`);
}

function newcomer(round: number): Registration {
  return {
    name: `late${round}`,
    zone: 'z1',
    address: `172.17.${200 + (round >> 7)}.${(round & 127) + 1}/16`,
    overlay: `10.200.${round & 255}.0/24`,
  };
}

function peakMb(pid: number): number {
  return residentMb(pid, 'VmHWM');
}

function tellQuantiles(what: string, times: readonly number[]): void {
  const value = (part: number) => ({ value: quantile(times, part), unit: 'ms' });
  tell({ name: `${what}, as its peer's kernel tells: p50`, ...value(0.5), aim: 'under 10 ms' });
  tell({ name: `${what}, as its peer's kernel tells: p99`, ...value(0.99), aim: 'under 100 ms' });
}

function tell(seen: Seen): void {
  process.send!(seen);
}

await measure(Number(process.argv[2]));
process.disconnect();
