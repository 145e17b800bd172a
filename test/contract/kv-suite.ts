/** The behaviour that every engine of a fleet's store must have. */
import type { Test } from 'tap';
import fc from 'fast-check';
import type { KeyValue, WriteResult } from '../../src/store/kv.js';
import { KeyValueError } from '../../src/store/kv.js';
import { eventually } from '../support/agents.js';
import type { KvBench } from './kv-bench.js';
import { follow } from './kv-follower.js';

let folders = 0;

export function kvContract(t: Test, bench: KvBench): void {
  /** Each case has a folder of its own in the store. */
  const behaviour = (
    name: string,
    body: (
      t: Test,
      world: { kv: Awaited<ReturnType<KvBench['open']>>; at: string },
    ) => Promise<void>,
  ): void =>
    void t.test(`${bench.name}: ${name}`, { timeout: 120_000 }, async (t) => {
      const kv = await bench.open();
      t.teardown(() => kv.close());
      await body(t, { kv, at: `/test/${++folders}/` });
    });

  behaviour('a key has the revisions of its first and its last write', async (t, { kv, at }) => {
    t.equal(await kv.get(`${at}a`), undefined);
    const first = revisionOf(await kv.put(`${at}a`, 'one'));
    const second = revisionOf(await kv.put(`${at}a`, 'two'));
    t.equal(second, first + 1, 'a write is one revision');
    t.same(await kv.get(`${at}a`), {
      key: `${at}a`,
      value: 'two',
      createRevision: first,
      modRevision: second,
    });
    t.equal(revisionOf(await kv.delete(`${at}a`)), second + 1);
    t.equal(revisionOf(await kv.delete(`${at}a`)), second + 1, 'nothing to do is no revision');
    t.equal(await kv.get(`${at}a`), undefined);
    const again = revisionOf(await kv.put(`${at}a`, ''));
    t.match(await kv.get(`${at}a`), { value: '', createRevision: again });
  });

  behaviour('a write under a condition is done or changes nothing', async (t, { kv, at }) => {
    const key = `${at}k`;
    const made = await kv.put(key, 'one', { ifRevision: 0 });
    const revision = revisionOf(made);
    const entry = { key, value: 'one', createRevision: revision, modRevision: revision };
    t.same(await kv.put(key, 'two', { ifRevision: 0 }), { kind: 'conflict', entry });
    t.same(await kv.put(key, 'two', { ifRevision: revision - 1 }), { kind: 'conflict', entry });
    t.same(await kv.delete(key, { ifRevision: revision + 1 }), { kind: 'conflict', entry });
    t.same(await kv.get(key), entry);
    const next = revisionOf(await kv.put(key, 'two', { ifRevision: revision }));
    t.same(await kv.delete(key, { ifRevision: revision }), {
      kind: 'conflict',
      entry: { ...entry, value: 'two', modRevision: next },
    });
    t.equal((await kv.delete(key, { ifRevision: next })).kind, 'written');
    t.same(await kv.put(key, 'x', { ifRevision: next }), { kind: 'conflict', entry: undefined });
    t.same(await kv.delete(key, { ifRevision: next }), { kind: 'conflict', entry: undefined });
  });

  behaviour('of many who make the same key one succeeds', async (t, { kv, at }) => {
    const other = await bench.open();
    t.teardown(() => other.close());
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? kv : other).put(`${at}claim`, `n${index}`, { ifRevision: 0 }),
      ),
    );
    const winners = results.flatMap((result, index) => (result.kind === 'written' ? [index] : []));
    t.equal(winners.length, 1);
    t.equal((await kv.get(`${at}claim`))?.value, `n${winners[0]}`);
    for (const result of results)
      if (result.kind === 'conflict') t.equal(result.entry?.value, `n${winners[0]}`);
  });

  behaviour('a listing has the keys of the prefix by their bytes', async (t, { kv, at }) => {
    const names = ['b', 'a/1', 'a', 'A', 'a0', 'ä', '\u{1f600}', '\uffee', 'a/0'];
    for (const name of names) await kv.put(`${at}in/${name}`, name);
    await kv.put(`${at}in`, 'before it');
    await kv.put(`${at}in0`, 'behind it');
    const listing = await kv.list(`${at}in/`);
    t.same(
      listing.entries.map(({ value }) => value),
      ['A', 'a', 'a/0', 'a/1', 'a0', 'b', 'ä', '\uffee', '\u{1f600}'],
    );
    const last = await kv.get(`${at}in0`);
    t.equal(listing.revision, last?.modRevision, 'as of the last write');
    t.same((await kv.list(`${at}none/`)).entries, []);
  });

  behaviour('a watch tells what is there, then each change once', async (t, { kv, at }) => {
    const before = revisionOf(await kv.put(`${at}w/a`, '1'));
    const seen = follow(kv, `${at}w/`);
    await seen.until(({ states }) => states.includes('synced'), 'in sync');
    t.same(seen.snapshots, [
      {
        entries: [{ key: `${at}w/a`, value: '1', createRevision: before, modRevision: before }],
        revision: before,
      },
    ]);
    const put = revisionOf(await kv.put(`${at}w/a`, '2'));
    await kv.put(`${at}v`, 'elsewhere');
    const gone = revisionOf(await kv.delete(`${at}w/a`));
    await kv.delete(`${at}w/never`);
    await seen.until(({ events }) => events.length >= 2, 'both changes');
    t.same(seen.events, [
      {
        kind: 'put',
        entry: { key: `${at}w/a`, value: '2', createRevision: before, modRevision: put },
      },
      { kind: 'delete', key: `${at}w/a`, revision: gone },
    ]);
    t.equal(seen.revisions.at(-1), gone);
    t.same(seen.states, ['synced']);
    seen.close();
    await kv.put(`${at}w/b`, 'after');
    const later = follow(kv, `${at}w/`);
    await later.until(({ snapshots }) => snapshots.length === 1, 'a second watch');
    t.equal(seen.events.length, 2, 'a closed one is told no more');
    later.close();
  });

  behaviour('what ends with a lease ends together', async (t, { kv, at }) => {
    const seen = follow(kv, `${at}l/`);
    const lease = await kv.lease(30);
    for (const name of ['a', 'b', 'kept']) await kv.put(`${at}l/${name}`, '1', { lease });
    await kv.put(`${at}l/kept`, 'without one');
    await seen.until(({ view }) => view.size === 3 && view.get(`${at}l/kept`) !== '1', 'all');
    await lease.revoke();
    await lease.ended;
    await seen.until(({ view }) => view.size === 1, 'the end of the lease');
    const gone = seen.events.filter(({ kind }) => kind === 'delete');
    t.same(gone.map((event) => event.kind === 'delete' && event.key).sort(), [
      `${at}l/a`,
      `${at}l/b`,
    ]);
    t.equal(new Set(gone.map((event) => event.kind === 'delete' && event.revision)).size, 1);
    t.equal(seen.revisions.filter((revision) => revision === seen.revisions.at(-1)).length, 1);
    t.equal(await failureOf(kv.put(`${at}l/a`, 'late', { lease })), 'lease-lost');
    t.equal(await kv.get(`${at}l/a`), undefined);
    await lease.revoke();
    seen.close();
  });

  behaviour('a lease lives as long as its client', async (t, { kv, at }) => {
    const other = await bench.open();
    const [kept, left] = [await kv.lease(1), await other.lease(1)];
    await kv.put(`${at}kept`, '1', { lease: kept });
    await other.put(`${at}left`, '1', { lease: left });
    other.close();
    await left.ended;
    await eventually(
      async () => (await kv.get(`${at}left`)) === undefined,
      () => 'the key of the one that went away stays',
      60_000,
    );
    t.equal((await kv.get(`${at}kept`))?.value, '1');
    t.equal(await failureOf(other.get(`${at}kept`)), 'unavailable');
  });

  behaviour('without the server calls fail, and say so', async (t, { kv, at }) => {
    await kv.put(`${at}a`, '1');
    await kv.lose();
    for (const call of [
      () => kv.get(`${at}a`),
      () => kv.list(at),
      () => kv.put(`${at}a`, '2'),
      () => kv.delete(`${at}a`),
      () => kv.lease(10),
    ])
      t.equal(await failureOf(call()), 'unavailable');
    await kv.find();
    t.equal((await kv.get(`${at}a`))?.value, '1');
  });

  behaviour('a watch goes on behind an outage where it stopped', async (t, { kv, at }) => {
    await kv.put(`${at}a`, '1');
    const seen = follow(kv, at);
    await seen.until(({ states }) => states.includes('synced'), 'in sync');
    await kv.lose();
    await seen.until(({ states }) => states.at(-1) === 'broken', 'told of the outage');
    t.match(seen.problems[0], /\w/);
    await kv.find();
    const other = await bench.open();
    t.teardown(() => other.close());
    await other.put(`${at}b`, '2');
    await other.delete(`${at}a`);
    await seen.until(({ view }) => view.has(`${at}b`) && !view.has(`${at}a`), 'both changes');
    await seen.until(({ states }) => states.at(-1) === 'synced', 'in sync again');
    t.equal(seen.snapshots.length, 1, 'nothing was listed anew');
    t.same(
      seen.events.map(({ kind }) => kind),
      ['put', 'delete'],
    );
    seen.close();
  });

  behaviour('what was forgotten in an outage is listed anew', async (t, { kv, at }) => {
    for (const name of ['a', 'b', 'c']) await kv.put(`${at}${name}`, '1');
    const seen = follow(kv, at);
    await seen.until(({ states }) => states.includes('synced'), 'in sync');
    await kv.lose();
    await seen.until(({ states }) => states.at(-1) === 'broken', 'told of the outage');
    const other = await bench.open();
    t.teardown(() => other.close());
    await other.delete(`${at}b`);
    await other.put(`${at}c`, '2');
    const last = revisionOf(await other.put(`${at}d`, '1'));
    await bench.compact();
    t.equal(seen.events.length, 0);
    await kv.find();
    await seen.until(({ snapshots }) => snapshots.length === 2, 'a second listing');
    t.equal(seen.snapshots[1]?.revision, last);
    t.same(
      [...seen.view],
      [
        [`${at}a`, '1'],
        [`${at}c`, '2'],
        [`${at}d`, '1'],
      ],
    );
    await kv.put(`${at}e`, '1');
    await seen.until(({ view }) => view.has(`${at}e`), 'a change after it');
    await seen.until(({ states }) => states.at(-1) === 'synced', 'in sync again');
    t.equal(seen.events.length, 1);
    seen.close();
  });

  behaviour('a lease ends when the server is out for its whole time', async (t, { kv, at }) => {
    const other = await bench.open();
    t.teardown(() => other.close());
    const lease = await kv.lease(1);
    await kv.put(`${at}a`, '1', { lease });
    await kv.lose();
    await lease.ended;
    await eventually(
      async () => (await other.get(`${at}a`)) === undefined,
      () => 'the key outlives its lease',
      60_000,
    );
    await kv.find();
    t.equal(await failureOf(kv.put(`${at}a`, '2', { lease })), 'lease-lost');
  });

  behaviour('a lease lives through a shorter outage', async (t, { kv, at }) => {
    const lease = await kv.lease(6);
    await kv.put(`${at}a`, '1', { lease });
    let isOver = false;
    void lease.ended.then(() => (isOver = true));
    await kv.lose();
    t.equal(await failureOf(kv.get(`${at}a`)), 'unavailable');
    await kv.find();
    t.equal((await kv.get(`${at}a`))?.value, '1');
    t.equal(isOver, false);
    await lease.revoke();
  });

  behaviour('any writes leave each follower with what is there', async (t, { kv, at }) => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (operations) => {
        const folder = `${at}${++round}/`;
        const seen = follow(kv, folder);
        const model = new Map<string, string>();
        for (const step of operations) await apply(step, { kv, folder, model });
        await kv.put(`${folder}end`, 'end');
        model.set(`${folder}end`, 'end');
        await seen.until(({ view }) => view.has(`${folder}end`), 'the last write');
        seen.close();
        t.strictSame([...seen.view].sort(), [...model].sort());
        const { entries } = await kv.list(folder);
        t.strictSame(
          entries.map(({ key, value }) => [key, value]),
          [...model].sort(),
        );
      }),
      { numRuns: 15, seed: 20250711 },
    );
  });
}

