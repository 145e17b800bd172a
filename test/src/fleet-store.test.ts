/** The store of a fleet: what counts of what is in it, whoever wrote it, in whatever order it came. */
import fc from 'fast-check';
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { prefixesOverlap } from '../../encap/prefix.js';
import { modelToPlain } from '../../src/store/cluster-json.js';
import { openFleetStore } from '../../src/store/fleet/open.js';
import type { FleetStore } from '../../src/store/fleet/open.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
import type { Entry, KeyEvent, KeyValue } from '../../src/store/kv.js';
import type { MemoryClient } from '../../src/store/memory-kv.js';
import { MemoryServer } from '../../src/store/memory-kv.js';
import type { StoreChange } from '../../src/store/store.js';
import { ManualClock } from '../support/manual-clock.js';
import type { Write } from '../support/scripted-store.js';
import { ScriptedStore, historyOf, keyOf } from '../support/scripted-store.js';

const keys = fleetKeys('prod');
const at = '2026-01-02T03:04:05.000Z';
const base = `cluster: prod
fleet: { leaseSeconds: 10, staleGraceSeconds: 60 }
overlay: { pools: [10.64.0.0/12] }
zones:
  - { name: a, subnets: [10.1.0.0/16] }
  - { name: b, subnets: [10.2.0.0/16] }
rules:
  - { name: all, mode: vxlan }
`;
const listed = `${base}nodes:\n  - { name: s1, address: 10.1.0.250, overlay: 10.65.0.0/24 }\n`;

interface World {
  readonly server: MemoryServer;
  readonly operator: KeyValue;
  readonly clock: ManualClock;
  readonly changes: StoreChange[];
  readonly client: MemoryClient;
  readonly store: FleetStore;
  open(node?: string): { readonly store: FleetStore; readonly client: MemoryClient };
}

/** One server and one reader of it. */
function world(
  t: { teardown(end: () => void): void },
  options: { readonly node?: string } = {},
): World {
  const server = new MemoryServer();
  const clock = new ManualClock();
  const opened: FleetStore[] = [];
  const open = (node?: string): ReturnType<World['open']> => {
    const client = server.client('etcd://x:2379');
    const store = openFleetStore(client, {
      ...{ cluster: 'prod', clock, now: () => new Date(Date.parse(at) + clock.now()) },
      ...(node === undefined ? {} : { node, release: '1.2.3' }),
    });
    opened.push(store);
    return { store, client };
  };
  t.teardown(() => {
    for (const store of opened) store.close();
  });
  const changes: StoreChange[] = [];
  const reader = open(options.node);
  reader.store.onChange((change) => changes.push(change));
  return { server, clock, changes, ...reader, operator: server.client(), open };
}

type Json = Readonly<Record<string, unknown>>;

const write = {
  config: (kv: KeyValue, version: number, text: string, more: Json = {}) =>
    kv.put(keys.config(version), JSON.stringify({ version: 1, text, at, by: 'me', ...more })),
  record: (kv: KeyValue, name: string, node: Json) =>
    kv.put(keys.record(name), JSON.stringify({ version: 1, node })),
  block: (kv: KeyValue, prefix: string, node: string) =>
    kv.put(`${keys.blocks}${prefix.replace('/', '_')}`, JSON.stringify({ version: 1, node, at })),
  alive: (kv: KeyValue, name: string, instance = 'x') =>
    kv.put(keys.alive(name), JSON.stringify({ version: 1, instance, since: at })),
};

async function join(kv: KeyValue, name: string, place: readonly [string, string]): Promise<void> {
  const [address, overlay] = place;
  await write.block(kv, overlay, name);
  await write.record(kv, name, { address, overlay });
  await write.alive(kv, name);
}

/** Everything that has been written is in force, or refused. */
async function told({ clock, store }: Pick<World, 'clock' | 'store'>): Promise<void> {
  // Once more: what has just been read may be the first thing to follow.
  for (let i = 0; i < 2; i++) {
    await clock.advance(0);
    await store.settled();
  }
}

function names(cluster: Cluster | undefined): string {
  return [...(cluster?.nodes.values() ?? [])]
    .map(({ name, overlay, stale, withdrawn }) =>
      [name, ...overlay.map(({ text }) => text), stale && 'stale', withdrawn && 'withdrawn']
        .filter(Boolean)
        .join(' '),
    )
    .sort()
    .join(', ');
}

