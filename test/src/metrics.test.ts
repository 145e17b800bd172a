/** Metrics as a scrape shows them, the listener that serves them, and the counting behind them. */
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { addressToBigInt, parseAddress } from '../../encap/address.js';
import { disjointRanges } from '../../encap/disjoint-ranges.js';
import { firstAddress, lastAddress, parsePrefix } from '../../encap/prefix.js';
import type { AgentFigures } from '../../src/agent/figures.js';
import type { StatusReport } from '../../src/agent/status.js';
import { TrafficMeter } from '../../src/agent/traffic.js';
import { ZoneTraffic } from '../../src/agent/zone-traffic.js';
import { renderStatus } from '../../src/cli/render/status.js';
import { terminalFor } from '../../src/cli/terminal.js';
import { parseListenAddress } from '../../src/http/listen-address.js';
import type { Page } from '../../src/http/listener.js';
import { Listener } from '../../src/http/listener.js';
import type { Metrics } from '../../src/metrics/index.js';
import { openMetrics } from '../../src/metrics/index.js';
import type { FailedChange } from '../../routes/apply.js';
import { parseDeviceCounters } from '../../tunnel/device-counters.js';
import { figures, passReport, pair, peer, sysctlChange } from '../support/figures.js';
import { property } from '../support/property.js';
import { ManualClock } from '../support/manual-clock.js';
import type { Teardown } from '../support/netns.js';

class Bench {
  now: AgentFigures = figures();
  readonly clock = new ManualClock();
  readonly metrics: Metrics = openMetrics({
    version: '9.8.7',
    figures: () => this.now,
    nowMs: () => 1_700_000_000_000 + this.clock.now(),
    monotonicMs: () => this.clock.now(),
  });

  /** Series of ours whose name begins with this, as the text has them. */
  async series(name: string): Promise<readonly string[]> {
    const text = await this.metrics.text();
    return text.split('\n').filter((line) => line.startsWith(name));
  }
}

t.test('peers are counted by mode and state, anew with each pass', async (t) => {
  const bench = new Bench();
  bench.now = figures({
    peers: () => [
      peer('a'),
      peer('a', { prefix: '10.64.10.0/24' }),
      peer('b', { mode: 'native' }),
      peer('c', { mode: undefined, verdict: 'deny' }),
      peer('d', { state: 'failed' }),
    ],
  });
  t.same(await bench.series('selvage_peers{'), [
    'selvage_peers{mode="native",state="ok"} 1',
    'selvage_peers{mode="ipip",state="ok"} 0',
    'selvage_peers{mode="vxlan",state="ok"} 1',
    'selvage_peers{mode="deny",state="ok"} 1',
    'selvage_peers{mode="vxlan",state="failed"} 1',
  ]);
  t.ok(
    (await bench.series('selvage_peer_prefixes{')).includes(
      'selvage_peer_prefixes{mode="vxlan",state="ok"} 2',
    ),
  );
  bench.now = figures({ peers: () => [], lastPass: { report: passReport(), at: new Date(0) } });
  t.same(await bench.series('selvage_peers{mode="vxlan"'), [
    'selvage_peers{mode="vxlan",state="ok"} 0',
  ]);
});

t.test('a pass is counted with its operations, repairs and errors', async (t) => {
  const bench = new Bench();
  const [made, undone, refused] = ['a', 'b', 'c'].map(sysctlChange) as [
    ReturnType<typeof sysctlChange>,
    ReturnType<typeof sysctlChange>,
    ReturnType<typeof sysctlChange>,
  ];
  const failure = { code: 'EPERM', errno: 1, extendedAck: undefined, message: 'no' };
  const failed: FailedChange = { change: refused, failure, peer: undefined };
  const { observer } = bench.metrics;
  observer.passed(passReport({ changes: [made, undone], failed: [failed] }), [undone]);
  // It waits for its next try: no new failure.
  observer.passed(passReport({ failed: [failed] }), []);
  observer.passed(passReport({ error: new Error('nft') }), []);
  observer.storeChanged('refused');
  t.same(await bench.series('selvage_kernel_operations_total{verb="create",object="sysctl"'), [
    'selvage_kernel_operations_total{verb="create",object="sysctl",outcome="applied"} 2',
    'selvage_kernel_operations_total{verb="create",object="sysctl",outcome="failed"} 1',
  ]);
  t.same(await bench.series('selvage_drift_repairs_total{object="sysctl"'), [
    'selvage_drift_repairs_total{object="sysctl"} 1',
  ]);
  t.same(await bench.series('selvage_passes_total'), [
    'selvage_passes_total{outcome="ok"} 2',
    'selvage_passes_total{outcome="failed"} 1',
  ]);
  t.same(await bench.series('selvage_errors_total'), [
    'selvage_errors_total{kind="pass"} 1',
    'selvage_errors_total{kind="kernel"} 1',
    'selvage_errors_total{kind="configuration"} 1',
  ]);
  t.same(await bench.series('selvage_pass_duration_seconds_sum'), [
    'selvage_pass_duration_seconds_sum 0.06',
  ]);
});

