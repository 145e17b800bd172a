/**
 * The guard follows single peers: what was counted of a spec leads, change by change, to the elements
 * that the next spec has when it is looked at as a whole; on a kernel as on paper.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { addressFromU32, parseAddress } from '../../encap/address.js';
import { parsePrefix, prefixOf } from '../../encap/prefix.js';
import { guardFacts } from '../../tunnel/guard/facts.js';
import type { GuardPeer, GuardSpec, GuardStep } from '../../tunnel/guard/guard.js';
import { setExchanges } from '../../tunnel/guard/nft-elements.js';
import { nftProgram } from '../../tunnel/guard/nft-program.js';
import { NftablesGuard } from '../../tunnel/guard/nftables.js';
import type { GuardShare } from '../../tunnel/guard/tally.js';
import { GuardTally } from '../../tunnel/guard/tally.js';

const seed = 20261122;
t.comment(`fast-check seed ${seed}`);

const address = fc.oneof(
  fc.integer({ min: 0xc0000200, max: 0xc0000206 }).map(addressFromU32),
  fc.constantFrom(...['2001:db8::1', '::ffff:192.0.2.1', '64:ff9b::1'].map(parseAddress)),
);
const prefix = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0x0a000000, max: 0x0a0003ff }), fc.integer({ min: 20, max: 32 }))
    .map(([bits, length]) => prefixOf(addressFromU32(bits), length)),
  fc.constantFrom(
    ...['0.0.0.0/0', '255.255.255.255/32', '255.0.0.0/8', '2001:db8::/32', '2001:db8::1/128'].map(
      parsePrefix,
    ),
  ),
);
const few = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 3 });

/** What one node brings, or nothing: it is gone. */
interface Node {
  readonly peer: Omit<GuardPeer, 'node'>;
  readonly nodeAddresses: GuardShare['nodeAddresses'];
  readonly nativeDestinations: GuardShare['nativeDestinations'];
}
const change = fc.record({
  name: fc.constantFrom('a', 'b', 'c', 'd'),
  node: fc.option(
    fc.record({
      peer: fc.record({
        outerSources: few(address),
        innerSources: few(prefix),
        nativeSources: few(prefix),
      }),
      nodeAddresses: few(address),
      nativeDestinations: few(prefix),
    }),
    { nil: undefined },
  ),
});

function share(nodes: ReadonlyMap<string, Node>): GuardShare {
  const all = [...nodes];
  return {
    peers: all.map(([node, { peer }]) => ({ node, ...peer })),
    nodeAddresses: all.flatMap(([, { nodeAddresses }]) => nodeAddresses),
    nativeDestinations: all.flatMap(([, { nativeDestinations }]) => nativeDestinations),
  };
}

function specOf(nodes: ReadonlyMap<string, Node>): GuardSpec {
  return {
    vxlan: [{ vni: 4096, port: 4789 }],
    localAddresses: [parseAddress('192.0.2.250')],
    nics: ['eth0'],
    tunnelDevices: ['slv4a'],
    pools: [parsePrefix('10.0.0.0/8')],
    ownPrefixes: [parsePrefix('10.99.0.0/24')],
    blockMetadata: true,
    ...share(nodes),
  };
}

/** Steps through changes, from a spec with nobody in it. */
function* steps(
  changes: readonly { readonly name: string; readonly node: Node | undefined }[],
): Generator<GuardStep> {
  const nodes = new Map<string, Node>();
  let from = specOf(nodes);
  const tally = new GuardTally(from);
  for (const { name, node } of changes) {
    const before = nodes.get(name);
    const gone = share(new Map(before === undefined ? [] : [[name, before]]));
    const come = share(new Map(node === undefined ? [] : [[name, node]]));
    if (node === undefined) nodes.delete(name);
    else nodes.set(name, node);
    const to = specOf(nodes);
    yield { from, to, delta: tally.exchange({ gone, come }) };
    from = to;
  }
}

t.test('any sequence of single changes ends in the elements of the whole', (t) => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const held = new Map<string, Set<string>>();
      for (const { to, delta } of steps(changes)) {
        for (const { set, gone, come } of setExchanges(delta)) {
          const elements = held.get(set) ?? new Set();
          for (const { text } of gone) assert.ok(elements.delete(text), `${text} was in ${set}`);
          for (const { text } of come) {
            assert.ok(!elements.has(text), `${text} is new in ${set}`);
            elements.add(text);
          }
          held.set(set, elements);
        }
        for (const [name, { elements }] of nftProgram(guardFacts(to)).sets)
          assert.deepEqual([...(held.get(name) ?? [])].sort(), [...elements].sort(), name);
      }
    }),
    { seed, numRuns: 400 },
  );
  t.pass('400 sequences');
  t.end();
});

t.test('on a kernel: each step holds, and is no news', async (t) => {
  const netns = `sgt${process.pid}step`;
  execFileSync('ip', ['netns', 'add', netns]);
  t.teardown(() => execFileSync('ip', ['netns', 'del', netns]));
  const guard = new NftablesGuard({ netns, log: (line) => t.fail(line) });
  let told = 0;
  const watch = guard.watch(() => told++);
  t.teardown(() => watch.close());
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 3, maxLength: 12 }), async (changes) => {
      await guard.apply(specOf(new Map()));
      await sleep(40);
      told = 0;
      for (const step of steps(changes)) {
        assert.equal(await guard.step(step), true);
        const others = new NftablesGuard({ netns });
        await others.verify(step.to);
        const { ok, difference } = await others.verify(step.to);
        assert.equal(ok, true, difference);
        assert.equal((await guard.verify(step.to)).ok, true);
      }
      await sleep(40);
      assert.equal(told, 0, 'nobody else has written');
    }),
    { seed, numRuns: 4 },
  );

  const from = specOf(new Map());
  await guard.apply(from);
  const joined: Node = {
    peer: {
      outerSources: [parseAddress('192.0.2.1')],
      innerSources: [parsePrefix('10.1.0.0/24')],
      nativeSources: [],
    },
    nodeAddresses: [],
    nativeDestinations: [],
  };
  const [join, leave] = steps([
    { name: 'a', node: joined },
    { name: 'a', node: undefined },
  ]);
  t.equal(await guard.step({ ...join!, from }), true);
  const delta = leave!.delta;
  execFileSync('ip', ['netns', 'exec', netns, 'nft', 'add', 'table', 'inet', 'others']);
  t.equal(
    await guard.step({ from: join!.to, to: leave!.to, delta }),
    false,
    'written by somebody else: the generation is another, so nothing is done',
  );
  t.equal((await guard.verify(join!.to)).ok, true, 'and it is as it was');
  t.equal(await guard.step({ from: join!.to, to: leave!.to, delta }), true, 'looked at anew');
  execFileSync('ip', ['netns', 'exec', netns, 'nft', 'add element inet selvage_guard outer4 { 198.51.100.1 }']); // prettier-ignore
  const here = specOf(new Map());
  for (let i = 0; told === 0 && i < 400; i++) await sleep(50);
  t.ok(told > 0, "somebody else's change is told");
  t.equal(await guard.step({ from: here, to: from, delta }), false, 'and ends the steps');
});