interface Step {
  readonly kind: 'put' | 'make' | 'swap' | 'delete';
  readonly name: string;
  readonly value: string;
}

const operation: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('put', 'make', 'swap', 'delete'),
  name: fc.constantFrom('a', 'b', 'c'),
  value: fc.string({ unit: 'grapheme', maxLength: 8 }),
});

async function apply(
  { kind, name, value }: Step,
  world: { readonly kv: KeyValue; readonly folder: string; readonly model: Map<string, string> },
): Promise<void> {
  const { kv, folder, model } = world;
  const key = folder + name;
  switch (kind) {
    case 'put':
      await kv.put(key, value);
      model.set(key, value);
      return;
    case 'make': {
      const { kind: outcome } = await kv.put(key, value, { ifRevision: 0 });
      if ((outcome === 'written') === model.has(key)) throw new Error(`${outcome}: made ${key}`);
      if (outcome === 'written') model.set(key, value);
      return;
    }
    case 'swap': {
      const before = await kv.get(key);
      if (before?.value !== model.get(key)) throw new Error(`${key} is ${before?.value}`);
      await kv.put(key, value, { ifRevision: before?.modRevision ?? 0 });
      model.set(key, value);
      return;
    }
    case 'delete':
      await kv.delete(key);
      model.delete(key);
  }
}

async function failureOf(call: Promise<unknown>): Promise<string> {
  try {
    return `none: ${JSON.stringify(await call)}`;
  } catch (error) {
    return error instanceof KeyValueError ? error.failure : String(error);
  }
}

/** Of a write that was to succeed. */
function revisionOf(result: WriteResult): number {
  if (result.kind === 'written') return result.revision;
  throw new KeyValueError('unusable', `a conflict with ${JSON.stringify(result.entry)}`);
}