t.test(
  'configuration and records make one cluster, and an event is told by its nodes',
  async (t) => {
    const here = world(t);
    const { operator, store, changes } = here;
    await told(here);
    t.equal(store.current, undefined);
    t.same(store.problems, [
      'etcd://x:2379/prod holds no configuration: write one with "selvage config set"',
    ]);
    await write.config(operator, 1, listed);
    await join(operator, 'n1', ['10.1.0.1', '10.64.1.0/24']);
    await told(here);
    await told(here);
    t.equal(names(store.current), 'n1 10.64.1.0/24, s1 10.65.0.0/24');
    t.same(store.problems, []);
    const n1 = store.current!.nodes.get('n1')!;
    t.equal(n1.zone, 'a');
    t.equal(n1.underlay[0]!.length, 16, 'the mask of its zone');
    t.same(store.current!.rules[0]!.source, {
      ...{ file: 'etcd://x:2379/prod/config/1', line: 8, column: 5 },
    });

    changes.length = 0;
    const before = store.current!;
    await join(operator, 'n2', ['10.2.0.1', '10.64.2.0/24']);
    await told(here);
    t.same(changes, [{ kind: 'nodes', names: ['n2'] }]);
    t.equal(store.current!.nodes.get('n1'), before.nodes.get('n1'), 'the others are as they were');
    t.ok(store.current!.revision > before.revision);
    t.equal(before.nodes.get('n2'), undefined, 'a cluster that was handed out stays as it is');

    changes.length = 0;
    await operator.delete(keys.record('n1'));
    await write.record(operator, 'n2', { address: '10.2.0.9', overlay: '10.64.2.0/24' });
    await told(here);
    t.same(changes, [{ kind: 'nodes', names: ['n1', 'n2'] }], 'both at once');
    t.equal(names(store.current), 'n2 10.64.2.0/24, s1 10.65.0.0/24');

    changes.length = 0;
    await write.config(operator, 2, listed.replace('mode: vxlan', 'mode: ipip'));
    await told(here);
    t.same(changes, [{ kind: 'all' }]);
    t.equal(store.current!.rules[0]!.mode, 'ipip');
    t.equal(store.health.config, 2);
  },
);

t.test('a bad version never replaces a good one, and is named', async (t) => {
  const here = world(t);
  const { operator, store } = here;
  await write.config(operator, 3, base);
  await write.config(operator, 4, 'nodes: [');
  await operator.put(`${keys.configs}latest`, 'x');
  await told(here);
  t.equal(store.health.config, 3);
  t.same(
    store.problems.map((line) => line.slice(0, 60)),
    [
      'etcd://x:2379/prod/config/latest: its key is no version',
      'etcd://x:2379/prod/config/4:1:8: error: a list "[" is opened',
    ],
  );
  await operator.delete(keys.config(3));
  await told(here);
  t.equal(store.health.config, 3, 'also when it is gone');
  t.match(store.problems[2], /no usable configuration any more: version 3 stays in force/);
  await write.config(operator, 5, base);
  await told(here);
  t.equal(store.health.config, 5);
  t.equal(store.problems.length, 1);
});

t.test('a configuration of another cluster is named and not used', async (t) => {
  const here = world(t);
  const { operator, store } = here;
  await write.config(operator, 1, base.replace('cluster: prod', '# without a name'));
  await told(here);
  t.equal(store.current?.name, 'prod', "without a name it is the store's");
  await write.config(operator, 2, base.replace('cluster: prod', 'cluster: test'));
  await told(here);
  t.same([store.current?.name, store.health.config], ['prod', 1]);
  t.match(store.problems, [
    /\/config\/2: it is of a cluster called "test", and this store is that of "prod": write "cluster: prod"/,
  ]);
});

t.test('a change in phases: who is sent by, and what is received besides', async (t) => {
  const here = world(t);
  const { operator, store } = here;
  const next = base.replace('mode: vxlan', 'mode: ipip');
  const seen = (): unknown => [
    store.health.config,
    store.current!.rules[0]!.mode,
    store.current!.changeover?.phase,
    store.current!.changeover?.other?.rules[0]?.mode,
  ];
  const phase = async (name: string, from: number): Promise<unknown> => {
    await write.config(operator, 2, next, { changeover: { phase: name, from } });
    await told(here);
    return seen();
  };
  await write.config(operator, 1, base);
  await told(here);
  t.same(seen(), [1, 'vxlan', undefined, undefined]);
  t.same(await phase('prepare', 1), [2, 'vxlan', 'prepare', 'ipip']);
  t.same(await phase('switch', 1), [2, 'ipip', 'switch', 'vxlan']);
  t.same(await phase('settled', 1), [2, 'ipip', 'settled', undefined]);
  t.same(store.problems, []);
  t.same(await phase('prepare', 7), [1, 'vxlan', undefined, undefined]);
  t.match(store.problems, [/config\/2: it is to replace version 7, which is not there/]);
});

