/** The last good configuration on disk: what is kept, what is refused, and when it stands in. */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { desiredState } from '../../routes/desired.js';
import { Rib } from '../../routes/rib.js';
import { clusterFromJson, clusterJsonPieces, clusterToJson } from '../../src/store/cluster-json.js';
import { readLastGood, writeLastGood } from '../../src/store/last-good-file.js';
import { withLastGood } from '../../src/store/last-good.js';
import type { ClusterStore, StoreChange } from '../../src/store/store.js';
import { formatObject } from '../../tunnel/format.js';
import { arbitraryCluster, sketchCluster } from '../support/cluster-builder.js';
import { ManualClock } from '../support/manual-clock.js';
import { fromRoot } from '../support/root.js';

const folder = mkdtempSync(join(tmpdir(), 'selvage-last-good-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const source = '/etc/selvage/cluster.yaml';
const savedAt = new Date('2026-01-02T03:04:05.678Z');

const small = (second: string): Cluster => ({
  ...sketchCluster({
    name: 'small',
    zones: { rack: { provider: 'onprem', subnets: ['192.0.2.0/24 floor'] } },
    rules: [{ name: 'all', between: [{ zones: ['rack'] }, { nodes: ['b'] }], mode: 'vxlan' }],
    nodes: [
      { name: 'a', zone: 'rack', at: ['192.0.2.1/24', '2001:db8::1/64'], overlay: '10.64.1.0/24' },
      { name: 'b', zone: 'rack', at: '192.0.2.2/24', overlay: second, public: ['198.51.100.2'] },
    ],
  }),
  revision: 7,
});

/** What a node would do with a cluster, as text. */
function consequence(cluster: Cluster): string {
  const [self] = [...cluster.nodes.values()];
  const rib = new Rib(self!.name);
  const local = {
    node: self!.name,
    nics: { 4: { name: 'eth0', mtu: 1500 }, 6: { name: 'eth0', mtu: 1500 } },
    underlayRoutes: new Map(),
  };
  const snapshot = { cluster, local };
  rib.build(snapshot);
  const { objects } = desiredState({ snapshot, rib, kinds: new Set(['vxlan', 'ipip', 'sit']) });
  return [...objects.values()].map(formatObject).join('\n');
}

/** A store whose versions the test decides. */
class TestStore implements ClusterStore {
  claimRevision(): number {
    return 99;
  }

  readonly name = source;
  current: Cluster | undefined;
  problems: readonly string[] = [];
  readonly #listeners: ((change: StoreChange) => void)[] = [];
  onChange(listener: (change: StoreChange) => void): void {
    this.#listeners.push(listener);
  }
  turn(current: Cluster | undefined, change: StoreChange = { kind: 'all' }): void {
    this.current = current;
    for (const listener of this.#listeners) listener(change);
  }
  reload = (): Promise<void> => Promise.resolve();
  close(): void {
    this.#listeners.length = 0;
  }
}

t.test('any cluster comes back from the disk with the same consequences', (t) => {
  fc.assert(
    fc.property(arbitraryCluster, (cluster) => {
      const text = clusterToJson(cluster);
      const back = clusterFromJson(text);
      return (
        clusterToJson(back) === text &&
        [...clusterJsonPieces(cluster)].join('') === text &&
        consequence(back) === consequence(cluster)
      );
    }),
    { seed: 20261122, numRuns: 100 },
  );
  t.pass('100 clusters');
  t.end();
});

t.test('a file of format version 1, as the first release wrote it, is read', async (t) => {
  const path = fromRoot('test', 'golden', 'last-good-1.json');
  if (process.env['SELVAGE_UPDATE_GOLDEN'] === '1')
    await writeLastGood(path, { cluster: small('10.64.2.0/24'), savedAt, source });
  const read = await readLastGood(path, { source });
  t.match(read, { kind: 'found', saved: { savedAt, source, cluster: { name: 'small' } } });
  if (read.kind !== 'found') return;
  t.equal(read.saved.cluster.revision, 7);
  t.equal(consequence(read.saved.cluster), consequence(small('10.64.2.0/24')));
});

t.test('it stands in for a store without a good version, and only until it has one', async (t) => {
  const path = join(folder, 'stand-in', 'last-good.json');
  const store = new TestStore();
  store.current = small('10.64.2.0/24');
  const first = await withLastGood(store, { path, now: () => savedAt });
  await first.saved();
  t.equal(first.lastGoodOf, undefined);
  t.equal((statSync(path).mode & 0o777).toString(8), '600');
  store.turn(small('10.64.3.0/24'));
  await first.saved();

  const out = new TestStore();
  out.problems = ['cluster.yaml: not found'];
  const second = await withLastGood(out, { path, now: () => savedAt });
  t.equal(consequence(second.current!), consequence(small('10.64.3.0/24')), 'the newest one');
  t.same(second.lastGoodOf, savedAt);
  t.match(second.problems[0], /the last good one, of 2026-01-02T03:04:05.678Z, is in force/);
  t.equal(second.problems[1], 'cluster.yaml: not found');
  const before = readFileSync(path, 'utf8');
  out.turn(undefined);
  await second.saved();
  t.equal(readFileSync(path, 'utf8'), before, 'a bad version leaves it alone');

  out.problems = [];
  out.turn(small('10.64.4.0/24'));
  t.equal(consequence(second.current!), consequence(small('10.64.4.0/24')));
  t.equal(second.lastGoodOf, undefined);
  t.same(second.problems, []);
  await second.saved();
  t.match(readFileSync(path, 'utf8'), /10\.64\.4\.0\/24/);
});

t.test('changes of single nodes are written together, and at the end', async (t) => {
  const path = join(folder, 'nodes', 'last-good.json');
  const clock = new ManualClock();
  const store = new TestStore();
  store.current = small('10.64.2.0/24');
  const kept = await withLastGood(store, { path, now: () => savedAt, clock });
  await kept.saved();
  const onDisk = (): string => readFileSync(path, 'utf8').replace(/.*"name":"b"/s, '');
  const before = onDisk();
  const nodes = { kind: 'nodes', names: ['b'] } as const;
  store.turn(small('10.64.3.0/24'), nodes);
  await clock.advance(20_000);
  store.turn(small('10.64.4.0/24'), nodes);
  await clock.advance(9_000);
  await kept.saved();
  t.equal(onDisk(), before, 'not yet');
  await clock.advance(1_000);
  await kept.saved();
  t.match(onDisk(), '10.64.4.0/24', '30 s after the first of them, the last one');
  store.turn(small('10.64.5.0/24'), nodes);
  kept.close();
  await kept.saved();
  t.match(onDisk(), '10.64.5.0/24', 'at the end what is left');
});

t.test('at a start it is written when what comes first is done', async (t) => {
  const path = join(folder, 'later', 'last-good.json');
  const store = new TestStore();
  store.current = small('10.64.2.0/24');
  let begin = (): void => undefined;
  const after = new Promise<void>((resolve) => (begin = resolve));
  const kept = await withLastGood(store, { path, after });
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.notOk(existsSync(path), 'not before');
  store.turn(small('10.64.3.0/24'));
  begin();
  await kept.saved();
  t.match(readFileSync(path, 'utf8'), '10.64.3.0/24', 'and then the version of that time');
});

t.test('what is damaged, of another version or of another store is refused with why', async (t) => {
  const path = join(folder, 'refused.json');
  await writeLastGood(path, { cluster: small('10.64.2.0/24'), savedAt, source });
  const good = readFileSync(path, 'utf8');
  const cases: readonly [string, string, RegExp][] = [
    ['one changed byte', good.replace('10.64.2.0', '10.64.9.0'), /checksum is wrong/],
    ['half a file', good.slice(0, good.length / 2), /checksum is wrong/],
    ['an empty file', '', /not a header of ours/],
    ['binary', '\u0000\u0001\u0002\n\u0003', /not a header of ours/],
    ['JSON of somebody else', '{"version":1}\n{}', /not a header of ours/],
    ['a later version', good.replace('"version":1', '"version":2'), /format version 2.*reads 1/],
    ['another store', good.replace(source, '/tmp/other.yaml'), /from \/tmp\/other\.yaml, not from/],
    ['something after it', `${good}more\n`, /checksum is wrong/],
  ];
  for (const [what, text, why] of cases) {
    writeFileSync(path, text);
    const read = await readLastGood(path, { source });
    t.match(read, { kind: 'refused', problem: why }, what);
    const store = await withLastGood(new TestStore(), { path });
    t.equal(store.current, undefined, what);
    t.match(store.problems, [/is not used: .*; mend the store, or remove that file/], what);
  }
  t.same(await readLastGood(join(folder, 'nowhere.json'), { source }), { kind: 'none' });
});

t.test('a disk that takes nothing is a problem told, and tried again', async (t) => {
  const path = join(folder, 'file-in-the-way', 'last-good.json');
  const inTheWay = join(folder, 'file-in-the-way');
  writeFileSync(inTheWay, '');
  chmodSync(inTheWay, 0o600);
  const store = new TestStore();
  store.current = small('10.64.2.0/24');
  const kept = await withLastGood(store, { path });
  const told: StoreChange[] = [];
  kept.onChange((change) => told.push(change));
  await kept.saved();
  t.same(told, [{ kind: 'problems' }], 'at once, and not when something else is to be told');
  t.match(kept.problems, [/^cannot keep the last good configuration in .*: E(EXIST|NOTDIR)/]);
  t.ok(kept.current !== undefined, 'the configuration is in force all the same');
  await kept.reload();
  t.equal(told.length, 1, 'once for as long as it lasts');
  rmSync(inTheWay);
  await kept.reload();
  t.same(told.slice(1), [{ kind: 'problems' }], 'and when it is over');
  t.same(kept.problems, []);
  t.match(await readLastGood(path, { source }), { kind: 'found' });
});
