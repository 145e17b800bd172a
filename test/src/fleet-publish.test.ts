/** What an agent says of itself in the store of its fleet, and for how long. */
import t from 'tap';
import type { NodeTable } from '../../encap/cluster.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
import type { FleetStore } from '../../src/store/fleet/open.js';
import { openFleetStore } from '../../src/store/fleet/open.js';
import type { AliveValue, StatusValue } from '../../src/store/fleet/records.js';
import type { KeyValue, WatchHandlers } from '../../src/store/kv.js';
import type { MemoryClient } from '../../src/store/memory-kv.js';
import { MemoryServer } from '../../src/store/memory-kv.js';
import type { NodeFindings, NodeReport } from '../../src/store/store.js';
import { ManualClock } from '../support/manual-clock.js';

const keys = fleetKeys('prod');
const text = `cluster: prod
fleet: { leaseSeconds: 10, staleGraceSeconds: 60 }
overlay: { pools: [10.64.0.0/12] }
zones: [{ name: a, subnets: [10.1.0.0/16] }]
`;

interface Fleet {
  readonly server: MemoryServer;
  readonly operator: KeyValue;
  readonly clock: ManualClock;
  agent(node?: string): { readonly store: FleetStore; readonly client: MemoryClient };
  told(...stores: readonly FleetStore[]): Promise<void>;
  alive(): Promise<AliveValue | undefined>;
  status(): Promise<StatusValue | undefined>;
  record(node: string): Promise<string>;
}

async function fleet(t: { teardown(end: () => void): void }): Promise<Fleet> {
  const clock = new ManualClock();
  const server = new MemoryServer({ clock });
  const operator = server.client();
  const json = (value: object): string => JSON.stringify({ version: 1, ...value });
  await operator.put(keys.config(7), json({ text, at: '', by: '' }));
  for (const [i, name] of ['n1', 'n2'].entries()) {
    const overlay = `10.64.${i}.0/24`;
    await operator.put(keys.blocks + overlay.replace('/', '_'), json({ node: name, at: '' }));
    const node = { address: `10.1.0.${i + 1}`, overlay };
    await operator.put(keys.record(name), json({ node }));
  }
  const opened: FleetStore[] = [];
  t.teardown(() => {
    for (const store of opened) store.close();
  });
  const valueOf = async <T>(key: string): Promise<T | undefined> => {
    const entry = await operator.get(key);
    return entry && (JSON.parse(entry.value) as T);
  };
  return {
    ...{ server, operator, clock },
    agent: (node = 'n1') => {
      const client = server.client('etcd://x:2379');
      const now = (): Date => new Date(clock.now());
      const options = { cluster: 'prod', node, release: '1.2.3', clock, now };
      const store = openFleetStore(client, options);
      opened.push(store);
      return { store, client };
    },
    told: async (...stores) => {
      for (let i = 0; i < 3; i++) {
        await clock.advance(10);
        for (const store of stores) await store.settled();
      }
    },
    alive: () => valueOf<AliveValue>(keys.alive('n1')),
    status: () => valueOf<StatusValue>(keys.status('n1')),
    record: async (node) => (await operator.get(keys.record(node)))!.value,
  };
}

const report = (store: FleetStore, of: Partial<NodeReport> = {}): NodeReport => ({
  revision: store.current?.revision ?? 0,
  receives: ['vxlan:4:4/4096/4789'],
  sends: [],
  ready: true,
  problems: [],
  ...of,
});

t.test('an agent is alive, and its status is written when it changes, once a second', async (t) => {
  const { agent, told, alive, status, operator, clock } = await fleet(t);
  const { store } = agent();
  const peer = agent('n2').store;
  await told(store, peer);
  const changes: unknown[] = [];
  peer.onChange((change) => changes.push(change));
  t.equal(await alive(), undefined, 'not before there is something to say');
  store.publish(report(store));
  await told(store);
  t.match(await alive(), { version: 1, since: '1970-01-01T00:00:00.000Z' });
  t.match(await status(), {
    ...{ release: '1.2.3', config: 7, receives: ['vxlan:4:4/4096/4789'], ready: true },
  });
  const first = (await operator.get(keys.status('n1')))!.modRevision;
  store.publish(report(store));
  for (let i = 0; i < 9; i++) {
    store.publish(report(store, { problems: [`problem ${i}`] }));
    await clock.advance(50);
  }
  t.equal((await operator.get(keys.status('n1')))!.modRevision, first, 'not yet');
  await clock.advance(2_000);
  const second = (await operator.get(keys.status('n1')))!.modRevision;
  t.equal(second, first + 1, 'the last of them alone');
  t.same((await status())?.problems, ['problem 8']);
  const key = (await operator.get(keys.alive('n1')))!.modRevision;
  await clock.advance(100_000);
  t.equal((await operator.get(keys.alive('n1')))!.modRevision, key, 'renewals change no key');
  t.equal((await operator.get(keys.status('n1')))!.modRevision, second);
  t.same(changes, [], 'and no peer hears of any of it');
});