t.test("an address that came with a join is nobody else's, however old his record", async (t) => {
  const here = world(t);
  const { operator, store } = here;
  const given = (prefix: string, node: string, addresses: readonly string[]) =>
    operator.put(
      `${keys.blocks}${prefix.replace('/', '_')}`,
      JSON.stringify({ version: 1, node, at, addresses }),
    );
  await write.config(operator, 1, base);
  // Before joins gave addresses.
  await join(operator, 'oldest', ['10.1.0.7', '10.64.7.0/24']);
  await given('10.64.1.0/24', 'n1', ['10.1.0.1']);
  await write.record(operator, 'n1', { address: '10.1.0.1', overlay: '10.64.1.0/24' });
  await given('10.64.2.0/24', 'n2', ['10.1.0.2', '198.51.100.2']);
  const second = { address: '10.1.0.2', publicAddress: '198.51.100.2', overlay: '10.64.2.0/24' };
  await write.record(operator, 'n2', second);
  for (const name of ['n1', 'n2']) await write.alive(operator, name);
  await told(here);
  const all = ['n1 10.64.1.0/24', 'n2 10.64.2.0/24', 'oldest 10.64.7.0/24'];
  t.equal(names(store.current), all.join(', '));
  t.same(store.problems, []);

  const thefts: readonly [string, Json, RegExp][] = [
    ['oldest', { address: '10.1.0.2', overlay: '10.64.7.0/24' }, /10\.1\.0\.2, which n2 was given/],
    ['n1', { address: '10.1.0.2', overlay: '10.64.1.0/24' }, /10\.1\.0\.2, which n2 was given/],
    [
      'n1',
      { address: '10.1.0.1', publicAddress: '198.51.100.2', overlay: '10.64.1.0/24' },
      /198\.51\.100\.2, which n2 was given/,
    ],
    [
      'n1',
      { address: '10.1.0.1', publicAddress: '10.1.255.254', overlay: '10.64.1.0/24' },
      /10\.1\.255\.254, which it was not given when it joined: refused; .*selvage node join/,
    ],
  ];
  for (const [thief, node, line] of thefts) {
    const before = (await operator.get(keys.record(thief)))!.value;
    await write.record(operator, thief, node);
    await told(here);
    t.match(store.problems, [new RegExp(`^node ${thief} claims ${line.source}`)]);
    const others = all.filter((one) => !one.startsWith(thief));
    t.equal(names(store.current), others.join(', '), 'the thief alone does not count');
    await operator.put(keys.record(thief), before);
    await told(here);
    t.equal(names(store.current), all.join(', '));
  }

  // Moved, and joined again: the gift goes with it, at once and the other way round.
  await write.record(operator, 'n2', { ...second, address: '10.1.0.3' });
  await told(here);
  t.match(store.problems, [/^node n2 claims 10\.1\.0\.3, which it was not given/]);
  await given('10.64.2.0/24', 'n2', ['10.1.0.3', '198.51.100.2']);
  await told(here);
  t.equal(names(store.current), all.join(', '));
  t.same(store.problems, []);
});

