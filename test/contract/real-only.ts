/**
 * What only the real kernel can show: that others see the same objects as we do, attribute by
 * attribute, and that what others do to ours is seen.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseAddress as A } from '../../encap/address.js';
import { parsePrefix as P } from '../../encap/prefix.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import { needsRecreate } from '../../tunnel/link-kinds/index.js';
import type { Test } from './behaviour.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import {
  type Bench,
  addressOn,
  ours,
  ownLines,
  set,
  vxlan4,
  vxlan6,
  lines,
  wipe,
} from './bench.js';

export function realKernelOnly(t: Test, bench: Bench): void {
  const { kernel } = bench;
  const namespace = bench.namespace!;

  void t.test('iproute2 sees the devices and addresses as they were asked for', async (t) => {
    await wipe(bench);
    await kernel.apply([vxlan4, vxlan6, addressOn('slv4a', 'fd00:1::/128')].map(set));
    const seen = namespace.ipJson<Link[]>('link', 'show', 'type', 'vxlan');
    t.match(
      seen.find(({ ifname }) => ifname === 'slv4a'),
      {
        mtu: 1450,
        address: '02:11:22:33:44:55',
        flags: /UP/,
        linkinfo: {
          info_data: {
            id: 4_242_424,
            port: 4789,
            local: '192.0.2.1',
            link: 'eth0',
            learning: false,
            ttl: 64,
            df: 'set',
            udp_csum: true,
          },
        },
      },
    );
    t.match(seen.find(({ ifname }) => ifname === 'slv6a')?.linkinfo.info_data, {
      local6: '2001:db8::1',
      udp_zero_csum6_tx: false,
      udp_zero_csum6_rx: true,
    });
    t.match(namespace.run('ip', ['-d', 'link', 'show', 'slv4a']), /tos inherit/);
    t.match(
      namespace.run('ip', ['-6', 'addr', 'show', 'dev', 'slv4a']),
      /fd00:1::\/128 scope global nodad noprefixroute/,
    );
  });

  void t.test('a feature that somebody gave a device of ours asks for a new one', async (t) => {
    await wipe(bench);
    await kernel.apply([set(vxlan4)]);
    namespace.ip('link set slv4a type vxlan id 4242424 remote 198.51.100.1');
    const found = (await kernel.dump()).links.find((link) => link.name === 'slv4a');
    t.ok(found?.kind === 'vxlan');
    if (found?.kind !== 'vxlan') return;
    t.same(found.extra, ['group']);
    t.same(needsRecreate(found, vxlan4), ['group']);
    const [outcome] = await kernel.apply([set(vxlan4)]);
    t.equal(outcome?.failure?.code, 'EOPNOTSUPP');
  });

  void t.test('an entry whose port somebody has overridden does not count as ours', async (t) => {
    await wipe(bench);
    const fdb = {
      type: 'fdb',
      device: 'slv4a',
      mac: '02:aa:00:00:00:02',
      remote: A('192.0.2.2'),
    } as const;
    await kernel.apply([set(vxlan4), set(fdb)]);
    namespace.run(
      'bridge',
      'fdb replace 02:aa:00:00:00:02 dev slv4a dst 192.0.2.2 port 9 self'.split(' '),
    );
    t.same(ownLines(await kernel.dump()), lines(vxlan4));
    await kernel.apply([set(fdb)]);
    t.same(ownLines(await kernel.dump()), lines(vxlan4, fdb));
  });

  void t.test('a route with a metric that ours never have is told apart from ours', async (t) => {
    await wipe(bench);
    namespace.ip('route add 10.40.0.0/16 dev eth0 proto 83 metric 512 mtu 1400 advmss 1300');
    const [found] = (await kernel.dump()).routes.filter((route) => route.protocol === ours);
    t.same(found?.target, { kind: 'other', description: 'unicast with metric 8' });
    await wipe(bench);
  });

  void t.test('outcomes are whole although the kernel dropped replies', async (t) => {
    await wipe(bench);
    const cramped = openKernel({ netns: namespace.name, receiveBufferBytes: 512 << 10 });
    t.teardown(() => cramped.close());
    await cramped.apply([set(vxlan4)]);
    const outcomes = await cramped.apply(
      Array.from({ length: 4000 }, (_, i) =>
        set({
          type: 'route',
          prefix: P(`10.${i >> 8}.${i & 255}.0/24`),
          table: 254,
          metric: 512,
          protocol: ours,
          target: {
            kind: 'unicast',
            device: 'slv4a',
            gateway: A('10.1.1.0'),
            onlink: i % 100 === 0,
            mtu: undefined,
            preferredSource: undefined,
          },
        }),
      ),
    );
    t.ok(
      outcomes.every(
        ({ failure }, i) => (failure?.code ?? 'ok') === (i % 100 === 0 ? 'ok' : 'ENETUNREACH'),
      ),
    );
    t.equal((await cramped.dump()).routes.filter((route) => route.protocol === ours).length, 40);
  });

  void t.test('a dump while others change the table misses nothing that was there', async (t) => {
    await wipe(bench);
    const stable = Array.from({ length: 3000 }, (_, i): RouteObject => ({
      type: 'route',
      prefix: P(`10.${i >> 8}.${i & 255}.0/24`),
      table: 254,
      metric: 512,
      protocol: ours,
      target: { kind: 'blackhole' },
    }));
    await kernel.apply(stable.map(set));
    const churn = Array.from({ length: 4000 }, (_, i) => {
      const prefix = `10.${(i * 7) % 200}.${i & 255}.128/25`;
      return `route add blackhole ${prefix} proto static\nroute del blackhole ${prefix}\n`;
    }).join('');
    const others = spawn('ip', ['-n', namespace.name, '-batch', '-'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    others.stdin.end(churn);
    const ended = once(others, 'exit').then(() => true);
    let dumps = 0;
    do {
      const routes = (await kernel.dump()).routes.filter((route) => route.protocol === ours);
      if (new Set(routes.map(({ prefix }) => prefix.text)).size !== stable.length)
        t.equal(routes.length, stable.length, 'every dump is whole');
      dumps++;
    } while (!(await Promise.race([ended, Promise.resolve(false)])));
    t.ok(dumps > 0, `${dumps} dumps were whole`);
    await wipe(bench);
  });
}

interface Link {
  readonly ifname: string;
  readonly linkinfo: { readonly info_data: Readonly<Record<string, unknown>> };
}
