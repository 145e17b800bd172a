/**
 * Blocks of the overlay: which are free, who gets which, and that nobody ever gets another's,
 * whatever happens at the same time and wherever somebody is stopped.
 */
import fc from 'fast-check';
import t from 'tap';
import { parsePrefix, prefixesOverlap } from '../../encap/prefix.js';
import { parseClusterFile } from '../../src/config/index.js';
import type { BlockRange } from '../../src/config/read-blocks.js';
import { blockCount, freeBlocks, freeCount, takenSpace } from '../../src/fleet/block-space.js';
import { FleetError } from '../../src/fleet/fleet-error.js';
import { checkIpam } from '../../src/fleet/ipam-check.js';
import { releaseBlocks } from '../../src/fleet/ipam-release.js';
import { leaveFleet } from '../../src/fleet/leave.js';
import { rangesOf } from '../../src/fleet/ranges.js';
import { readFleet } from '../../src/fleet/reading.js';
import type { KeyValue } from '../../src/store/kv.js';
import { property } from '../support/property.js';
import { fleetOf, joinAs } from '../support/fleet.js';

t.setTimeout(120_000);

function range(text: string, length: number): BlockRange {
  return { within: parsePrefix(text), length, zones: undefined };
}

t.test('free blocks are what lies between what is taken', (t) => {
  const taken = takenSpace(
    ['10.64.0.0/24', '10.64.1.128/25', '10.64.3.0/24', '10.64.4.0/22', '10.0.0.0/12'].map(
      parsePrefix,
    ),
  );
  const v4 = range('10.64.0.0/20', 24);
  t.same(
    [...freeBlocks(v4, taken)].map(({ text }) => text),
    ['2', '8', '9', '10', '11', '12', '13', '14', '15'].map((n) => `10.64.${n}.0/24`),
  );
  t.equal(freeCount(v4, taken), 9n);
  t.equal(blockCount(v4), 16n);
  const v6 = range('fd64::/32', 64);
  const some = takenSpace([parsePrefix('fd64::/63'), parsePrefix('fd64:0:0:3::/64')]);
  const lowest: string[] = [];
  for (const { text } of freeBlocks(v6, some)) if (lowest.push(text) === 2) break;
  t.same(lowest, ['fd64:0:0:2::/64', 'fd64:0:0:4::/64']);
  t.equal(freeCount(v6, some), (1n << 32n) - 3n, 'counted, not enumerated');
  t.equal(freeCount(range('10.0.0.0/24', 24), taken), 0n, 'inside of something wider');
  t.end();
});

property(
  'free blocks are those that overlap nothing, lowest first',
  [fc.array(fc.tuple(fc.nat(255), fc.integer({ min: 26, max: 32 })), { maxLength: 20 })],
  (written) => {
    const v4 = range('10.64.0.0/24', 28);
    const prefixes = written.map(([host, length]) =>
      parsePrefix(`10.64.0.${host & (256 - 2 ** (32 - length))}/${length}`),
    );
    const expected = [...freeBlocks(v4, takenSpace([]))].filter(
      (block) => !prefixes.some((prefix) => prefixesOverlap(prefix, block)),
    );
    const found = [...freeBlocks(v4, takenSpace(prefixes))];
    return (
      found.map(({ text }) => text).join() === expected.map(({ text }) => text).join() &&
      freeCount(v4, takenSpace(prefixes)) === BigInt(expected.length)
    );
  },
);

t.test(
  'a zone has its own ranges, else the common ones; pools of which nothing is said too',
  (t) => {
    const read = parseClusterFile({
      file: 'f.yaml',
      members: 'registering',
      text: `
zones: [{ name: a }, { name: b }, { name: c }]
overlay:
  pools: [10.64.0.0/16, "fd64::/48", 10.80.0.0/28]
  blocks:
    - { within: 10.64.128.0/17, size: 26 }
    - { within: 10.64.0.0/18, zones: [a, b] }
`,
    });
    if (!read.ok) throw new Error(JSON.stringify(read.problems));
    const told = (zone: string, family: 4 | 6): readonly string[] =>
      rangesOf(read.ranges, { zone, family }).map((one) => `${one.within.text} ${one.length}`);
    t.same(told('a', 4), ['10.64.0.0/18 24']);
    t.same(told('c', 4), ['10.64.128.0/17 26']);
    t.same(told('a', 6), ['fd64::/48 64']);
    t.end();
  },
);