t.test('what a record claims that is not its own is refused and named', async (t) => {
  const here = world(t);
  const { operator, store } = here;
  await write.config(operator, 1, listed);
  await join(operator, 'n1', ['10.1.0.1', '10.64.1.0/24']);
  await join(operator, 'n2', ['10.2.0.1', '10.64.2.0/24']);
  const sound = 'n1 10.64.1.0/24, n2 10.64.2.0/24, s1 10.65.0.0/24';
  const record = (node: Json) => () => write.record(operator, 'rogue', node);
  const cases: readonly [string, () => Promise<unknown>, RegExp][] = [
    [
      "another's block",
      record({ address: '10.2.0.9', overlay: '10.64.1.0/24' }),
      /^node rogue claims 10\.64\.1\.0\/24, which belongs to n1 \(since revision \d+\): refused$/,
    ],
    [
      "a part of another's block",
      record({ address: '10.2.0.9', overlay: '10.64.1.128/25' }),
      /^node rogue claims 10\.64\.1\.128\/25, which belongs to n1 /,
    ],
    [
      "what holds another's block",
      record({ address: '10.2.0.9', overlay: '10.64.0.0/16' }),
      /^node rogue claims 10\.64\.0\.0\/16, which belongs to n1 /,
    ],
    [
      'what is free',
      record({ address: '10.2.0.9', overlay: '10.64.9.0/24' }),
      /claims 10\.64\.9\.0\/24, which is no block of it: refused/,
    ],
    [
      'what is in no pool',
      record({ address: '10.2.0.9', overlay: '172.16.0.0/24' }),
      /claims 172\.16\.0\.0\/24, which is in no pool of the configuration: refused/,
    ],
    [
      'what the configuration gives to another',
      record({ address: '10.2.0.9', overlay: '10.65.0.0/25' }),
      /claims 10\.65\.0\.0\/25, which the configuration gives to s1: refused/,
    ],
    [
      "another's address",
      record({ address: '10.1.0.1', overlay: '10.64.9.0/24' }),
      /^node rogue claims 10\.1\.0\.1, which belongs to n1 \(since revision \d+\): refused$/,
    ],
    [
      "another's address as a public one",
      record({ address: '10.1.0.9', publicAddress: '10.1.0.1', overlay: '10.64.9.0/24' }),
      /claims 10\.1\.0\.1, which is the underlay address of n1: refused/,
    ],
    [
      "a listed node's address",
      record({ address: '10.1.0.250', overlay: '10.64.9.0/24' }),
      /claims 10\.1\.0\.250, which the configuration gives to s1: refused/,
    ],
    [
      'a zone where it is not',
      record({ zone: 'b', address: '10.1.0.9', overlay: '10.64.9.0/24' }),
      /record of rogue is not used: address 10\.1\.0\.9: .*outside the subnets of zone b/,
    ],
    [
      'no zone at all',
      record({ address: '10.9.0.9', overlay: '10.64.9.0/24' }),
      /record of rogue is not used: address 10\.9\.0\.9: no subnet of any zone holds/,
    ],
    [
      'an address of a family that its zone has no subnet of',
      record({ addresses: ['10.1.0.9', '2001:db8::9/64'], overlay: '10.64.9.0/24' }),
      /of zone a, and its address 2001:db8::9 is in no subnet of it/,
    ],
    [
      'a public address inside the pools',
      record({ address: '10.1.0.9', publicAddress: '10.64.1.1', overlay: '10.64.9.0/24' }),
      /its public address 10\.64\.1\.1 is in the pool/,
    ],
    [
      'a public address of another zone',
      record({ address: '10.1.0.9', publicAddress: '10.2.0.77', overlay: '10.64.9.0/24' }),
      /of zone a, and its address 10\.2\.0\.77 is in no subnet of it/,
    ],
    [
      "another's name",
      record({ name: 'n1', address: '10.1.0.9', overlay: '10.64.9.0/24' }),
      /record of rogue is not used: it is of a node called "n1"/,
    ],
    ['no address', record({ overlay: '10.64.9.0/24' }), /not used: .*"address" is missing/],
    [
      'a word of the wrong kind',
      record({ address: '10.1.0.9', overlay: '10.64.9.0/24', mtu: 'big' }),
      /record of rogue is not used: mtu/,
    ],
    ['no JSON', () => operator.put(keys.record('rogue'), '{'), /not used: it is not JSON/],
    ['a list', () => operator.put(keys.record('rogue'), '[]'), /not used: it is not a mapping/],
    ['null', () => operator.put(keys.record('rogue'), 'null'), /not used: it is not a mapping/],
    [
      'a later format',
      () => operator.put(keys.record('rogue'), '{"version":2,"peer":1}'),
      /not used: it is of format version 2, and this release reads 1: update this node/,
    ],
    [
      'bytes',
      () => operator.put(keys.record('rogue'), '{"version":1,"node":{"name":"\uFFFD"}}'),
      /not used: it is not UTF-8/,
    ],
    [
      'far too much',
      () => operator.put(keys.record('rogue'), 'x'.repeat(100_000)),
      /not used: it is 100000 characters long/,
    ],
    [
      'a prototype',
      () => operator.put(keys.record('rogue'), '{"version":1,"node":{"__proto__":{"name":"n1"}}}'),
      /not used: .*"overlay" is missing|not used: .*"address" is missing/,
    ],
  ];
  for (const [what, act, line] of cases) {
    await act();
    await told(here);
    t.match(store.problems[0], line, what);
    t.equal(store.problems.length, 1, what);
    t.equal(names(store.current), sound, what);
  }
  await operator.delete(keys.record('rogue'));
  for (const key of ['record/a/b', 'record/', 'record/UPPER', 'block/here', 'block/10.64.1.1_24'])
    await operator.put(`${keys.all}${key}`, '{"version":1,"node":"n1","at":""}');
  await operator.put(`${keys.blocks}10.64.7.0_24`, 'garbage');
  await write.block(operator, '10.64.2.0/25', 'rogue');
  await write.block(operator, '10.65.0.0/16', 'rogue');
  await told(here);
  t.same(store.problems, [
    'block 10.64.1.1_24 is not used: its key is no prefix',
    'block 10.64.2.0/25 of rogue overlaps 10.64.2.0/24, which belongs to n2 (since revision 6): refused',
    'block 10.64.7.0_24 is not used: it is not JSON',
    'block 10.65.0.0/16 of rogue overlaps what the configuration gives to s1: refused',
    'block here is not used: its key is no prefix',
    'the record of  is not used: its key ends in no name of a node',
    'the record of UPPER is not used: its key ends in no name of a node',
    'the record of a/b is not used: its key ends in no name of a node',
  ]);
  t.equal(names(store.current), sound);
  t.equal(store.health.refusedRecords, 8);
  for (let i = 0; i < 60; i++) await operator.put(keys.record(`zz-${i}`), '?');
  await told(here);
  t.equal(store.problems.length, 31, 'as many as a person reads');
  t.equal(store.problems.at(-1), 'and 38 more');
});