t.test('apply latency goes from the notice to the end of the pass that followed it', async (t) => {
  const bench = new Bench();
  const { observer } = bench.metrics;
  observer.storeChanged('new');
  await bench.clock.advance(10);
  observer.passed(passReport({ durationMs: 15 }), []);
  t.same(await bench.series('selvage_apply_latency_seconds_count'), [
    'selvage_apply_latency_seconds_count 0',
  ]);
  await bench.clock.advance(30);
  observer.passed(passReport({ durationMs: 25 }), []);
  observer.passed(passReport({ durationMs: 25 }), []);
  t.same(await bench.series('selvage_apply_latency_seconds_'), [
    ...(await bench.series('selvage_apply_latency_seconds_bucket')),
    'selvage_apply_latency_seconds_sum 0.04',
    'selvage_apply_latency_seconds_count 1',
  ]);
});

t.test('what is not known is not told', async (t) => {
  const bench = new Bench();
  bench.now = figures({ cluster: undefined, lastPass: undefined });
  for (const name of [
    'selvage_store_',
    'selvage_node_info',
    'selvage_configuration_revision',
    'selvage_configuration_timestamp_seconds',
    'selvage_configuration_last_good_timestamp_seconds',
    'selvage_last_pass_timestamp_seconds',
    'selvage_migration_phase',
    'selvage_peers',
    'selvage_zone_traffic',
  ])
    t.same(await bench.series(name), [], name);
  bench.now = figures({
    store: { synced: false, revision: 42, lagSeconds: 1.5, outages: 3 },
    lastGoodOf: new Date(1_600_000_000_000),
    cluster: { ...pair, changeover: { phase: 'settled' } },
  });
  t.same(await bench.series('selvage_store_'), [
    'selvage_store_synced 0',
    'selvage_store_revision 42',
    'selvage_store_lag_seconds 1.5',
    'selvage_store_outages_total 3',
  ]);
  t.same(await bench.series('selvage_configuration_last_good_timestamp_seconds'), [
    'selvage_configuration_last_good_timestamp_seconds 1600000000',
  ]);
  t.same(await bench.series('selvage_migration_phase{phase="settled"'), [
    'selvage_migration_phase{phase="settled"} 1',
  ]);
});

t.test('scrapes at the same time do not add up, and share one question to the guard', async (t) => {
  const bench = new Bench();
  let asked = 0;
  bench.now = figures({
    guardDropped: async () => {
      asked++;
      await sleep(20);
      return { outer_source: 7 };
    },
  });
  const series = await Promise.all(
    [1, 2, 3].map(() => bench.series('selvage_guard_dropped_packets_total')),
  );
  for (const lines of series)
    t.same(lines, ['selvage_guard_dropped_packets_total{reason="outer_source"} 7']);
  t.equal(asked, 1);
});

t.test('a look-up that fails takes its own metric away and is counted', async (t) => {
  const bench = new Bench();
  bench.now = figures({ guardDropped: () => Promise.reject(new Error('no nft')) });
  const lines = (await bench.metrics.text()).split('\n');
  t.notOk(lines.some((line) => line.startsWith('selvage_guard_dropped_packets_total')));
  t.ok(lines.includes('selvage_ready 1'));
  t.same(await bench.series('selvage_scrape_errors_total'), [
    'selvage_scrape_errors_total{metric="selvage_guard_dropped_packets_total"} 1',
  ]);
});

