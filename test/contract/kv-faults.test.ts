/** What a real etcd of three members goes through, seen by one client: nothing is lost or told twice. */
import { type AddressInfo, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { openEtcd } from '../../src/store/etcd/open.js';
import type { EtcdTiming } from '../../src/store/etcd/timing.js';
import type { KeyValue } from '../../src/store/kv.js';
import { KeyValueError } from '../../src/store/kv.js';
import { storeAddress } from '../../src/store/registry.js';
import { eventually } from '../support/agents.js';
import { skipReason } from '../support/capabilities.js';
import type { Etcd } from '../support/etcd.js';
import { startEtcd } from '../support/etcd.js';
import { startRelay } from '../support/relay.js';
import { type Follower, follow } from './kv-follower.js';

/** Pings as often as the members of this test allow. */
const timing = {
  ...{ keepaliveMs: 1_000, keepaliveTimeoutMs: 500 },
  ...{ attemptMs: 1_000, callMs: 30_000, connectMs: 30_000 },
};

function open(authority: string, changes: Partial<EtcdTiming> = {}): Promise<KeyValue> {
  return openEtcd(
    { address: storeAddress(`etcd://${authority}/lab`), access: {} },
    { timing: { ...timing, ...changes } },
  );
}

t.setTimeout(300_000);

/** Writes 1, 2, 3 … under one key until it is stopped; each is written once. */
function count(kv: KeyValue, key: string): { stop(): Promise<number> } {
  let stopped = false;
  const done = (async () => {
    for (let value = 1; ; value++) {
      const before = await kv.get(key);
      const written = await kv.put(key, String(value), { ifRevision: before?.modRevision ?? 0 });
      if (written.kind === 'conflict') throw new Error(`somebody else wrote ${key}`);
      if (stopped) return value;
    }
  })();
  return {
    stop: () => {
      stopped = true;
      return done;
    },
  };
}

function values(seen: Follower): readonly number[] {
  return seen.events.map((event) => (event.kind === 'put' ? Number(event.entry.value) : NaN));
}

const skip = skipReason('etcd');
const etcd: Etcd | undefined =
  skip === false
    ? await startEtcd(t, { members: 3, flags: ['--grpc-keepalive-min-time=500ms'] })
    : undefined;

/** Each begins with three members that answer. */
function fault(name: string, body: (t: Test, etcd: Etcd) => Promise<void>): void {
  void t.test(name, { skip, timeout: 150_000 }, async (t) => body(t, etcd!));
}

fault('the leader is killed: every write is told once, in its order', async (t, etcd) => {
  const [writer, reader] = await Promise.all([open(etcd.authority), open(etcd.authority)]);
  t.teardown(() => [writer, reader].forEach((kv) => kv.close()));
  const seen = follow(reader, '/leader/');
  await seen.until(({ states }) => states.includes('synced'), 'in sync');
  const counting = count(writer, '/leader/n');
  await seen.until(({ events }) => events.length > 20, 'the first writes');
  const leader = etcd.leader();
  await leader.kill();
  const before = seen.events.length;
  await seen.until(({ events }) => events.length > before + 20, 'writes without it');
  await leader.start();
  await etcd.ready(leader);
  const last = await counting.stop();
  await seen.until((one) => values(one).at(-1) === last, 'the last write');
  t.same(
    values(seen),
    Array.from({ length: last }, (_, index) => index + 1),
  );
  t.equal(seen.snapshots.length, 1);
  seen.close();
});

fault('all members are killed and started: the watch goes on', async (t, etcd) => {
  const kv = await open(etcd.authority);
  t.teardown(() => kv.close());
  const lease = await kv.lease(60);
  await kv.put('/all/leased', '1', { lease });
  const seen = follow(kv, '/all/');
  await seen.until(({ states }) => states.includes('synced'), 'in sync');
  await Promise.all(etcd.members.map((member) => member.kill()));
  await seen.until(({ states }) => states.at(-1) === 'broken', 'told of the outage');
  const write = kv.put('/all/a', '1', { ifRevision: 0 });
  await Promise.all(etcd.members.map((member) => member.start()));
  t.equal((await write).kind, 'written');
  await seen.until(({ view }) => view.has('/all/a'), 'the write');
  await seen.until(({ states }) => states.at(-1) === 'synced', 'in sync again');
  t.equal((await kv.put('/all/b', '1', { lease })).kind, 'written', 'the lease outlived it');
  t.equal(seen.snapshots.length, 1);
  await lease.revoke();
  await Promise.all(etcd.members.map((member) => etcd.ready(member)));
  seen.close();
});

fault('a member that hangs costs one attempt', async (t, etcd) => {
  // The client's own order decides whom it asks first: one for each member.
  const clients = await Promise.all(
    etcd.members.map(async (member) => ({ member, kv: await open(member.endpoint) })),
  );
  const all = await Promise.all(Array.from({ length: 6 }, () => open(etcd.authority)));
  t.teardown(() => [...all, ...clients.map(({ kv }) => kv)].forEach((kv) => kv.close()));
  const followers = all.map((kv) => follow(kv, '/hang/'));
  for (const seen of followers) await seen.until(({ states }) => states.length > 0, 'in sync');
  const hanging = etcd.leader();
  hanging.pause();
  t.teardown(() => hanging.resume());
  // Conditional: the one that hangs may carry out later what somebody else has done meanwhile.
  const written = await Promise.all(
    all.map((kv, index) => kv.put(`/hang/${index}`, '1', { ifRevision: 0 })),
  );
  t.ok(written.every(({ kind }) => kind === 'written'));
  for (const seen of followers) await seen.until(({ view }) => view.size === 6, 'all writes');
  const alone = await open(hanging.endpoint, { callMs: 1_500 });
  const error = await alone.get('/hang/0').catch((error: unknown) => error);
  alone.close();
  t.ok(error instanceof KeyValueError);
  t.match(error, { failure: 'unavailable', message: /no (answer|connection) in time/ });
  hanging.resume();
  await etcd.ready(hanging);
  for (const seen of followers) {
    t.equal(seen.events.length, 6);
    seen.close();
  }
});

fault('a member that lost the others says so to its watchers', async (t, etcd) => {
  const [alone, ...others] = etcd.members as [Etcd['members'][0], ...Etcd['members'][0][]];
  const kv = await open(alone.endpoint);
  t.teardown(() => kv.close());
  const seen = follow(kv, '/majority/');
  await seen.until(({ states }) => states.includes('synced'), 'in sync');
  await Promise.all(others.map((member) => member.kill()));
  await seen.until(({ states }) => states.at(-1) === 'broken', 'told of it');
  await seen.until(
    ({ problems }) => problems.some((text) => text.includes('it has no leader')),
    'the reason',
  );
  const patient = await open(alone.endpoint, { connectMs: 300 });
  t.teardown(() => patient.close());
  const waiting = patient.put('/majority/b', '1');
  const early = await Promise.race([
    waiting.catch((error: unknown) => error),
    new Promise((resolve) => setTimeout(resolve, 1_500)),
  ]);
  t.equal(early, undefined, 'who answers that there is no leader is waited for');
  await Promise.all(others.map((member) => member.start()));
  t.equal((await kv.put('/majority/a', '1')).kind, 'written');
  t.equal((await waiting).kind, 'written');
  await seen.until(({ view }) => view.has('/majority/a'), 'the write');
  await seen.until(({ states }) => states.at(-1) === 'synced', 'in sync again');
  await Promise.all(others.map((member) => etcd.ready(member)));
  seen.close();
});

fault('a connection that is silently gone is noticed by pings', async (t, etcd) => {
  const relay = await startRelay(t, etcd.members[0]!.endpoint);
  const [kv, other] = await Promise.all([open(relay.endpoint), open(etcd.authority)]);
  t.teardown(() => [kv, other].forEach((one) => one.close()));
  const seen = follow(kv, '/silent/');
  await seen.until(({ states }) => states.includes('synced'), 'in sync');
  relay.hold();
  await other.put('/silent/a', '1');
  await seen.until(({ states }) => states.at(-1) === 'broken', 'told of it');
  t.equal(seen.events.length, 0);
  relay.mend();
  await seen.until(({ states }) => states.at(-1) === 'synced', 'in sync again');
  await seen.until(({ view }) => view.has('/silent/a'), 'what was missed');
  t.equal(seen.snapshots.length, 1);
  seen.close();
});

fault('a silence that pings do not notice is noticed all the same', async (t, etcd) => {
  const relay = await startRelay(t, etcd.members[0]!.endpoint);
  const kv = await open(relay.endpoint, { keepaliveMs: 3_600_000, silenceMs: 300 });
  t.teardown(() => kv.close());
  const seen = follow(kv, '/quiet/');
  await seen.until(({ states }) => states.includes('synced'), 'in sync');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  t.same(seen.states, ['synced'], 'a quiet watch is asked, and lives');
  relay.hold();
  await seen.until(({ states }) => states.at(-1) === 'broken', 'told of it');
  t.match(seen.problems[0], /no sign of life/);
  relay.mend();
  await seen.until(({ states }) => states.at(-1) === 'synced', 'in sync again');
  seen.close();
});

fault('a write whose answer was lost is not taken for another one', async (t, etcd) => {
  const relay = await startRelay(t, etcd.members[0]!.endpoint);
  const [kv, other] = await Promise.all([open(relay.endpoint), open(etcd.authority)]);
  t.teardown(() => [kv, other].forEach((one) => one.close()));
  await kv.get('/doubt/a');
  relay.holdAnswers();
  const write = kv.put('/doubt/a', 'mine', { ifRevision: 0 });
  await eventually(
    async () => (await other.get('/doubt/a')) !== undefined,
    () => 'the write did not arrive',
    60_000,
  );
  relay.mend();
  const entry = await other.get('/doubt/a');
  t.same(await write, { kind: 'written', revision: entry?.modRevision });
  relay.holdAnswers();
  const gone = kv.delete('/doubt/a', { ifRevision: entry!.modRevision });
  await eventually(
    async () => (await other.get('/doubt/a')) === undefined,
    () => 'the deletion did not arrive',
    60_000,
  );
  relay.mend();
  t.equal((await gone).kind, 'written');
});

fault('who has never reached any member is told so soon', async (t, etcd) => {
  const mute = createServer((socket) => {
    t.teardown(() => socket.destroy());
  });
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    mute.close();
  });
  const silent = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
  const kv = await open(`${silent},127.0.0.1:1`, { callMs: 3_600_000, connectMs: 500 });
  t.teardown(() => kv.close());
  const error = await kv.get('/a').catch((error: unknown) => error);
  t.match(error, { failure: 'unavailable' });
  const { message } = error as Error;
  t.match(message, `cannot reach etcd://${silent},127.0.0.1:1: `);
  t.match(message, `${silent}: no connection in time`);
  t.match(message, '127.0.0.1:1: nobody listens there');

  const others = await open(`${silent},${etcd.authority}`, { connectMs: 4_000 });
  t.teardown(() => others.close());
  t.equal(await others.get('/a'), undefined, 'one that answers is enough');
});