t.test('after an outage longer than the lease the keys are written again', async (t) => {
  const { agent, told, alive, status, clock } = await fleet(t);
  const { store, client } = agent();
  await told(store);
  store.publish(report(store));
  await told(store);
  const before = await alive();
  client.cut();
  await clock.advance(60_000);
  t.equal(await alive(), undefined, 'the lease has run out');
  t.ok(store.problems.some((line) => line.includes('cannot be told that this agent runs')));
  client.join();
  await clock.advance(40_000);
  t.same(await alive(), before, 'the same instance');
  t.equal((await status())?.ready, true);
  t.same(store.problems, []);
});

t.test('a status that was deleted, or written over, is there again within a lease', async (t) => {
  const { agent, told, alive, status, operator, clock } = await fleet(t);
  const { store, client } = agent();
  await told(store);
  store.publish(report(store));
  await told(store);
  const before = await status();
  const at = (found: StatusValue | undefined) => found && { ...found, at: '' };
  for (const spoil of [
    () => operator.delete(keys.status('n1')),
    () => operator.put(keys.status('n1'), 'garbage'),
  ]) {
    await spoil();
    await clock.advance(11_000);
    t.same(at(await status()), at(before));
  }
  const revision = (await operator.get(keys.status('n1')))!.modRevision;
  await clock.advance(60_000);
  t.equal((await operator.get(keys.status('n1')))!.modRevision, revision, 'and then at rest');

  await clock.advance(5_000);
  await operator.delete(keys.status('n1'));
  await operator.delete(keys.alive('n1'));
  await told(store);
  await clock.advance(1_000);
  t.not(await alive(), undefined);
  t.same(at(await status()), at(before), 'both at once, where both were deleted');

  client.cut();
  await clock.advance(1);
  client.join();
  await operator.delete(keys.status('n1'));
  await clock.advance(11_000);
  t.same(at(await status()), at(before), 'also after a cut');
  t.same(store.problems, []);
});

const namesIn = (nodes: NodeTable): readonly string[] =>
  [...nodes.values()].map(({ name }) => name).sort();

t.test('a store that was restored from a copy hears of the agent again', async (t) => {
  const { server, told, alive, status, operator, clock } = await fleet(t);
  const client = server.client('etcd://x:2379');
  const watches = new Map<string, WatchHandlers>();
  let isMute = false;
  // A stand-in for its watch alone: what it tells can be held back, and told otherwise.
  const watch: KeyValue['watch'] = (prefix, handlers) => {
    watches.set(prefix, handlers);
    return client.watch(prefix, {
      onSnapshot: (listing) => handlers.onSnapshot(listing),
      onEvents: (events, revision) => isMute || handlers.onEvents(events, revision),
      onState: (state) => handlers.onState?.(state),
    });
  };
  const kv: KeyValue = {
    ...{ name: client.name, watch },
    get: (key) => client.get(key),
    list: (prefix) => client.list(prefix),
    put: (key, value, options) => client.put(key, value, options),
    delete: (key, condition) => client.delete(key, condition),
    lease: (ttlSeconds) => client.lease(ttlSeconds),
    close: () => client.close(),
  };
  const now = (): Date => new Date(clock.now());
  const store = openFleetStore(kv, { cluster: 'prod', node: 'n1', clock, now });
  t.teardown(() => store.close());
  await told(store);
  store.publish(report(store));
  await told(store);
  const before = await alive();
  const { nodes } = store.current!;

  isMute = true;
  for (const key of [keys.alive('n1'), keys.status('n1')]) await operator.delete(key);
  for (const [prefix, handlers] of watches)
    handlers.onSnapshot({ entries: (await operator.list(prefix)).entries, revision: 2 });
  isMute = false;
  await told(store);
  await clock.advance(1_000);
  t.same(await alive(), before);
  t.equal((await status())?.ready, true);
  t.same(namesIn(store.current!.nodes), namesIn(nodes));
  t.same(store.problems, []);
});