t.test('a later release may say more of a node', async (t) => {
  const here = world(t);
  const { operator, store } = here;
  await write.config(operator, 1, base);
  await write.block(operator, '10.64.1.0/24', 'n1');
  await write.record(operator, 'n1', {
    address: '10.1.0.1',
    overlay: '10.64.1.0/24',
    colour: 'blue',
    accepts: { ipip: 'none', geneve: 'kernel' },
    firewall: { vxlan: 'allowed', geneve: 'blocked' },
  });
  await told(here);
  t.same(store.problems, []);
  const node = store.current!.nodes.get('n1')!;
  t.equal(node.accepts['ipip:4:4'], 'none');
  t.same(node.switches.firewall, { vxlan: 'allowed' });
});

t.test('of conflicting claims the older one wins, and the next one when it goes', async (t) => {
  const here = world(t);
  const { operator, store } = here;
  await write.config(operator, 1, base);
  for (const [i, name] of ['z', 'y', 'x'].entries()) {
    await write.block(operator, `10.64.${i}.0/24`, name);
    await write.record(operator, name, { address: '10.1.0.1', overlay: `10.64.${i}.0/24` });
  }
  await told(here);
  t.equal(names(store.current), 'z 10.64.0.0/24');
  // Of no avail to itself, and so no obstacle to others: z refuses y, which claims what x has.
  await write.record(operator, 'y', { addresses: ['10.1.0.1'], overlay: '10.64.1.0/24' });
  await write.record(operator, 'x', { address: '10.1.0.2', overlay: '10.64.2.0/24' });
  await told(here);
  t.equal(names(store.current), 'x 10.64.2.0/24, z 10.64.0.0/24');
  await operator.delete(keys.record('z'));
  await told(here);
  t.equal(names(store.current), 'x 10.64.2.0/24, y 10.64.1.0/24');
  // Who registers again is the youngest.
  await write.record(operator, 'z', { address: '10.1.0.1', overlay: '10.64.0.0/24' });
  await told(here);
  t.match(store.problems, [/^node z claims 10\.1\.0\.1, which belongs to y /]);
});