t.test('the lowest free block, then the same again, then more, then given back', async (t) => {
  const { server, keys } = await fleetOf(`
overlay: { pools: [10.64.0.0/22, "fd64::/56"] }
nodes:
  - { name: fixed, address: 10.0.0.200/24, overlay: [10.64.0.0/24] }
`);
  const first = await joinAs(server, { name: 'one', address: '10.0.0.1/24' });
  t.same(first.overlay, ['10.64.1.0/24', 'fd64::/64'], "a listed node's prefix is not given away");
  t.same(first.made, first.overlay);
  const again = await joinAs(server, { name: 'one', address: '10.0.0.1/24' });
  t.same([again.overlay, again.made], [first.overlay, []]);
  const more = await joinAs(server, { name: 'one', address: '10.0.0.1/24', blocks: 2 });
  t.same(more.made, ['10.64.2.0/24', 'fd64:0:0:1::/64']);
  t.same(more.overlay, [...first.overlay, ...more.made], 'the first stay first');
  await joinAs(server, { name: 'two', address: '10.0.0.2/24' });
  await t.rejects(joinAs(server, { name: 'three', address: '10.0.0.3/24' }), {
    message: /no IPv4 block is free for zone default: 10\.64\.0\.0\/22 \(\/24\) is used up/,
  });
  const left = await leaveFleet(server.client(), {
    keys,
    cluster: 'c',
    name: 'one',
    accounts: undefined,
    evenIfAlive: false,
  });
  t.same(left.removed, ['record']);
  t.same([...left.blocks].sort(), [...more.overlay].sort());
  const third = await joinAs(server, { name: 'three', address: '10.0.0.3/24' });
  t.same(third.overlay, ['10.64.1.0/24', 'fd64::/64']);
  t.end();
});

interface Step {
  readonly kind: 'join' | 'leave';
  readonly node: number;
  readonly blocks: number;
  /** Calls of the store after which its process is gone; the last one may have been carried out. */
  readonly lives: number;
  readonly lastIsDone: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('join', 'join', 'join', 'leave'),
  node: fc.nat(3),
  blocks: fc.constantFrom(1, 1, 2),
  lives: fc.oneof(fc.constant(1000), fc.nat(12)),
  lastIsDone: fc.boolean(),
});

class Died extends Error {}

/** Every call waits for its turn, and at the end of its life there is none any more. */
function mortal(kv: KeyValue, scheduler: fc.Scheduler, { lives, lastIsDone }: Step): KeyValue {
  let left = lives;
  const turn = async <T>(call: () => Promise<T>): Promise<T> => {
    await scheduler.schedule(Promise.resolve());
    left -= 1;
    if (left < -1 || (left === -1 && !lastIsDone)) throw new Died();
    const answer = await call();
    if (left === -1) throw new Died();
    return answer;
  };
  return {
    ...kv,
    name: kv.name,
    get: (key) => turn(() => kv.get(key)),
    list: (prefix) => turn(() => kv.list(prefix)),
    put: (key, value, options) => turn(() => kv.put(key, value, options)),
    delete: (key, condition) => turn(() => kv.delete(key, condition)),
  };
}

t.test(
  'no interleaving of joins, leaves and crashes gives a block twice or loses one',
  async (t) => {
    const text =
      'overlay: { pools: [10.64.0.0/22, "fd64::/60"], blocks: [{ within: 10.64.0.0/22, size: 26 }] }';
    const address = (node: number): string => `10.0.0.${node + 1}/24`;
    let leaks = 0;
    const check = fc.asyncProperty(
      fc.scheduler(),
      fc.array(step, { minLength: 2, maxLength: 7 }),
      async (scheduler, steps) => {
        const { server, keys } = await fleetOf(text);
        const kv = server.client();
        const leave = (on: KeyValue, node: number): Promise<unknown> =>
          leaveFleet(on, {
            keys,
            cluster: 'c',
            name: `n${node}`,
            accounts: undefined,
            evenIfAlive: true,
          });
        const running = steps.map((one) => {
          const on = mortal(kv, scheduler, one);
          const { node, blocks } = one;
          return one.kind === 'leave'
            ? leave(on, node)
            : joinAs(on, { name: `n${node}`, address: address(node), blocks });
        });
        await scheduler.waitFor(Promise.allSettled(running));
        for (const one of await Promise.allSettled(running))
          if (
            one.status === 'rejected' &&
            !(one.reason instanceof Died || one.reason instanceof FleetError)
          )
            throw one.reason;

        const fleet = await readFleet(kv, keys);
        const taken = fleet.blocks.map(({ prefix }) => prefix);
        for (const [i, a] of taken.entries())
          for (const b of taken.slice(0, i))
            if (prefixesOverlap(a, b)) throw new Error(`${a.text} overlaps ${b.text}`);
        // What is nobody's is named, and can be given back.
        const used = new Set(
          [...fleet.records.values()].flatMap(({ overlay }) => overlay.map((p) => p.text)),
        );
        const named = checkIpam(fleet);
        for (const { prefix } of fleet.blocks) {
          if (used.has(prefix.text)) continue;
          leaks++;
          if (!named.some(({ subject }) => subject === prefix.text))
            throw new Error(`${prefix.text} is leaked`);
          await releaseBlocks(kv, { keys, what: { prefix }, force: false });
        }
        // A join heals whatever the one before left.
        for (const node of [0, 1, 2, 3])
          await joinAs(kv, { name: `n${node}`, address: address(node) });
        const healed = checkIpam(await readFleet(kv, keys));
        if (healed.length > 0) throw new Error(JSON.stringify(healed));
        for (const node of [0, 1, 2, 3]) await leave(kv, node);
        const rest = (await kv.list(keys.all)).entries.map(({ key }) => key);
        return rest.join() === keys.config(1);
      },
    );
    await fc.assert(check, {
      seed: Number(process.env['SELVAGE_SEED'] ?? 20261122),
      numRuns: Number(process.env['SELVAGE_RUNS'] ?? 100),
    });
    t.ok(leaks > 20, `crashes left ${leaks} blocks behind`);
  },
);
