/**
 * A real kernel, in a namespace of its own: 10,000 VXLAN peers (route, neighbour, FDB entry each)
 * programmed from empty, against iproute2 doing the same from batch files; then a restart with all
 * in place, and the memory of the process that did it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyChanges } from '../../routes/apply.js';
import { diff } from '../../routes/diff.js';
import { readSysctls } from '../../routes/reconciler.js';
import { Planner } from '../../src/agent/planner.js';
import type { KernelObject } from '../../tunnel/kernel.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import { createNamespace, vethPair } from '../support/netns.js';
import { self, selfAddress, vxlanFleet } from './fleet.js';
import { figure, heading } from './report.js';

const peers = 10_000;
const rounds = 7;

export async function benchKernel(): Promise<void> {
  heading(`Kernel: ${peers.toLocaleString('en-US')} VXLAN peers, three objects each`);
  const cleanups: (() => unknown)[] = [];
  const scratch = mkdtempSync(join(tmpdir(), 'selvage-bench-'));
  try {
    const scope = { teardown: (handler: () => unknown) => void cleanups.push(handler) };
    const node = createNamespace(scope);
    vethPair(
      { namespace: node, device: 'eth0', addresses: [selfAddress] },
      { namespace: createNamespace(scope), device: 'eth0' },
    );
    const cluster = vxlanFleet(peers + 1);
    const ours: number[] = [];
    const theirs: number[] = [];
    let batches: Batches | undefined;
    for (let round = 0; round < rounds; round++) {
      const kernel = openKernel({ netns: node.name });
      const state = await kernel.dump();
      const plan = await new Planner(kernel, self).plan(cluster, state);
      const { changes } = diff(plan.objects, {
        kernel: state,
        sysctls: readSysctls(kernel, plan.objects.values()),
      });
      const base = changes.filter((change) => !plan.desired.peers.has(change.key));
      const perPeer = changes.filter((change) => plan.desired.peers.has(change.key));
      await must(applyChanges(kernel, base, plan.desired.peers));
      const start = performance.now();
      await must(applyChanges(kernel, perPeer, plan.desired.peers));
      ours.push(performance.now() - start);

      const restart = performance.now();
      const again = await kernel.dump();
      const fresh = await new Planner(kernel, self).plan(cluster, again);
      const rest = diff(fresh.objects, {
        kernel: again,
        sysctls: readSysctls(kernel, fresh.objects.values()),
      });
      const restartMs = performance.now() - restart;
      if (rest.changes.length > 0)
        throw new Error(`a restart would write ${rest.changes.length} objects`);
      if (round === rounds - 1)
        figure({
          name: 'restart with all in place (dump, plan, diff; writes nothing)',
          value: restartMs,
          unit: 'ms',
          aim: 'under 1,000 ms',
        });
      kernel.close();

      batches ??= writeBatches(
        scratch,
        perPeer.flatMap((change) => (change.kind === 'delete' ? [] : [change.desired])),
      );
      // From empty for them too: the device anew, as we had it.
      const second = openKernel({ netns: node.name });
      node.run('sh', [
        '-c',
        'ip link del slv4a; ip route flush proto 83; ip -6 route flush proto 83',
      ]);
      await must(applyChanges(second, base, plan.desired.peers));
      second.close();
      const started = performance.now();
      node.run('ip', ['-batch', batches.ip], { timeoutMs: 60_000 });
      node.run('bridge', ['-batch', batches.bridge], { timeoutMs: 60_000 });
      theirs.push(performance.now() - started);
      node.run('sh', ['-c', 'ip link del slv4a; ip route flush proto 83']);
    }
    const median = (times: number[]): number => times.sort((a, b) => a - b)[rounds >> 1]!;
    figure({ name: 'programmed by Selvage', value: median(ours), unit: 'ms' });
    figure({
      name: 'programmed by ip -batch and bridge -batch',
      value: median(theirs),
      unit: 'ms',
    });
    figure({
      name: 'Selvage against iproute2',
      value: median(theirs) / median(ours),
      unit: '× as fast',
      aim: 'at least 2×',
    });
  } finally {
    for (const cleanup of cleanups.reverse()) cleanup();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function must(result: ReturnType<typeof applyChanges>): Promise<void> {
  const { failed } = await result;
  if (failed.length > 0) throw new Error(`${failed.length} failed: ${failed[0]!.failure.message}`);
}

interface Batches {
  readonly ip: string;
  readonly bridge: string;
}

function writeBatches(folder: string, objects: readonly KernelObject[]): Batches {
  const ip: string[] = [];
  const bridge: string[] = [];
  for (const object of objects) {
    if (object.type === 'neighbour')
      ip.push(
        `neigh replace ${object.address.text} lladdr ${object.mac} nud permanent dev ${object.device}`,
      );
    if (object.type === 'fdb')
      bridge.push(
        `fdb replace ${object.mac} dst ${object.remote.text} dev ${object.device} self permanent`,
      );
    if (object.type === 'route' && object.target.kind === 'unicast') {
      const { device, gateway, mtu, onlink, preferredSource } = object.target;
      ip.push(
        `route replace ${object.prefix.text} via ${gateway!.text} dev ${device} ${onlink ? 'onlink' : ''} metric ${object.metric} proto ${object.protocol} mtu ${mtu} src ${preferredSource!.text}`,
      );
    }
  }
  const files = { ip: join(folder, 'ip.batch'), bridge: join(folder, 'bridge.batch') };
  writeFileSync(files.ip, `${ip.join('\n')}\n`);
  writeFileSync(files.bridge, `${bridge.join('\n')}\n`);
  return files;
}
