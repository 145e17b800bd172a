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
import type { Joined } from '../../src/fleet/join.js';
import { leaveFleet } from '../../src/fleet/leave.js';
import { rangesOf } from '../../src/fleet/ranges.js';
import type { Fleet } from '../../src/fleet/reading.js';
import { readFleet } from '../../src/fleet/reading.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
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

const immortal = 1000;

const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('join', 'join', 'join', 'leave'),
  node: fc.nat(3),
  blocks: fc.constantFrom(1, 1, 2),
  lives: fc.oneof(fc.constant(immortal), fc.nat(12)),
  lastIsDone: fc.boolean(),
});

const soundJoin: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('join' as const),
  node: fc.nat(1),
  blocks: fc.integer({ min: 1, max: 3 }),
  lives: fc.constant(immortal),
  lastIsDone: fc.constant(true),
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

const nodes = [0, 1, 2, 3] as const;
const smallBlocks = `overlay:
  pools: [10.64.0.0/22, "fd64::/60"]
  blocks: [{ within: 10.64.0.0/22, size: 26 }]
`;

function joinNumber(kv: KeyValue, node: number, blocks = 1): Promise<Joined> {
  return joinAs(kv, { name: `n${node}`, address: `10.0.0.${node + 1}/24`, blocks });
}

function leaveNumber(kv: KeyValue, node: number): Promise<unknown> {
  const name = `n${node}`;
  const keys = fleetKeys('c');
  return leaveFleet(kv, { keys, cluster: 'c', name, accounts: undefined, evenIfAlive: true });
}

/** All steps at once, in whatever order the scheduler likes; then the fleet as it is. */
async function runAtOnce(
  kv: KeyValue,
  scheduler: fc.Scheduler,
  steps: readonly Step[],
): Promise<Fleet> {
  const joined: Joined[] = [];
  const running = steps.map(async (step) => {
    const on = mortal(kv, scheduler, step);
    if (step.kind === 'leave') await leaveNumber(on, step.node);
    else joined.push(await joinNumber(on, step.node, step.blocks));
  });
  await scheduler.waitFor(Promise.allSettled(running));
  for (const end of await Promise.allSettled(running)) {
    const told = end.status === 'rejected' ? (end.reason as Error) : undefined;
    if (told !== undefined && !(told instanceof Died || told instanceof FleetError)) throw told;
  }
  const fleet = await readFleet(kv, fleetKeys('c'));
  const taken = fleet.blocks.map(({ prefix }) => prefix);
  for (const [i, a] of taken.entries())
    for (const b of taken.slice(0, i))
      if (prefixesOverlap(a, b)) throw new Error(`${a.text} overlaps ${b.text}`);
  // Who was told that a block is its own, and did nothing since, has it.
  for (const { name, overlay } of joined) {
    if (steps.filter(({ node }) => `n${node}` === name).length > 1) continue;
    for (const text of overlay)
      if (!fleet.blocks.some(({ prefix, node }) => prefix.text === text && node === name))
        throw new Error(`${name} was told that it has ${text}`);
  }
  return fleet;
}

const seeded = {
  seed: Number(process.env['SELVAGE_SEED'] ?? 20261122),
  numRuns: Number(process.env['SELVAGE_RUNS'] ?? 50),
};

t.test('whatever crashes when, no block is given twice, and none is lost', async (t) => {
  let leaks = 0;
  const check = fc.asyncProperty(
    fc.scheduler(),
    fc.array(anyStep, { minLength: 2, maxLength: 7 }),
    async (scheduler, steps) => {
      const { server, keys } = await fleetOf(smallBlocks);
      const kv = server.client();
      const fleet = await runAtOnce(kv, scheduler, steps);
      // What is nobody's is named, and can be given back.
      const named = checkIpam(fleet);
      for (const { prefix, node } of fleet.blocks) {
        const claims = fleet.records.get(node)?.overlay ?? [];
        if (claims.some(({ text }) => text === prefix.text)) continue;
        leaks++;
        if (!named.some(({ subject }) => subject === prefix.text))
          throw new Error(`${prefix.text} is leaked`);
        await releaseBlocks(kv, { keys, what: { prefix }, force: false });
      }
      // A join heals whatever the one before left.
      for (const node of nodes) await joinNumber(kv, node);
      const healed = checkIpam(await readFleet(kv, keys));
      if (healed.length > 0) throw new Error(JSON.stringify(healed));
      for (const node of nodes) await leaveNumber(kv, node);
      const rest = (await kv.list(keys.all)).entries.map(({ key }) => key);
      return rest.join() === keys.config(1);
    },
  );
  await fc.assert(check, seeded);
  t.ok(leaks > 10, `crashes left ${leaks} blocks behind`);
});

t.test('of joins with one name at once, those that lose leave nothing behind', async (t) => {
  let conflicts = 0;
  const check = fc.asyncProperty(
    fc.scheduler(),
    fc.array(soundJoin, { minLength: 2, maxLength: 5 }),
    async (scheduler, steps) => {
      const { server } = await fleetOf(smallBlocks);
      const fleet = await runAtOnce(server.client(), scheduler, steps);
      conflicts += steps.length - fleet.records.size;
      const found = checkIpam(fleet);
      if (found.length > 0) throw new Error(JSON.stringify(found));
      return true;
    },
  );
  await fc.assert(check, seeded);
  t.ok(conflicts > 30, `${conflicts} joins of a name that others had as well`);
});