t.test('ten thousand peers are no more series than one', async (t) => {
  const bench = new Bench();
  const size = async (count: number): Promise<number> => {
    const peers = Array.from({ length: count }, (_, index) => peer(`n${index}`));
    bench.now = figures({
      peers: () => peers,
      lastPass: { report: passReport(), at: new Date(0) },
    });
    return (await bench.metrics.text()).split('\n').length;
  };
  t.equal(await size(10_000), await size(1));
});

t.test('names follow the conventions', (t) => {
  const { described } = new Bench().metrics;
  t.ok(described.length > 30);
  for (const { name, type, help, labels } of described) {
    t.match(name, /^selvage_[a-z_]+[a-z]$/);
    t.equal(name.endsWith('_total'), type === 'counter', name);
    t.notMatch(name, /_(ms|milliseconds|kilobytes|minutes)(_|$)/, name);
    t.match(help, /^[A-Z].*[.]$/, name);
    for (const label of labels) t.match(label, /^[a-z_]+$/, name);
    t.notOk(labels.includes('peer'), `${name}: a series a peer`);
  }
  t.equal(new Set(described.map(({ name }) => name)).size, described.length);
  t.end();
});

const procNetDev = (rows: readonly string[]): string =>
  ['Inter-|   Receive |  Transmit', ' face |bytes packets …', ...rows].join('\n');

t.test('the kernel table is read as it is written, whatever the names', (t) => {
  const devices = parseDeviceCounters(
    procNetDev([
      ' slv4a: 1000      10    1    2    0     0          0         0     2000      20    3    4    0     0       0          0',
      'eth0:1: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0',
      '    lo:18446744073709551 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0',
    ]),
  );
  t.same(devices.get('slv4a'), {
    received: { bytes: 1000, packets: 10, errors: 1, dropped: 2 },
    sent: { bytes: 2000, packets: 20, errors: 3, dropped: 4 },
  });
  t.equal(devices.get('eth0:1')?.sent.bytes, 6);
  t.equal(devices.get('lo')?.received.packets, 1);
  t.end();
});

t.test('a device that is made anew takes nothing away, and others are not counted', (t) => {
  const row = (name: string, sent: number): string =>
    `${name}: 0 0 0 0 0 0 0 0 ${sent * 100} ${sent} 0 0 0 0 0 0`;
  let rows: readonly string[] = [];
  const meter = new TrafficMeter(() => parseDeviceCounters(procNetDev(rows)));
  const sent = (): readonly string[] =>
    meter.read().map(({ mode, sent }) => `${mode} ${sent.packets} ${sent.bytes}`);
  t.same(sent(), []);
  rows = [row('eth0', 999), row('slv4a', 10), row('slv6a', 1), row('slip4', 5)];
  t.same(sent(), ['vxlan 11 1100', 'ipip 5 500']);
  // The second slot takes over while the first still is.
  rows = [row('slv4a', 12), row('slv4b', 3), row('slip4', 5)];
  t.same(sent(), ['vxlan 16 1600', 'ipip 5 500']);
  rows = [row('slv4b', 4)];
  t.same(sent(), ['vxlan 17 1700', 'ipip 5 500']);
  // Deleted by somebody and made again.
  rows = [row('slv4b', 2)];
  t.same(sent(), ['vxlan 19 1900', 'ipip 5 500']);
  t.end();
});

t.test('an address to listen on is written out, never guessed', (t) => {
  t.match(parseListenAddress('127.0.0.1:14789'), {
    host: '127.0.0.1',
    port: 14789,
    loopback: true,
  });
  t.match(parseListenAddress('[::1]:80'), { host: '::1', port: 80, loopback: true });
  t.match(parseListenAddress('192.0.2.1:9'), { loopback: false });
  t.match(parseListenAddress('[::]:9'), { host: '::', loopback: false });
  for (const text of [':9', '9', 'localhost:9', '::1:9', '[127.0.0.1]:9', '127.0.0.1', '1.2.3:9'])
    t.throws(() => parseListenAddress(text), /must be an address and a port, as/, text);
  for (const text of ['127.0.0.1:0', '127.0.0.1:65536'])
    t.throws(() => parseListenAddress(text), /ports are 1 to 65535/, text);
  t.end();
});