t.test('what is refused is no obstacle to others, and is told by who has it now', async (t) => {
  const here = world(t);
  const { operator, store } = here;
  await write.config(operator, 1, base);
  await join(operator, 'n1', ['10.1.0.1', '10.64.1.0/24']);
  await write.block(operator, '10.64.8.0/24', 'rogue');
  const stolen = { address: '10.1.0.5', publicAddress: '10.1.0.1', overlay: '10.64.8.0/24' };
  await write.record(operator, 'rogue', stolen);
  await join(operator, 'n5', ['10.1.0.5', '10.64.5.0/24']);
  await told(here);
  t.equal(names(store.current), 'n1 10.64.1.0/24, n5 10.64.5.0/24');
  t.match(store.problems, [/^node rogue claims 10\.1\.0\.1, which is the underlay address of n1/]);

  await write.record(operator, 'rogue', { address: '10.1.0.9', overlay: '10.64.1.0/25' });
  await told(here);
  t.match(store.problems, [/^node rogue claims 10\.64\.1\.0\/25, which belongs to n1 /]);
  await operator.delete(keys.record('n1'));
  await operator.delete(`${keys.blocks}10.64.1.0_24`);
  await told(here);
  t.same(store.problems, ['node rogue claims 10.64.1.0/25, which is no block of it: refused']);
  await write.block(operator, '10.64.1.0/24', 'n5');
  await told(here);
  t.match(store.problems, [/^node rogue claims 10\.64\.1\.0\/25, which belongs to n5 /]);
});

t.test('a prefix whose block is not there yet costs nothing but itself', async (t) => {
  const here = world(t);
  const { operator, store } = here;
  await write.config(operator, 1, base);
  await join(operator, 'n1', ['10.1.0.1', '10.64.1.0/24']);
  const overlay = ['10.64.1.0/24', '10.64.9.0/24'];
  await write.record(operator, 'n1', { address: '10.1.0.1', overlay });
  await told(here);
  t.equal(names(store.current), 'n1 10.64.1.0/24');
  t.same(store.problems, ['node n1 claims 10.64.9.0/24, which is no block of it: refused']);
  await write.block(operator, '10.64.9.0/24', 'n1');
  await told(here);
  t.equal(names(store.current), 'n1 10.64.1.0/24 10.64.9.0/24');
  t.same(store.problems, []);
});

t.test(
  'a node that is not heard of is stale, then withdrawn, and at once fresh again',
  async (t) => {
    const here = world(t);
    const { operator, store, clock, changes } = here;
    await write.config(operator, 1, base);
    await join(operator, 'n1', ['10.1.0.1', '10.64.1.0/24']);
    await told(here);
    await clock.advance(20_000);
    changes.length = 0;
    await operator.delete(keys.alive('n1'));
    await clock.advance(10);
    t.equal(names(store.current), 'n1 10.64.1.0/24 stale');
    t.equal(store.current!.nodes.get('n1')!.stale, 'since 2026-01-02T03:04:25.000Z');
    t.same(changes, [{ kind: 'nodes', names: ['n1'] }]);
    await clock.advance(59_900);
    t.equal(names(store.current), 'n1 10.64.1.0/24 stale');
    await clock.advance(200);
    t.equal(names(store.current), 'n1 10.64.1.0/24 stale withdrawn');
    t.equal(store.health.absent, 1);
    await write.alive(operator, 'n1', 'another instance');
    await clock.advance(10);
    t.equal(names(store.current), 'n1 10.64.1.0/24');
    changes.length = 0;
    await write.alive(operator, 'n1', 'and another');
    await clock.advance(10);
    t.same(changes, [], 'a successor is no news');
  },
);

t.test(
  'an outage of the reader makes nobody stale, and everybody has a lease to come back',
  async (t) => {
    const here = world(t);
    const { operator, store, client, clock } = here;
    await write.config(operator, 1, base);
    for (const i of [1, 2, 3]) await join(operator, `n${i}`, [`10.1.0.${i}`, `10.64.${i}.0/24`]);
    await operator.delete(keys.alive('n3'));
    await told(here);
    await clock.advance(20_000);
    const nodes = (three: string): string =>
      `n1 10.64.1.0/24, n2 10.64.2.0/24, n3 10.64.3.0/24${three}`;
    t.equal(names(store.current), nodes(' stale'), 'a reader that starts counts from its start');
    client.cut();
    await clock.advance(500_000);
    t.equal(names(store.current), nodes(' stale'), 'time stands still');
    t.match(store.problems, [/does not answer; it was cut off; what is known stays in force/]);
    t.match(store.health, { synced: false, outages: 1 });
    t.ok(store.health.lagSeconds! >= 500);
    for (const i of [1, 2]) await operator.delete(keys.alive(`n${i}`));
    client.join();
    await clock.advance(5_000);
    t.equal(names(store.current), nodes(' stale'), 'all leases have run out in the outage');
    t.same(store.problems, []);
    await write.alive(operator, 'n1');
    await clock.advance(6_000);
    t.equal(
      names(store.current),
      'n1 10.64.1.0/24, n2 10.64.2.0/24 stale, n3 10.64.3.0/24 stale',
      'who has not come back in the time of a lease',
    );
    await clock.advance(45_000);
    t.match(names(store.current), /n2 10.64.2.0\/24 stale, n3 10.64.3.0\/24 stale withdrawn/);
    await clock.advance(15_000);
    t.match(names(store.current), /n2 10.64.2.0\/24 stale withdrawn/);
  },
);

