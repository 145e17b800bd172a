/**
 * Who has an address? Three hosts on one segment, two of them with the same address.
 *
 *     a 192.0.2.1   b 192.0.2.2   c 192.0.2.2 (and 192.0.2.9)
 *     │ eth0        │ eth0        │ eth0
 *     └──────────── br0 ──────────┘
 */
import t from 'tap';
import { parseAddress } from '../../encap/address.js';
import { whoHas } from '../../tunnel/probe/who-has.js';
import { skipReason } from '../support/capabilities.js';
import { createNamespace, vethPair } from '../support/netns.js';

const macs = { a: '02:00:5e:00:00:0a', b: '02:00:5e:00:00:0b', c: '02:00:5e:00:00:0c' } as const;

t.test('every host that answers is counted', { skip: skipReason('netns') }, async (t) => {
  const bridge = createNamespace(t);
  bridge.ip('link add br0 type bridge', 'link set br0 up');
  const host = (name: keyof typeof macs, addresses: readonly string[]) => {
    const namespace = createNamespace(t);
    vethPair(
      { namespace, device: 'eth0', addresses, mac: macs[name] },
      { namespace: bridge, device: `to-${name}` },
    );
    bridge.ip(`link set to-${name} master br0`);
    return namespace;
  };
  const a = host('a', ['192.0.2.1/24', '2001:db8::1/64']);
  host('b', ['192.0.2.2/24', '2001:db8::2/64']);
  host('c', ['192.0.2.2/24', '192.0.2.9/24', '2001:db8::2/64']);
  const ask = (target: string, sender?: string): Promise<readonly string[]> =>
    whoHas({
      netns: a.path,
      device: 'eth0',
      mac: macs.a,
      sender: sender === undefined ? undefined : parseAddress(sender),
      target: parseAddress(target),
      waitMs: 200,
    });

  t.same(await ask('192.0.2.2', '192.0.2.1'), [macs.b, macs.c], 'both that have it');
  t.same(await ask('2001:db8::2', '2001:db8::1'), [macs.b, macs.c], 'and by neighbour discovery');
  t.same(await ask('192.0.2.9', '192.0.2.1'), [macs.c], 'one has it alone');
  t.same(await ask('192.0.2.77', '192.0.2.1'), [], 'nobody has it');

  const before = a.ipJson<{ dst: string }[]>('neigh', 'show').length;
  t.same(await ask('192.0.2.1'), [], 'its own address is its own');
  t.same(await ask('2001:db8::1'), [], 'in both families');
  t.equal(a.ipJson<{ dst: string }[]>('neigh', 'show').length, before, 'a probe leaves no trace');
  bridge.ip('link set to-c down');
  t.same(await ask('192.0.2.2', '192.0.2.1'), [macs.b], 'until one of them is gone');
  await t.rejects(
    whoHas({
      netns: a.path,
      device: 'eth7',
      mac: macs.a,
      sender: undefined,
      target: parseAddress('192.0.2.1'),
    }),
    /cannot tap eth7/,
  );
});

t.test('an own address that another host has too', { skip: skipReason('netns') }, async (t) => {
  const [a, c] = [createNamespace(t), createNamespace(t)];
  const addresses = ['192.0.2.1/24', '2001:db8::1/64'];
  vethPair(
    { namespace: a, device: 'eth0', addresses, mac: macs.a },
    { namespace: c, device: 'eth0', addresses, mac: macs.c },
  );
  for (const target of ['192.0.2.1', '2001:db8::1'])
    t.same(
      await whoHas({
        netns: a.path,
        device: 'eth0',
        mac: macs.a,
        sender: undefined,
        target: parseAddress(target),
        waitMs: 200,
      }),
      [macs.c],
      target,
    );
});
