/**
 * What others do to a node, outside of what we make, as a table: how it is done to a kernel in
 * memory, and the code that it must be called by.
 */
import { parseAddress } from '../../encap/address.js';
import type { Cluster } from '../../encap/cluster.js';
import { parsePrefix } from '../../encap/prefix.js';
import type { Diagnosis, FindingCode } from '../../routes/diagnose/index.js';
import { mainTable } from '../../routes/ownership.js';
import { initialPolicyRules } from '../../tunnel/fake/details.js';
import type { PolicyRule } from '../../tunnel/kernel-details.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import type { ForeignRule } from '../../tunnel/guard/index.js';
import type { Test } from 'tap';
import type { World } from './diagnose-world.js';
import { oneWay, roundTrip, worldOf } from './diagnose-world.js';

export const fwd = (
  direction: 'there' | 'back',
  lostBefore: 'sender-nic' | 'receiver-nic' | 'receiver-tunnel' | 'delivered',
  more = {},
) => oneWay(direction, { lostBefore, ...more });
export const fine = [roundTrip('underlay'), roundTrip('control')];
export const noEcho = roundTrip('inner', { answered: 0 });

export async function outsideTroubles(
  t: Pick<Test, 'same' | 'equal' | 'ok'>,
  of: { readonly cluster: Cluster; codesOf(diagnosis: Diagnosis): readonly string[] },
): Promise<void> {
  const { cluster, codesOf } = of;
  const route = (prefix: string, more: Partial<RouteObject> = {}): RouteObject => ({
    type: 'route',
    prefix: parsePrefix(prefix),
    table: mainTable,
    metric: 0,
    protocol: 4,
    target: {
      kind: 'unicast',
      device: 'wl0',
      gateway: undefined,
      onlink: false,
      mtu: undefined,
      preferredSource: undefined,
    },
    ...more,
  });
  const policy = (more: Partial<PolicyRule>): readonly PolicyRule[] => [
    ...initialPolicyRules(),
    { ...initialPolicyRules()[1]!, priority: 77, table: 77, protocol: 4, ...more },
  ];
  const trouble = async (
    name: string,
    expected: readonly FindingCode[],
    how: (world: World) => unknown,
    pair: readonly [string, string] = ['a', 'w'],
  ): Promise<Diagnosis> => {
    const world = await worldOf(cluster, pair);
    const more = ((await how(world)) ?? {}) as Parameters<World['diagnosis']>[0];
    const diagnosis = await world.diagnosis(more);
    t.same(codesOf(diagnosis), expected, name);
    return diagnosis;
  };
  const set = (world: World, object: RouteObject, at: 'from' | 'to' = 'from') =>
    world[at].kernel.outside([{ verb: 'set', object }]);

  const shadow = await trouble('a more specific route', ['route-shadowed'], (world) =>
    set(world, route('10.64.3.0/25')),
  );
  t.equal(
    shadow.findings[0]!.remedies[0]!.command,
    'ip route delete 10.64.3.0/25 dev wl0 table 254 proto 4 metric 0',
  );
  await trouble('our own place in the hands of another', ['route-foreign'], (world) => {
    const own = [...world.from.desired.objects.values()].find(
      (object): object is RouteObject =>
        object.type === 'route' && object.prefix.text === '10.64.3.0/24',
    )!;
    set(world, { ...own, protocol: 4 });
  });
  await trouble('a route of ours changed', ['route-differs'], (world) => {
    const own = [...world.from.desired.objects.values()].find(
      (object): object is RouteObject =>
        object.type === 'route' && object.prefix.text === '10.64.3.0/24',
    )!;
    if (own.target.kind === 'unicast') set(world, { ...own, target: { ...own.target, mtu: 1280 } });
  });
  const rule = await trouble('a policy rule', ['policy-rule-diverts'], (world) => {
    set(world, route('0.0.0.0/0', { table: 77, target: { kind: 'blackhole' } }));
    world.from.kernel.setDetails({
      policyRules: policy({ destination: parsePrefix('10.64.0.0/16') }),
    });
  });
  t.equal(rule.findings[0]!.remedies[0]!.command, 'ip rule delete priority 77');
  await trouble('a policy rule for the tunnel packets', ['policy-rule-diverts'], (world) => {
    world.to.kernel.setDetails({
      policyRules: policy({
        action: 'unreachable',
        ipProtocol: 17,
        destinationPorts: { first: 4789, last: 4789 },
      }),
    });
  });
  await trouble('policy rules that are none of ours', [], (world) => {
    set(world, route('0.0.0.0/0', { table: 77, target: { kind: 'blackhole' } }));
    world.from.kernel.setDetails({
      policyRules: [
        ...policy({ source: parsePrefix('172.16.0.0/12') }),
        ...policy({ mark: { value: 0xca6c, mask: 0xffffffff } }),
        ...policy({ table: 78 }),
        ...policy({ action: 'goto', goto: 32766 }),
      ],
    });
  });
  await trouble('no rule for the main table', ['policy-rule-missing'], (world) => {
    world.from.kernel.setDetails({
      policyRules: initialPolicyRules().filter(({ table }) => table !== mainTable),
    });
  });
  await trouble('forwarding off', ['forwarding-off'], (world) => {
    world.to.kernel.outside([
      { verb: 'set', object: { type: 'sysctl', path: 'net/ipv4/ip_forward', value: '0' } },
    ]);
  });
  await trouble('strict reverse path', ['reverse-path-strict'], (world) => {
    world.to.kernel.outside([
      {
        verb: 'set',
        object: { type: 'sysctl', path: 'net/ipv4/conf/slv4a/rp_filter', value: '1' },
      },
    ]);
  });
  await trouble('no reverse path filter', ['reverse-path-differs'], (world) => {
    world.to.kernel.outside([
      {
        verb: 'set',
        object: { type: 'sysctl', path: 'net/ipv4/conf/slv4a/rp_filter', value: '0' },
      },
    ]);
  });
  await trouble('connection tracking is full', ['conntrack-full'], (world) => {
    for (const name of ['count', 'max'])
      world.from.kernel.addSysctl(`net/netfilter/nf_conntrack_${name}`, '1024');
  });
  await trouble('IPv4 of the NIC is gone', ['underlay-address-missing'], (world) => {
    world.from.kernel.outside([
      {
        verb: 'delete',
        object: {
          type: 'address',
          device: 'eth0',
          address: { address: parseAddress('192.0.2.1'), length: 24 },
        },
      },
    ]);
  });
  for (const [change, code] of [
    [{ up: false }, 'nic-down'],
    [{ carrier: false }, 'nic-no-carrier'],
    [{ arp: false }, 'nic-arp-off'],
    [{ mtu: 1300 }, 'nic-mtu-small'],
  ] as const)
    await trouble(code, [code], (world) =>
      world.from.kernel.setDetails({ devices: { eth0: change } }),
    );
  await trouble('an XDP program, and packets are lost there', ['nic-hook'], (world) => {
    world.to.kernel.setDetails({ devices: { eth0: { xdp: true } } });
    return { probes: [...fine, fwd('there', 'receiver-tunnel'), oneWay('back'), noEcho] };
  });
  await trouble('an XDP program that lets pass', [], (world) =>
    world.to.kernel.setDetails({ devices: { eth0: { xdp: true } } }),
  );
  await trouble('the address is a duplicate', ['duplicate-node-address'], (world) =>
    world.from.kernel.setDetails({ duplicates: ['192.0.2.1'] }),
  );
  await trouble('the address of the peer is here', ['duplicate-node-address'], (world) => {
    world.from.kernel.outside([
      {
        verb: 'set',
        object: {
          type: 'address',
          device: 'wl0',
          address: { address: parseAddress('198.51.100.1'), length: 32 },
        },
      },
    ]);
  });
  await trouble('an overlay address of the peer is here', ['address-duplicate'], (world) => {
    world.from.kernel.outside([
      {
        verb: 'set',
        object: {
          type: 'address',
          device: 'wl0',
          address: { address: parseAddress('10.64.3.0'), length: 32 },
        },
      },
    ]);
  });
  await trouble('no route to the peer', ['underlay-route-missing'], (world) =>
    set(world, route('198.51.100.1/32', { target: { kind: 'unreachable' } })),
  );
  await trouble('a black hole for the peer', ['underlay-route-foreign'], (world) =>
    set(world, route('198.51.100.1/32', { target: { kind: 'blackhole' } })),
  );
  await trouble('the tunnel leads into itself', ['underlay-route-recursive'], (world) =>
    set(
      world,
      route('198.51.100.0/24', {
        target: {
          kind: 'unicast',
          device: 'slv4a',
          gateway: undefined,
          onlink: false,
          mtu: undefined,
          preferredSource: undefined,
        },
      }),
    ),
  );
  const elsewhere = route('198.51.100.0/24');
  await trouble('another way out that works', [], (world) => set(world, elsewhere));
  await trouble('another way out, and packets are lost', ['underlay-route-elsewhere'], (world) => {
    set(world, elsewhere);
    return { probes: [...fine, fwd('there', 'sender-nic'), oneWay('back'), noEcho] };
  });
  await trouble('a smaller MTU that the kernel remembers', ['path-mtu-learned'], (world) =>
    set(
      world,
      route('198.51.100.0/24', {
        target: {
          kind: 'unicast',
          device: 'eth0',
          gateway: undefined,
          onlink: false,
          mtu: 1300,
          preferredSource: undefined,
        },
      }),
    ),
  );
  const hop = (state: 'failed' | 'permanent') => (world: World) => {
    world.from.kernel.setDetails({
      neighbours: [
        {
          device: 'eth0',
          address: parseAddress('198.51.100.1'),
          mac: state === 'failed' ? undefined : '02:00:00:00:00:77',
          state,
        },
      ],
    });
    return {
      to: null,
      peerSilence: 'timeout',
      probes: [
        roundTrip('underlay', { answered: 0 }),
        roundTrip('control', { answered: 0 }),
        noEcho,
      ],
    };
  };
  await trouble('nobody answers on the link', ['underlay-neighbour-unresolved'], hop('failed'));
  await trouble('a MAC written by hand', ['underlay-neighbour-static'], hop('permanent'));
  await trouble('a second remote for the MAC', ['fdb-foreign'], (world) => {
    const [own] = [...world.from.desired.objects.values()].filter(
      (object) => object.type === 'fdb',
    );
    if (own?.type === 'fdb')
      world.from.kernel.setDetails({
        forwarding: [
          {
            device: 'slv4a',
            mac: '00:00:00:00:00:00',
            remote: parseAddress('192.0.2.99'),
            permanent: true,
            overrides: [],
          },
        ],
      });
  });
  await trouble('a stale remote', ['fdb-wrong'], (world) => {
    for (const object of world.from.desired.objects.values())
      if (object.type === 'fdb' && object.remote.text === '198.51.100.1')
        world.from.kernel.outside([
          { verb: 'set', object: { ...object, remote: parseAddress('192.0.2.99') } },
        ]);
  });
  await trouble('a wrong MAC', ['neighbour-wrong'], (world) => {
    for (const object of world.from.desired.objects.values())
      if (object.type === 'neighbour' && object.address.text === '10.64.3.0')
        world.from.kernel.outside([
          { verb: 'set', object: { ...object, mac: '02:00:00:00:00:77' } },
        ]);
  });
  const device = (change: object) => (world: World) => {
    const own = world.to.desired.objects.get('link slv4a');
    if (own?.type === 'link' && own.kind === 'vxlan')
      world.to.kernel.replaceLink({ ...own, ...change });
  };
  await trouble('another VNI at the peer', ['vni-differs'], device({ vni: 7 }));
  await trouble('another port at the peer', ['vxlan-port-differs'], device({ port: 8472 }));
  await trouble('the device is down', ['device-down'], device({ up: false }));
  const gone = await trouble('the device is gone', ['device-missing'], (world) =>
    world.from.kernel.deleteNic('slv4a'),
  );
  t.ok(gone.findings.length > 3, 'what went with it contributes');
  await trouble('a device of another kind', ['device-foreign'], (world) => {
    world.from.kernel.deleteNic('slv4a');
    world.from.kernel.setNic({ name: 'slv4a' });
  });
  await trouble('the guard differs', ['guard-differs'], async (world) => ({
    to: await world.to.view({
      role: 'to',
      guard: { ok: false, difference: 'outer4 lacks 192.0.2.1' },
    }),
    probes: [...fine, fwd('there', 'receiver-tunnel'), oneWay('back'), noEcho],
  }));
  for (const [kind, code] of [
    ['drops-tunnel', 'filter-drops-tunnel'],
    ['drops-forwarded', 'filter-drops-overlay'],
    ['masquerades-overlay', 'masquerade-hits-overlay'],
  ] as const) {
    const foreign: ForeignRule = {
      kind,
      table: 'inet firewalld',
      chain: 'input',
      rule: 'drop',
      hits: 'VXLAN (UDP 4789) over IPv4',
      remedy: 'nft insert rule inet firewalld input accept',
      certain: true,
    };
    const found = await trouble(code, [code], async (world) => ({
      to: await world.to.view({ role: 'to', foreignRules: [foreign] }),
    }));
    t.equal(found.findings[0]!.remedies[0]!.command, foreign.remedy);
  }
  await trouble('no agent here', ['agent-not-running'], async (world) => ({
    from: await world.from.view({ role: 'from', agent: 'none' }),
  }));
  await trouble('echoes are ignored', ['echo-ignored'], (world) => {
    world.to.kernel.addSysctl('net/ipv4/icmp_echo_ignore_all', '1');
    return { probes: [...fine, oneWay('there'), oneWay('back'), noEcho] };
  });
}
