/**
 * The guard's rules as data: the same for every order of the same facts, changed by no more than
 * what differs, and equal to what a fresh start would load (on a real kernel, in a namespace).
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import t from 'tap';
import { addressFromU32, parseAddress } from '../../encap/address.js';
import { parsePrefix, prefixOf } from '../../encap/prefix.js';
import { guardFacts } from '../../tunnel/guard/facts.js';
import type { GuardPeer, GuardSpec } from '../../tunnel/guard/guard.js';
import { iptablesProgram } from '../../tunnel/guard/iptables-program.js';
import { MemoryGuard } from '../../tunnel/guard/memory.js';
import { nftProgram } from '../../tunnel/guard/nft-program.js';
import {
  differences,
  listingOf,
  newSets,
  transaction,
} from '../../tunnel/guard/nft-transaction.js';
import { NftablesGuard } from '../../tunnel/guard/nftables.js';

const seed = 20261122;
t.comment(`fast-check seed ${seed}`);

const address4 = fc.integer({ min: 0xc0000200, max: 0xc000020f }).map(addressFromU32);
const address6 = fc.constantFrom(
  ...['2001:db8::1', '::ffff:192.0.2.1', '64:ff9b::1', '::1:2:3:4'].map(parseAddress),
);
const address = fc.oneof(address4, address6);
const prefix = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0x0a000000, max: 0x0a0003ff }), fc.integer({ min: 0, max: 32 }))
    .map(([bits, length]) => prefixOf(addressFromU32(bits), length)),
  fc
    .tuple(address6, fc.constantFrom(0, 1, 16, 33, 64, 96, 100, 127, 128))
    .map(([one, length]) => prefixOf(one, length)),
);
const device = fc.constantFrom('eth0', 'eth1', 'slv4a', 'br-3f', 'a.100');
const list = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 4 });
const peer: fc.Arbitrary<GuardPeer> = fc.record({
  node: fc.constant('node'),
  outerSources: list(address),
  innerSources: list(prefix),
  nativeSources: list(prefix),
});
const spec: fc.Arbitrary<GuardSpec> = fc.record({
  vxlan: list(
    fc.record({ vni: fc.constantFrom(1, 42, 16777215), port: fc.constantFrom(4789, 8472) }),
  ),
  localAddresses: list(address),
  peers: list(peer),
  nics: list(device),
  tunnelDevices: list(device),
  pools: list(prefix),
  ownPrefixes: list(prefix),
  nodeAddresses: list(address),
  blockMetadata: fc.boolean(),
  nativeDestinations: list(prefix),
  masquerade: fc.record({ sources: list(prefix), exclude: list(prefix) }),
});

const program = (one: GuardSpec): ReturnType<typeof nftProgram> => nftProgram(guardFacts(one));

t.test('the order of facts, and repeating them, changes nothing', (t) => {
  const turned = <T>(items: readonly T[]): readonly T[] => [...items].reverse().concat(items);
  fc.assert(
    fc.property(spec, (one) => {
      const other: GuardSpec = {
        vxlan: turned(one.vxlan),
        localAddresses: turned(one.localAddresses),
        peers: turned(one.peers).map((each) => ({
          ...each,
          innerSources: turned(each.innerSources),
        })),
        nics: turned(one.nics),
        tunnelDevices: turned(one.tunnelDevices),
        pools: turned(one.pools),
        ownPrefixes: turned(one.ownPrefixes),
        nodeAddresses: turned(one.nodeAddresses),
        blockMetadata: one.blockMetadata,
        nativeDestinations: turned(one.nativeDestinations),
        masquerade: {
          sources: turned(one.masquerade!.sources),
          exclude: turned(one.masquerade!.exclude),
        },
      };
      t.equal(transaction(program(other), { listing: listingOf(program(one)) }), undefined);
      for (const family of [4, 6] as const)
        t.same(
          iptablesProgram(guardFacts(other), family),
          iptablesProgram(guardFacts(one), family),
        );
    }),
    { seed, numRuns: 50 },
  );
  t.end();
});

t.test('every difference is told, and only a difference makes a transaction', (t) => {
  fc.assert(
    fc.property(spec, spec, (before, after) => {
      const listing = listingOf(program(before));
      const told = differences(program(after), listing).length > 0;
      t.equal(transaction(program(after), { listing }) !== undefined, told);
    }),
    { seed, numRuns: 100 },
  );
  t.end();
});

const small: GuardSpec = {
  vxlan: [{ vni: 42, port: 4789 }],
  localAddresses: [parseAddress('192.0.2.1')],
  peers: [
    {
      node: 'b',
      outerSources: [parseAddress('192.0.2.2')],
      innerSources: [parsePrefix('10.2.0.0/24'), parsePrefix('10.2.0.0/25')],
      nativeSources: [],
    },
  ],
  nics: ['eth0'],
  tunnelDevices: ['slv4a'],
  pools: [parsePrefix('10.0.0.0/8')],
  ownPrefixes: [parsePrefix('10.1.0.0/24')],
  nodeAddresses: [parseAddress('192.0.2.1'), parseAddress('192.0.2.2')],
  blockMetadata: true,
  nativeDestinations: [],
};

t.test('a peer that comes adds its elements and nothing else', (t) => {
  const more: GuardSpec = {
    ...small,
    peers: [
      ...small.peers,
      {
        node: 'c',
        outerSources: [parseAddress('192.0.2.3')],
        innerSources: [parsePrefix('10.3.0.0/24')],
        nativeSources: [parsePrefix('10.3.0.0/24')],
      },
    ],
  };
  t.equal(
    transaction(program(more), { listing: listingOf(program(small)) }),
    [
      'add element inet selvage_guard pair44 { 192.0.2.3 . 0xa030000-0xa0300ff }',
      'add element inet selvage_guard outer4 { 192.0.2.3 }',
      'add element inet selvage_guard native4 { 10.3.0.0/24 }',
      '',
    ].join('\n'),
  );
  t.equal(
    transaction(program(small), { listing: listingOf(program(more)) }),
    [
      'delete element inet selvage_guard pair44 { 192.0.2.3 . 0xa030000-0xa0300ff }',
      'delete element inet selvage_guard outer4 { 192.0.2.3 }',
      'delete element inet selvage_guard native4 { 10.3.0.0/24 }',
      '',
    ].join('\n'),
  );
  t.end();
});

t.test('a device name that a tool would misread is refused', (t) => {
  for (const nic of ['', 'eth*', 'eth+', 'a b', 'a"b', 'sixteen-chars-xx'])
    t.throws(() => guardFacts({ ...small, nics: [nic] }), /cannot guard device/, nic);
  t.end();
});

t.test('on the kernel, any sequence of specs ends where a fresh start would', async (t) => {
  const netns = `sgt${process.pid}seq`;
  execFileSync('ip', ['netns', 'add', netns]);
  t.teardown(() => execFileSync('ip', ['netns', 'del', netns]));
  const guard = new NftablesGuard({ netns, log: (line) => t.fail(line) });
  await fc.assert(
    fc.asyncProperty(spec, async (one) => {
      await guard.apply(one);
      assert.deepEqual(await guard.verify(one), { ok: true, difference: undefined });
    }),
    { seed, numRuns: 40 },
  );
  t.pass('40 specs, one after the other');
});

t.test('the guard in memory behaves as the kernel does', async (t) => {
  const guard = new MemoryGuard();
  t.equal((await guard.verify(small)).ok, false);
  await guard.apply(small);
  await guard.apply({ ...small });
  t.equal(guard.writes, 1, 'the same again writes nothing');
  t.same(guard.held, small);
  guard.failNext(new Error('load the guard: nft: busy'));
  await t.rejects(guard.apply({ ...small, nics: [] }), /busy/);
  t.equal((await guard.verify(small)).ok, true, 'a failure leaves the old rules');
  guard.drift('chain input: 1 of its rules missing');
  t.same(await guard.verify(small), {
    ok: false,
    difference: 'chain input: 1 of its rules missing',
  });
  await guard.apply(small);
  t.equal((await guard.verify(small)).ok, true);
  await guard.remove();
  t.equal(guard.held, undefined);
});

t.test('a table that is gone gets its sets first, and then the rules that look into them', (t) => {
  fc.assert(
    fc.property(spec, (wanted) => {
      const program = nftProgram(guardFacts(wanted));
      const sets = newSets(program, undefined);
      assert.ok(sets !== undefined);
      assert.doesNotMatch(sets.input, /^add (chain|rule)/m);
      const rules = transaction(program, { listing: sets.listing });
      assert.ok(rules !== undefined);
      assert.doesNotMatch(rules, /^(add (table|set|element)|delete)/m, 'nothing of a set is left');
      for (const [name, { rules: wantedRules }] of program.chains)
        assert.equal(
          rules.split(`\nadd rule inet selvage_guard ${name} `).length - 1,
          wantedRules.length,
        );
    }),
    { seed },
  );
  t.end();
});
