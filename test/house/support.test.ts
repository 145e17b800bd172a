/**
 * The tests' own tools: a capability that is reported must be real, and namespaces must not outlive
 * the test that made them.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import t from 'tap';
import { hasCapability, skipReason } from '../support/capabilities.js';
import { type Namespace, createNamespace, vethPair } from '../support/netns.js';
import { fromRoot } from '../support/root.js';

t.test('the root is the folder of package.json', (t) => {
  t.ok(existsSync(fromRoot('encap', 'address.ts')));
  t.end();
});

t.test('a missing capability is a reason to skip, or an error where nothing may be', (t) => {
  const missing = (['root', 'netns', 'tshark', 'uml'] as const).find(
    (name) => !hasCapability(name),
  );
  const before = process.env['SELVAGE_REQUIRE_ALL'];
  t.teardown(() => {
    if (before === undefined) delete process.env['SELVAGE_REQUIRE_ALL'];
    else process.env['SELVAGE_REQUIRE_ALL'] = before;
  });
  process.env['SELVAGE_REQUIRE_ALL'] = '1';
  if (missing !== undefined) t.throws(() => skipReason(missing), { message: /nothing may be/ });
  if (!hasCapability('kernel-ipip'))
    t.match(skipReason('kernel-ipip'), /covered by test\/uml/, 'a kernel feature stays a skip');
  delete process.env['SELVAGE_REQUIRE_ALL'];
  if (missing !== undefined) t.match(skipReason(missing), new RegExp(`^${missing} is missing: `));
  t.equal(skipReason(), false);
  t.end();
});

t.test(
  'two namespaces talk over a cable and vanish with their test',
  { skip: skipReason('netns', 'ping') },
  async (t) => {
    let kept: Namespace | undefined;
    let ended: Promise<unknown> | undefined;
    await t.test('inside', async (t) => {
      const a = createNamespace(t);
      const b = createNamespace(t);
      kept = b;
      vethPair(
        { namespace: a, device: 'eth0', addresses: ['192.0.2.1/24', '2001:db8::1/64'], mtu: 1400 },
        { namespace: b, device: 'eth1', addresses: ['192.0.2.2/24', '2001:db8::2/64'] },
      );
      t.equal(a.tryRun('ping', ['-c1', '-W5', '192.0.2.2']).status, 0);
      t.equal(a.tryRun('ping', ['-c1', '-W5', '2001:db8::2']).status, 0);
      const links = a.ipJson<{ ifname: string; mtu: number }[]>('link', 'show', 'eth0');
      t.equal(links[0]?.mtu, 1400);
      b.sysctl({ 'net/ipv4/ip_forward': 1 });
      t.equal(b.run('cat', ['/proc/sys/net/ipv4/ip_forward']), '1\n');
      t.throws(() => a.ip('link set lo up', 'link set nowhere up'), { message: /nowhere/ });
      ended = once(b.spawn('sleep', ['60']), 'exit');
    });
    await ended;
    t.notOk(existsSync(kept?.path ?? '/'), 'the namespace is gone');
  },
);
