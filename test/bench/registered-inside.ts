/**
 * What registered.ts measures, as a process in the node's namespace. Each time ends when the kernel
 * has told somebody else, who listens as `ip monitor` does; nothing is asked of the agent.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
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
const patienceMs = 60_000;

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
    await untilPeers(peers, 'slv4a', started);
    tell({ name: 'cold start to converged', value: startMs, unit: 'ms', aim: 'under 3,000 ms' });

    const listener = new RouteListener(kernel);
    cleanups.push(() => listener.close());
    await untilAtRest(agent.pid);
    tell({
      name: 'resident memory once converged',
      value: residentMb(agent.pid),
      unit: 'MB',
      aim: 'under 200 MB',
    });
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
    await untilAtRest(agent.pid);
    const after = `resident memory after ${joins} joins and leaves`;
    tell({ name: after, value: residentMb(agent.pid), unit: 'MB', aim: 'under 200 MB' });

    for (const [version, mode, device] of [
      [2, 'native', 'eth0'],
      [3, 'vxlan', 'slv4a'],
    ] as const) {
      await untilAtRest(agent.pid);
      const start = performance.now();
      await writeConfig(kv, version, configText(cluster, mode));
      await untilPeers(peers, device, start);
      const value = listener.lastSetMs - start;
      const name = `a rule moves every peer to ${mode}`;
      tell({ name, value, unit: 'ms', aim: 'under 1,500 ms' });
    }
    await untilAtRest(agent.pid);
    tell({
      name: 'resident memory after both',
      value: residentMb(agent.pid),
      unit: 'MB',
      aim: 'under 200 MB',
    });
    tell({
      name: 'resident memory: the most it was',
      value: residentMb(agent.pid, 'VmHWM'),
      unit: 'MB',
    });
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

/** All routes to peers go through that device, and nothing is written any more. */
async function untilPeers(count: number, device: string, fromMs: number): Promise<void> {
  for (;;) {
    const kernel = openKernel();
    const { routes } = await kernel.dump();
    kernel.close();
    const found = routes.filter(
      ({ target }) =>
        target.kind === 'unicast' && target.device === device && target.gateway !== undefined,
    );
    if (found.length === count) return;
    if (performance.now() - fromMs > patienceMs)
      throw new Error(`the kernel has ${found.length} routes by ${device}; expected ${count}`);
    await sleep(2_000);
  }
}

/** It does nothing but what it does all the time. */
async function untilAtRest(pid: number): Promise<void> {
  for (let quietSeconds = 0; quietSeconds < 3;) {
    const before = cpuTicks(pid);
    await sleep(1_000);
    quietSeconds = cpuTicks(pid) - before <= 5 ? quietSeconds + 1 : 0;
  }
}

/** Hundredths of a second that it has run so far, see proc_pid_stat(5). */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function newcomer(round: number): Registration {
  return {
    name: `late${round}`,
    zone: 'z1',
    address: `172.17.${200 + (round >> 7)}.${(round & 127) + 1}/16`,
    overlay: `10.200.${round & 255}.0/24`,
  };
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