interface Heard {
  readonly listener: Listener;
  readonly lines: readonly string[];
  readonly clock: ManualClock;
}

async function listen(t: Teardown, host: string, port: number): Promise<Heard> {
  const lines: string[] = [];
  const note = (line: unknown): void => void lines.push(String(line));
  const clock = new ManualClock();
  const listener = new Listener({
    at: { host, port, loopback: host === '127.0.0.1' },
    pages: new Map<string, () => Promise<Page> | Page>([
      ['/healthz', () => ({ status: 503, type: 'text/plain', body: 'not alive\n' })],
      ['/boom', (): Promise<Page> => Promise.reject(new Error('broken'))],
    ]),
    log: { info: note, warn: note },
    clock,
  });
  t.teardown(() => listener.close());
  await until(() => lines.length > 0);
  return { listener, lines, clock };
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 2_000; tries++) await sleep(10);
}

t.test('the listener answers GET and HEAD, and nothing else', async (t) => {
  const { listener, lines } = await listen(t, '127.0.0.1', 0);
  const at = `http://127.0.0.1:${listener.port}`;
  t.equal(lines[0], `metrics on ${at}/metrics`);
  const health = await fetch(`${at}/healthz?x=1`);
  t.equal(health.status, 503);
  t.equal(await health.text(), 'not alive\n');
  const head = await fetch(`${at}/healthz`, { method: 'HEAD' });
  t.equal(head.headers.get('content-length'), '10');
  t.equal(await head.text(), '');
  const post = await fetch(`${at}/healthz`, { method: 'POST', body: 'x'.repeat(100_000) });
  t.equal(post.status, 405);
  t.equal(post.headers.get('allow'), 'GET, HEAD');
  t.equal((await fetch(`${at}/../etc/passwd`)).status, 404);
  t.equal((await fetch(`${at}/boom`)).status, 500);
});

t.test(
  'one who opens connections and says nothing does not keep others out for long',
  async (t) => {
    const { listener } = await listen(t, '127.0.0.1', 0);
    const port = listener.port!;
    const opened = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => undefined);
        await new Promise((resolve) => socket.once('connect', resolve));
        return socket;
      }),
    );
    t.teardown(() => opened.forEach((socket) => socket.destroy()));
    const closed = (): number => opened.filter((socket) => socket.closed).length;
    opened.forEach((socket) => socket.resume());
    await until(() => closed() >= 24);
    t.equal(closed(), 24, 'sixteen are let in');
    await until(() => closed() === 40);
    t.equal(closed(), 40, 'and sent away when they say nothing');
    t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 503);
  },
);

t.test('a port that is taken is told once, tried again and had in the end', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const { listener, lines, clock } = await listen(t, '127.0.0.1', port);
  t.match(lines[0], new RegExp(`^cannot listen on 127.0.0.1:${port}: .*EADDRINUSE.*tried again`));
  t.equal(listener.port, undefined);
  for (let tries = 0; tries < 3; tries++) {
    await clock.advance(10_000);
    await sleep(20);
  }
  t.equal(lines.length, 1);
  await new Promise((resolve) => other.close(resolve));
  await clock.advance(10_000);
  await until(() => listener.port !== undefined);
  t.equal(listener.port, port);
});

t.test('an address that others reach is named in a warning', async (t) => {
  const { lines } = await listen(t, '0.0.0.0', 0);
  t.match(lines[0], /for everybody who reaches this address/);
});

