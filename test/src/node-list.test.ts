/** The nodes of a fleet as `node list` tells of them, with what an agent knows and the store does not. */
import t from 'tap';
import type { ClusterNode } from '../../encap/cluster.js';
import { absentReport } from '../../src/agent/absent-route.js';
import { terminalFor } from '../../src/cli/terminal.js';
import { renderNodes } from '../../src/cli/render/nodes.js';
import { listNodes } from '../../src/fleet/list.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { fleetOf, joinAs } from '../support/fleet.js';

const config = `cluster: c
overlay: { pools: [10.64.0.0/16] }
zones: [{ name: a, subnets: [10.1.0.0/24] }]
`;
// Joins of these tests are of the year's first moment.
const now = new Date('2026-01-02T01:00:00Z');

t.test('who is not heard of is stale or withdrawn, and an agent knows since when', async (t) => {
  const { server, keys } = await fleetOf(config);
  const kv = server.client();
  for (const [i, name] of ['back', 'gone', 'late', 'new', 'well'].entries())
    await joinAs(server, { name, address: `10.1.0.${i + 1}/24` });
  const since = '2026-01-02T00:00:00Z';
  const say = (key: string, value: object) => kv.put(key, JSON.stringify({ version: 1, ...value }));
  for (const name of ['back', 'well']) await say(keys.alive(name), { instance: 'i', since });
  await say(keys.status('well'), {
    ...{ release: '1.2.3', config: 1, receives: [], sends: [] },
    ...{ ready: true, problems: [], at: since },
  });
  const place = { keys, cluster: 'c', now };
  const absent = [
    { name: 'back', state: 'withdrawn', since },
    { name: 'gone', state: 'withdrawn', since },
    { name: 'late', state: 'stale', since: '2026-01-02T00:57:00Z' },
  ] as const;
  const list = await listNodes(kv, { ...place, absent });
  t.same(
    list.nodes.map(({ name, state, absentSince, ageSeconds }) => [
      ...[name, state, absentSince, ageSeconds],
    ]),
    [
      ['back', 'alive', null, 90_000],
      ['gone', 'withdrawn', since, 90_000],
      ['late', 'stale', '2026-01-02T00:57:00Z', 90_000],
      ['new', 'stale', null, 90_000],
      ['well', 'alive', null, 90_000],
    ],
    'whoever is heard of again is not missed any more',
  );
  t.same(list.counts, { alive: 2, stale: 2, withdrawn: 1, refused: 0, listed: 0 });
  const terminal = terminalFor({ isTty: false, columns: undefined, env: {}, noColor: true });
  const text = renderNodes(list, { ...terminal, width: 120, now });
  t.match(text, /^gone +a +10\.1\.0\.2 +1d1h +withdrawn for 1h +/m);
  t.match(text, /^late +a +10\.1\.0\.3 +1d1h +stale for 3m +/m);
  t.match(text, /^new +a +10\.1\.0\.4 +1d1h +stale +/m);
  t.match(text, /^well +a +10\.1\.0\.5 +1d1h +ready +1 +1\.2\.3 /m);
  t.match(text, /2 alive, 2 stale, 1 withdrawn/);
  t.match(text.replace(/\s+/g, ' '), /No agent of this cluster answers here/);
  const alone = await listNodes(kv, place);
  t.same(
    alone.nodes.map(({ state }) => state),
    ['alive', 'stale', 'stale', 'stale', 'alive'],
    'the store alone knows no times',
  );
});

t.test('an agent names the nodes that it does not hear of', (t) => {
  const cluster = sketchCluster({
    name: 'prod',
    nodes: ['a', 'b', 'c'].map((name, i) => ({
      ...{ name, at: `10.0.0.${i + 1}/24`, overlay: `10.64.${i}.0/24` },
    })),
  });
  const marked = (name: string, more: Partial<ClusterNode>) => ({
    ...cluster.nodes.get(name)!,
    ...more,
  });
  const nodes = [
    cluster.nodes.get('a')!,
    marked('b', { stale: 'since 2026-01-01T00:00:00.000Z' }),
    marked('c', { stale: 'since 2026-01-01T00:00:00.000Z', withdrawn: true }),
  ];
  const report = absentReport({
    ...cluster,
    nodes: new Map(nodes.map((node) => [node.name, node])),
  });
  const since = '2026-01-01T00:00:00.000Z';
  t.same(report, {
    schema: 'selvage.absent/1',
    cluster: 'prod',
    nodes: [
      { name: 'b', state: 'stale', since },
      { name: 'c', state: 'withdrawn', since },
    ],
  });
  t.end();
});