t.test('a successor takes over without a gap', async (t) => {
  const { agent, told, alive, clock } = await fleet(t);
  const first = agent();
  const peer = agent('n2').store;
  await told(first.store, peer);
  first.store.publish(report(first.store));
  await told(first.store, peer);
  await clock.advance(20_000);
  const before = await alive();
  const changes: unknown[] = [];
  peer.onChange((change) => changes.push(change));
  first.store.close();
  first.client.close();
  await clock.advance(4_000);
  t.same(await alive(), before, 'it stays when its agent stops');
  const second = agent().store;
  await told(second);
  second.publish(report(second));
  await told(second, peer);
  t.not((await alive())?.instance, before?.instance);
  await clock.advance(60_000);
  t.not(await alive(), undefined, "the first one's lease takes nothing with it");
  t.same(changes, [], 'no peer has noticed anything');
  t.same(second.problems, []);
});

t.test('two agents of one name do not fight: the first one says so', async (t) => {
  const { agent, told, alive, operator, clock } = await fleet(t);
  const first = agent().store;
  await told(first);
  first.publish(report(first));
  await told(first);
  const second = agent();
  await told(second.store);
  second.store.publish(report(second.store));
  await told(first, second.store);
  const { instance } = (await alive())!;
  t.match(first.problems, [/^another agent says that it is node n1 \(.*\): stop one of them/]);
  t.match(first.problems[0], instance);
  const before = (await operator.get(keys.alive('n1')))!.modRevision;
  first.publish(report(first, { ready: false }));
  await clock.advance(30_000);
  t.equal((await operator.get(keys.alive('n1')))!.modRevision, before, 'it writes no more');
  second.store.close();
  second.client.close();
  await clock.advance(60_000);
  t.same(first.problems, []);
  t.not((await alive())?.instance, instance, 'the other one has gone, so it is heard of again');
});

const lacking: NodeFindings = { planes: { 'ipip:4:4': 'userspace' }, mtu: undefined, isUp: true };

t.test('what a node found out is written once, and peers hear of it once', async (t) => {
  const { agent, told, operator, clock, record } = await fleet(t);
  const [own, peer] = [agent(), agent('n2').store];
  const { store } = own;
  await told(store, peer);
  const before = (await operator.get(keys.record('n1')))!;
  const changes: unknown[] = [];
  peer.onChange((change) => changes.push(change));
  for (let i = 0; i < 5; i++) {
    store.publish(report(store, { findings: lacking, ready: i % 2 === 0 }));
    await clock.advance(2_000);
    await told(store, peer);
  }
  t.same(peer.current?.nodes.get('n1')?.accepts, { 'ipip:4:4': 'userspace' });
  t.same(store.probedPlanes, lacking.planes);
  const [first] = changes;
  t.same([changes.length, first], [1, { kind: 'nodes', names: ['n1'] }]);
  t.equal((await operator.get(keys.record('n1')))!.createRevision, before.createRevision);
  own.client.cut();
  store.publish(report(store, { findings: { ...lacking, planes: {} } }));
  await clock.advance(20_000);
  t.ok((await record('n1')).includes('accepts'));
  own.client.join();
  await clock.advance(40_000);
  t.notOk((await record('n1')).includes('accepts'), 'after an outage');
});

t.test('who writes the record in other words again and again is answered ever later', async (t) => {
  const { agent, told, operator, clock, record } = await fleet(t);
  const { store } = agent();
  await told(store);
  const plain = await record('n1');
  let answers = 0;
  for (let i = 0; i < 600; i++) {
    store.publish(report(store, { findings: lacking }));
    await clock.advance(1_000);
    await told(store);
    if (!(await record('n1')).includes('accepts')) continue;
    answers += 1;
    await operator.put(keys.record('n1'), plain);
  }
  t.ok(answers >= 3 && answers < 12, `${answers} in ten minutes`);
});

t.test('a node that the configuration lists, and one that has left, write no record', async (t) => {
  const { agent, told, operator, clock, record } = await fleet(t);
  const before = await record('n1');
  const listed = `${text}nodes: [{ name: n1, address: 10.1.0.1, overlay: 10.64.0.0/24 }]\n`;
  await operator.put(keys.config(8), JSON.stringify({ version: 1, text: listed, at: '', by: '' }));
  const { store } = agent();
  const { store: other } = agent('n2');
  await told(store, other);
  await operator.delete(keys.record('n2'));
  await told(store, other);
  for (const one of [store, other]) one.publish(report(one, { findings: lacking }));
  await clock.advance(20_000);
  t.equal(await record('n1'), before);
  t.equal(await operator.get(keys.record('n2')), undefined);
});

t.test('who has left does not come back by its agent', async (t) => {
  const { agent, told, alive, operator, clock } = await fleet(t);
  const { store } = agent();
  await told(store);
  store.publish(report(store));
  await told(store);
  for (const key of [keys.record('n1'), keys.alive('n1'), keys.status('n1')])
    await operator.delete(key);
  await told(store);
  store.publish(report(store, { ready: false }));
  await clock.advance(60_000);
  t.equal(await alive(), undefined);
  t.same(store.problems, []);
});