t.test('compaction while the reader is away flaps nothing', async (t) => {
  const here = world(t);
  const { operator, store, client, changes, server } = here;
  await write.config(operator, 1, base);
  for (const i of [1, 2, 3]) await join(operator, `n${i}`, [`10.1.0.${i}`, `10.64.${i}.0/24`]);
  await told(here);
  const before = store.current!;
  changes.length = 0;
  client.cut();
  await join(operator, 'n4', ['10.1.0.4', '10.64.4.0/24']);
  await operator.delete(keys.record('n2'));
  server.compact();
  client.join();
  await told(here);
  t.same(changes, [{ kind: 'nodes', names: ['n2', 'n4'] }]);
  t.equal(store.current!.nodes.get('n1'), before.nodes.get('n1'));
});

/** A small world, so that everything collides. */
const arbitraryWrite: fc.Arbitrary<Write> = (() => {
  const name = fc.constantFrom('n1', 'n2', 'n3', 's1');
  const prefix = fc.constantFrom('10.64.0.0/24', '10.64.1.0/24', '10.64.0.0/23', '10.64.1.128/25');
  const address = fc.constantFrom('10.1.0.1', '10.1.0.2', '10.2.0.1', '10.9.0.1');
  const node = fc.record(
    {
      address,
      overlay: fc.uniqueArray(prefix, { minLength: 1, maxLength: 2 }),
      zone: fc.constantFrom('a', 'b'),
      publicAddress: address,
    },
    { requiredKeys: ['address', 'overlay'] },
  );
  const text = fc.constantFrom(
    base,
    listed,
    listed.replace('10.2.0.0/16', '10.9.0.0/16').replace('10.65.0.0/24', '10.64.1.0/24'),
    base
      .replace('10.64.0.0/12', '10.64.0.0/24')
      .replace('staleGraceSeconds: 60', 'staleGraceSeconds: 0'),
    'zones: 1',
  );
  const json = (value: unknown): string => JSON.stringify(value);
  const put = {
    config: fc
      .record(
        { text, phase: fc.constantFrom('prepare', 'switch', 'settled'), from: fc.nat(3) },
        { requiredKeys: ['text'] },
      )
      .map(({ text, phase, from = 1 }) =>
        json({
          ...{ version: 1, text, at, by: 'me' },
          ...(phase === undefined ? {} : { changeover: { phase, from } }),
        }),
      ),
    record: fc.oneof(
      { weight: 9, arbitrary: node.map((node) => json({ version: 1, node })) },
      { weight: 1, arbitrary: fc.constantFrom('?', '{"version":9}') },
    ),
    block: fc
      .tuple(name, fc.option(fc.array(address, { maxLength: 2 }), { nil: undefined }))
      .map(([node, addresses]) => json({ version: 1, node, at, addresses })),
    alive: fc.constantFrom('1', '2').map((instance) => json({ version: 1, instance, since: at })),
  };
  const gone = fc.constant(undefined);
  const some = <T>(arbitrary: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 4, arbitrary }, { weight: 1, arbitrary: gone });
  return fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({
        key: fc.integer({ min: 1, max: 3 }).map((n) => keys.config(n)),
        value: some(put.config),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ key: name.map((n) => keys.record(n)), value: some(put.record) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        key: prefix.map((text) => `${keys.blocks}${text.replace('/', '_')}`),
        value: some(put.block),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ key: name.map((n) => keys.alive(n)), value: some(put.alive) }),
    },
  );
})();

/** How a history is told, see below; each number is taken modulo what there is. */
const arbitraryTelling = fc.array(
  fc.record({ what: fc.nat(9), which: fc.nat(1000), count: fc.integer({ min: 1, max: 6 }) }),
  { maxLength: 60 },
);

