/**
 * A process killed after any op of an apply to 1,000 peers, on the kernel in memory: at no moment
 * has anything stopped that works before and after the change, and a start from there does what was
 * left to do and nothing else. A sample of the crashes is run to its end, which is always the same.
 */
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import {
  apply,
  converge,
  crashPair,
  opByOp,
  pathsOf,
  prepare,
  remaining,
  self,
  stopped,
} from '../support/crash.js';
import { concernedBy, workingPaths } from '../support/working.js';

const peers = 1_000;
const { before, after } = crashPair(peers);

async function kernelWith(cluster: Cluster | undefined): Promise<FakeKernel> {
  const kernel = createFakeKernel({
    kinds: ['vxlan'],
    nics: [{ name: 'eth0', addresses: before.nodes.get(self)!.underlay }],
    sysctls: { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' },
  });
  if (cluster !== undefined) await converge(kernel, cluster);
  return kernel;
}

for (const [what, from, to] of [
  ['the first start', undefined, before],
  ['a change of every kind', before, after],
] as const)
  t.test(`${what}, killed after every op`, async (t) => {
    const kernel = await kernelWith(from);
    const ends = { before: await pathsOf(kernel), after: await pathsOf(await kernelWith(to)) };
    const wanted = (await kernelWith(to)).print();
    const prepared = await prepare(kernel, to);
    const left = new Map(prepared.changes.map((change) => [change.key, change]));
    const total = prepared.changes.length;
    const complaints: string[] = [];
    let ops = 0;
    const watched = opByOp(kernel, async ({ object }) => {
      ops++;
      // Most ops can touch one prefix only; now and then all are looked at all the same.
      const state = await kernel.dump();
      const part = ops % 50 === 0 ? state : concernedBy(object, state);
      const prefixes = new Set(part.routes.map((route) => route.prefix.text));
      if (object.type === 'route') prefixes.add(object.prefix.text);
      const looked = part === state ? undefined : prefixes;
      complaints.push(...stopped(workingPaths(part), ends, looked));
      if (ops % 20 === 0) {
        const restart = await remaining(kernel, prepared.plan);
        for (const change of restart)
          if (!left.has(change.key)) complaints.push(`${change.kind} ${change.key} anew`);
        if (restart.length > total - ops + 1)
          complaints.push(`${restart.length} of ${total} changes left`);
      }
      if (complaints.length > 0) throw new Error(`op ${ops}: ${complaints.slice(0, 5).join('\n')}`);
    });
    await apply(watched, prepared);
    t.equal(kernel.print(), wanted);
    t.ok(ops >= (from === undefined ? 2 * peers : peers / 2), `${ops} places to die`);

    const step = Math.floor(ops / 5);
    for (let dead = 1; dead < ops; dead += step) {
      const crashed = await kernelWith(from);
      crashed.inject({ kind: 'die', afterOps: dead });
      await t.rejects(converge(crashed, to), /died/);
      await converge(crashed, to);
      t.equal(crashed.print(), wanted, `a start after ${dead} ops`);
    }
  });
