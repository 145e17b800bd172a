/**
 * Prefixes that change their owner, and with them the tunnel addresses: what was this node's own
 * address is a peer's, and no route can have it as its gateway while it is here.
 */
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { applyChanges } from '../../routes/apply.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { converge, opByOp, pathsOf, prepare, remaining, self } from '../support/crash.js';

/** Which /24 (and /64) each of the nodes n0, n1, … has. */
function clusterOf(blocks: readonly number[]): Cluster {
  return sketchCluster({
    pools: ['10.64.0.0/16', 'fd64::/48'],
    rules: [{ name: 'all', mode: 'vxlan' }],
    nodes: blocks.map((block, i) => ({
      name: `n${i}`,
      at: `192.0.2.${i + 1}/24`,
      overlay: [`10.64.${block}.0/24`, `fd64:0:0:${block}::/64`],
    })),
  });
}

async function kernelWith(cluster: Cluster): Promise<FakeKernel> {
  const kernel = createFakeKernel({
    kinds: ['vxlan'],
    nics: [{ name: 'eth0', addresses: cluster.nodes.get(self)!.underlay }],
    sysctls: { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' },
  });
  await converge(kernel, cluster);
  return kernel;
}

const before = [1, 2, 3, 4, 5];
for (const [what, after] of [
  ['exchanges its prefixes with a peer', [2, 1, 3, 4, 5]],
  ['hands its prefixes on in a circle', [2, 3, 1, 4, 5]],
  ['gives its prefixes to a peer and takes new ones', [9, 1, 3, 4, 5]],
] as const)
  t.test(`a node that ${what}: nothing is refused, nobody else is cut off`, async (t) => {
    const kernel = await kernelWith(clusterOf(before));
    const wanted = (await kernelWith(clusterOf(after))).print();
    const untouched = ['10.64.4.0/24', '10.64.5.0/24', 'fd64:0:0:4::/64', 'fd64:0:0:5::/64'];
    const waysBefore = await pathsOf(kernel);
    const prepared = await prepare(kernel, clusterOf(after));
    const cut: string[] = [];
    const watched = opByOp(kernel, async (op) => {
      const ways = await pathsOf(kernel);
      for (const prefix of untouched)
        if (ways.get(prefix) !== waysBefore.get(prefix))
          cut.push(`${prefix} after ${op.verb} ${objectKey(op.object)}`);
    });
    const result = await applyChanges(watched, prepared.changes, prepared.plan.desired.peers);
    t.same(
      result.failed.map((entry) => entry.failure.message),
      [],
    );
    t.same(result.skipped, []);
    t.same(cut, []);
    t.same(await remaining(kernel, prepared.plan), [], 'one pass does it');
    t.equal(kernel.print(), wanted);
  });

t.test('an address that a route still needs stays until that route is rewritten', async (t) => {
  const kernel = await kernelWith(clusterOf(before));
  const prepared = await prepare(kernel, clusterOf([2, 1, 3, 4, 5]));
  kernel.inject({
    kind: 'refuse',
    code: 'ENOMEM',
    when: ({ verb, object }) =>
      verb === 'set' && object.type === 'route' && object.prefix.text === '10.64.4.0/24',
  });
  const result = await applyChanges(kernel, prepared.changes, prepared.plan.desired.peers);
  t.same(
    result.failed.map((entry) => entry.peer),
    ['n3'],
    'and the exchange itself is not even tried',
  );
  t.match((await pathsOf(kernel)).get('10.64.4.0/24'), /192\.0\.2\.4/, 'the old route still works');
  await converge(kernel, clusterOf([2, 1, 3, 4, 5]));
  t.equal(kernel.print(), (await kernelWith(clusterOf([2, 1, 3, 4, 5]))).print());
});

t.test(
  'a device has its IPv6 before it gets IPv6 addresses, the one peers route by too',
  async (t) => {
    const kernel = createFakeKernel({
      kinds: ['vxlan'],
      nics: [{ name: 'eth0', addresses: clusterOf(before).nodes.get(self)!.underlay }],
      sysctls: { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' },
    });
    const { changes, plan } = await prepare(kernel, clusterOf(before));
    const at = (key: RegExp): number => changes.findIndex((change) => key.test(change.key));
    const order = [
      /^link slv4a/,
      /^sysctl net\/ipv6\/conf\/slv4a\/disable_ipv6/,
      /^address slv4a fe80:/,
      /^fdb slv4a/,
      /^sysctl net\/ipv6\/conf\/all\/forwarding/,
      /^route/,
    ].map(at);
    // What has the value already is not written: the fake kernel's files begin as 0.
    order.splice(1, 1);
    t.notOk(order.includes(-1), order.join());
    t.same(
      order,
      [...order].sort((a, b) => a - b),
    );
    await applyChanges(kernel, changes, plan.desired.peers);
    kernel.outside([
      {
        verb: 'set',
        object: { type: 'sysctl', path: 'net/ipv6/conf/slv4a/disable_ipv6', value: '1' },
      },
      ...(await kernel.dump()).addresses
        .filter((entry) => entry.device === 'slv4a' && entry.address.address.family === 6)
        .map((object) => ({ verb: 'delete', object }) as const),
    ]);
    t.match((await remaining(kernel, plan)).map((change) => change.key).slice(0, 3), [
      /disable_ipv6/,
      /address slv4a fd64/,
      /address slv4a fe80/,
    ]);
  },
);