t.test('no order, splitting, repetition or relisting of events makes a difference', async (t) => {
  const runs = Number(process.env['SELVAGE_RUNS'] ?? 150);
  const open = (kv: ScriptedStore): { store: FleetStore; clock: ManualClock } => {
    const clock = new ManualClock();
    const now = (): Date => new Date(Date.parse(at) + clock.now());
    return { store: openFleetStore(kv, { cluster: 'prod', clock, now }), clock };
  };
  const seen = ({ current, problems }: FleetStore): string => {
    if (current === undefined) return JSON.stringify(problems);
    const { nodes, revision: _revision, ...rest } = current;
    const sorted = [...nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return JSON.stringify([modelToPlain(rest), modelToPlain(sorted), problems], undefined, 1);
  };
  let members = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(arbitraryWrite, { minLength: 5, maxLength: 40 }),
      arbitraryTelling,
      async (writes, telling) => {
        // With no good version left the last one would stay in force, which does depend on history.
        const whole = historyOf([...founding, ...writes]);
        const [once, told] = [new ScriptedStore(), new ScriptedStore()];
        const [fresh, long] = [open(once), open(told)];
        for (const prefix of once.prefixes) once.relist(prefix, whole.end);
        for (const prefix of told.prefixes) told.relist(prefix, new Map());
        // Of one key in order, of different keys in any.
        const waiting = new Map<string, KeyEvent[]>();
        for (const event of whole.events)
          waiting.set(keyOf(event), [...(waiting.get(keyOf(event)) ?? []), event]);
        const done = new Map<string, Entry>();
        const tell = (key: string, count: number): void => {
          const events = waiting.get(key)!.splice(0, count);
          if (waiting.get(key)!.length === 0) waiting.delete(key);
          for (const event of events)
            if (event.kind === 'put') done.set(key, event.entry);
            else done.delete(key);
          told.tell(folderOf(key), events);
        };
        for (const { what, which, count } of telling) {
          const key = [...waiting.keys()][which % Math.max(1, waiting.size)];
          const folder = told.prefixes[which % told.prefixes.length]!;
          if (what === 0) await long.store.settled();
          else if (what === 1) told.relist(folder, done);
          else if (what === 2) for (const prefix of told.prefixes) told.relist(prefix, done);
          else if (key !== undefined) tell(key, count);
        }
        for (const key of [...waiting.keys()]) tell(key, Infinity);
        try {
          await Promise.all([fresh.store.settled(), long.store.settled()]);
          if (seen(long.store) !== seen(fresh.store))
            throw differs(seen(long.store), seen(fresh.store));
          for (const { clock, store } of [fresh, long]) {
            await clock.advance(11_000);
            await store.settled();
          }
          if (seen(long.store) !== seen(fresh.store))
            throw differs(seen(long.store), seen(fresh.store));
          members += disjoint(fresh.store.current!);
        } finally {
          fresh.store.close();
          long.store.close();
        }
      },
    ),
    { seed: Number(process.env['SELVAGE_SEED'] ?? 20261122), numRuns: runs },
  );
  t.ok(members > runs / 4, `${members} members in ${runs} runs`);
});

/** Two nodes that have joined, to whom then things happen. */
const founding: readonly Write[] = [
  { key: keys.config(0), value: JSON.stringify({ version: 1, text: base, at, by: 'me' }) },
  ...[0, 1].flatMap((n) => [
    {
      key: `${keys.blocks}10.64.${n}.0_24`,
      value: JSON.stringify({ version: 1, node: `n${n + 1}`, at }),
    },
    {
      key: keys.record(`n${n + 1}`),
      value: JSON.stringify({
        version: 1,
        node: { address: `10.1.0.${n + 1}`, overlay: `10.64.${n}.0/24` },
      }),
    },
  ]),
];

function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1);
}

function differs(one: string, other: string): Error {
  return new Error(`told in pieces:\n${one}\nat once:\n${other}`);
}

/** Throws where two nodes have the same; returns how many have registered themselves. */
function disjoint(cluster: Cluster): number {
  const nodes = [...cluster.nodes.values()];
  for (const [i, one] of nodes.entries())
    for (const other of nodes.slice(i + 1)) {
      if (one.underlay.some((a) => other.underlay.some((b) => a.address.text === b.address.text)))
        throw new Error(`${one.name} and ${other.name} have one address`);
      if (one.overlay.some((a) => other.overlay.some((b) => prefixesOverlap(a, b))))
        throw new Error(`${one.name} and ${other.name} have one prefix`);
    }
  return nodes.filter(({ name }) => name.startsWith('n')).length;
}