property(
  'ranges by zone agree with the longest match, whatever lies in whatever',
  [
    fc.array(
      fc.record({ bits: fc.nat(255), length: fc.integer({ min: 24, max: 32 }), zone: fc.nat(2) }),
      { maxLength: 12 },
    ),
  ],
  (given) => {
    const list = given.map(({ bits, length, zone }) => {
      const last = bits & ~((1 << (32 - length)) - 1);
      return { prefix: parsePrefix(`10.0.0.${last}/${length}`), value: `z${zone}` };
    });
    const ranges = disjointRanges(list, 4);
    const base = 10n << 24n;
    for (let last = 0n; last < 256n; last++) {
      const at = base + last;
      const inside = list.filter(
        ({ prefix }) =>
          addressToBigInt(firstAddress(prefix)) <= at && at <= addressToBigInt(lastAddress(prefix)),
      );
      const longest = Math.max(...inside.map(({ prefix }) => prefix.length));
      const wanted = inside.find(({ prefix }) => prefix.length === longest)?.value;
      const found = ranges.filter((range) => range.first <= at && at <= range.last);
      if (found.length > 1 || found[0]?.value !== wanted) return false;
    }
    return ranges.every((range, index) => {
      const next = ranges[index + 1];
      if (next === undefined) return true;
      return range.last + 1n < next.first || range.value !== next.value;
    });
  },
);

t.test(
  'zones are counted by peers, gathered, and a failure is told once and made good',
  async (t) => {
    const clock = new ManualClock();
    const applied: string[] = [];
    const problems: string[] = [];
    let broken = false;
    let cluster = pair;
    const zones = new ZoneTraffic({
      node: 'n1',
      cluster: () => cluster,
      clock,
      onProblem: (problem) => problems.push(problem),
      counters: {
        apply: (ranges) => {
          if (broken) return Promise.reject(new Error('no nft'));
          applied.push(ranges[4].map(({ first, value }) => `${first} ${value}`).join());
          return Promise.resolve();
        },
        read: () => (broken ? Promise.reject(new Error('gone')) : Promise.resolve([])),
        remove: () => Promise.resolve(void applied.push('removed')),
      },
    });
    zones.passed();
    await clock.advance(1);
    const wanted = `${addressToBigInt(parseAddress('10.64.2.0'))} ${pair.nodes.get('n2')!.zone}`;
    t.same(applied, [wanted], 'the peer, and not the node itself');
    for (let revision = 2; revision < 5; revision++) {
      cluster = { ...pair, revision };
      zones.passed();
      await clock.advance(100);
    }
    await clock.advance(5_000);
    t.equal(applied.length, 2, 'changes are gathered');
    broken = true;
    await t.rejects(zones.read(), /gone/);
    await clock.advance(100_000);
    broken = false;
    await clock.advance(31_000);
    t.equal(applied.length, 3, 'made anew');
    t.same(problems, ['gone', 'no nft']);
    await zones.close();
    zones.passed();
    await clock.advance(5_000);
    t.same(applied.slice(3), ['removed']);
  },
);

t.test('status tells store, traffic and peers by mode and state', (t) => {
  const counters = { bytes: 20_560, packets: 20, errors: 0, dropped: 1 };
  const report: StatusReport = {
    schema: 'selvage.status/1',
    node: 'a',
    cluster: 'pair',
    revision: 7,
    config: { file: 'etcd://192.0.2.9/pair', problems: [] },
    pid: 1,
    ready: true,
    guard: { backend: 'nftables', dropped: {} },
    planes: [],
    traffic: [{ mode: 'vxlan', sent: counters, received: { ...counters, bytes: 999, dropped: 0 } }],
    store: { synced: false, revision: 42, lagSeconds: 12.4, outages: 2, refusedRecords: 3 },
    problems: [],
    notes: [],
    repairs: 0,
    contested: [],
    lastPass: undefined,
    peers: [peer('b'), peer('c', { mode: 'native' }), peer('d', { state: 'failed' })],
  };
  const terminal = terminalFor({
    isTty: false,
    columns: 120,
    env: { COLUMNS: '120' },
    noColor: true,
  });
  const lines = renderStatus(report, terminal).split('\n');
  for (const line of [
    '  store   OUT: what is known stays in force, revision 42, 12 s behind at most, lost 2 times, 3 values refused',
    '  traffic vxlan sent 20 packets, 20.6 kB; received 20 packets, 999 B; 1 could not be carried',
    '  peers   1 vxlan, 1 native, 1 vxlan failed',
  ])
    t.ok(lines.includes(line), line);
  t.end();
});
