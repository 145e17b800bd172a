/** Fifty kills at random places of a change to 10,000 peers, on the kernel in memory. */
import t from 'tap';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { apply, converge, crashPair, pathsOf, prepare, self, stopped } from '../support/crash.js';

const kills = 50;
const seed = 20261122;
const { before, after } = crashPair(10_000);

async function kernelAsBefore(): Promise<FakeKernel> {
  const kernel = createFakeKernel({
    kinds: ['vxlan'],
    nics: [{ name: 'eth0', addresses: before.nodes.get(self)!.underlay }],
    sysctls: { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' },
  });
  await converge(kernel, before);
  return kernel;
}

t.setTimeout(1_800_000);
t.test(`${kills} kills, seed ${seed}`, { timeout: 1_800_000 }, async (t) => {
  const whole = await kernelAsBefore();
  const pathsBefore = await pathsOf(whole);
  const written = whole.log.length;
  await converge(whole, after);
  const ends = { before: pathsBefore, after: await pathsOf(whole) };
  const wanted = whole.print();
  const total = whole.log.length - written;
  let random = seed;
  for (let kill = 0; kill < kills; kill++) {
    // A linear congruential generator (Numerical Recipes); its upper bits are good enough here.
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    const ops = Math.floor((random / 2 ** 32) * total);
    const kernel = await kernelAsBefore();
    const prepared = await prepare(kernel, after);
    kernel.inject({ kind: 'die', afterOps: ops });
    await t.rejects(apply(kernel, prepared), /died/);
    t.same(stopped(await pathsOf(kernel), ends), [], `nothing has stopped after ${ops} ops`);
    await converge(kernel, after);
    t.ok(kernel.print() === wanted, `a start after ${ops} of ${total} ops`);
  }
});
