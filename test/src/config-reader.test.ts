/** A large cluster file is read by a process of its own: same answers, and the agent goes on. */
import { readFileSync, readdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import fc from 'fast-check';
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { formatProblem, openConfigSource, parseClusterFile } from '../../src/config/index.js';
import { type PortableCluster, fromPortable, toPortable } from '../../src/config/portable.js';
import { type ReadOptions, readClusterFile } from '../../src/config/reader.js';
import { fromRoot } from '../support/root.js';
import { mistakes } from './config-mistakes.js';

// A process a reading.
t.setTimeout(180_000);

const file = '/etc/selvage/cluster.yaml';

/** The nodes as a list, so that a comparison looks into them. */
function plain(cluster: Cluster): object {
  return { ...cluster, nodes: [...cluster.nodes.values()] };
}

function result(read: ReturnType<typeof parseClusterFile>): object {
  return read.ok ? { ...read, cluster: plain(read.cluster) } : read;
}

function readElsewhere(
  text: string,
  options: ReadOptions = {},
): ReturnType<typeof readClusterFile> {
  const bytes = Buffer.from(text);
  return readClusterFile({ bytes, file, revision: 7 }, { inProcessBytes: 0, ...options });
}

function across(cluster: Cluster): Cluster {
  return fromPortable(deserialize(serialize(toPortable(cluster))) as PortableCluster);
}

/** Every kind of thing a file can say, as often as the numbers ask. */
function fleetText(nodes: number, name = 'fleet'): string {
  const lines = Array.from(
    { length: nodes },
    (_, i) =>
      `  - { name: n${i}, zone: z${i % 3}, address: 172.16.${i >> 8}.${i & 255}/12, overlay: [10.${i >> 8}.${i & 255}.0/24] }`,
  );
  const zones = [0, 1, 2].map((zone) => `  - { name: z${zone}, region: r, provider: onprem }`);
  return ['overlay: { pools: 10.0.0.0/9 }', `cluster: ${name}`, 'zones:', ...zones]
    .concat('nodes:', lines.slice(1), '')
    .join('\n');
}

const examples = readdirSync(fromRoot('deploy/examples'))
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(fromRoot('deploy/examples', name), 'utf8'));

t.test('the process and this one read the same out of good and bad files', async (t) => {
  const bad = mistakes.filter(([, problems]) => problems.length > 0).map(([text]) => text);
  const several = [0, 0.3, 0.6].map((part) => bad[Math.floor(part * bad.length)]!);
  for (const text of [...examples, ...several, fleetText(50), '\u0000', '[[[']) {
    const here = parseClusterFile({ text: Buffer.from(text), file, revision: 7 });
    t.strictSame(result(await readElsewhere(text)), result(here), text.slice(0, 60));
  }
});

t.test('every file of the mistakes that is good crosses unchanged', (t) => {
  let crossed = 0;
  for (const [text] of mistakes) {
    const read = parseClusterFile({ text, file });
    if (!read.ok) continue;
    crossed++;
    t.strictSame(plain(across(read.cluster)), plain(read.cluster), text.slice(0, 60));
  }
  t.ok(crossed >= 10, `${crossed} of them`);
  t.end();
});

t.test('generated files cross unchanged', (t) => {
  const word = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
  const state = fc.constantFrom('allowed', 'blocked');
  const node = fc.record(
    {
      labels: fc.dictionary(word, word, { maxKeys: 3 }),
      mtu: fc.integer({ min: 1400, max: 9001 }),
      accepts: fc.record({ ipip: fc.constantFrom('kernel', 'userspace', 'none') }),
      firewall: fc.record({ ipip: state, vxlan: state }, { requiredKeys: [] }),
      ipForwarding: fc.constantFrom('enabled', 'disabled'),
      publicAddress: fc.integer({ min: 1, max: 250 }).map((host) => [`198.51.100.${host}`]),
      six: fc.boolean(),
    },
    { requiredKeys: [] },
  );
  let crossed = 0;
  fc.assert(
    fc.property(fc.array(node, { minLength: 1, maxLength: 6 }), (nodes) => {
      const written = nodes.map(({ six, ...entry }, i) => ({
        name: `n${i}`,
        zone: `z${i % 2}`,
        addresses: [`10.0.0.${i + 1}/24`, ...(six === true ? [`fd00::${i + 1}/64`] : [])],
        overlay: [`10.64.${i}.0/24`, ...(six === true ? [`fd64:0:0:${i}::/64`] : [])],
        ...entry,
        // A rule asks for it.
        ...(i === 0 ? { labels: { ...entry.labels, a: 'b' } } : {}),
      }));
      const text = JSON.stringify({
        probes: { mode: 'drive', packetsPerSecond: 7 },
        overlay: { settleSeconds: 3, masquerade: false, vxlan: { vni: 77, port: 4790 } },
        zones: [
          {
            name: 'z0',
            provider: 'aws',
            region: 'r',
            subnets: [{ prefix: '10.0.0.0/25', segment: 's' }],
          },
          { name: 'z1', region: 'r', sourceDestinationCheck: 'disabled', mtu: 9001 },
        ],
        links: [{ between: ['z0', { provider: 'onprem' }], mtu: 1446, modes: ['vxlan'] }],
        rules: [
          {
            from: { subnet: '10.0.0.0/25', label: { a: ['b'] } },
            mode: 'vxlan',
            reason: 'because',
          },
          { between: ['z0', { node: 'n0' }], same: 'region', family: 4, mode: 'auto' },
        ],
        nodes: written,
      });
      const read = parseClusterFile({ text, file });
      if (!read.ok) return;
      crossed++;
      t.strictSame(plain(across(read.cluster)), plain(read.cluster));
    }),
    { numRuns: 100, seed: 11 },
  );
  t.ok(crossed > 30, `${crossed} good ones, seed 11`);
  t.end();
});

t.test('what crossed is frozen, and what nodes have in common is one object', (t) => {
  const read = parseClusterFile({ text: fleetText(9), file });
  if (!read.ok) return t.fail(read.problems.map((problem) => formatProblem(problem)).join('\n'));
  const cluster = across(read.cluster);
  const nodes = [...cluster.nodes.values()];
  for (const value of [cluster, cluster.rules, cluster.zones.get('z0'), ...nodes])
    t.ok(Object.isFrozen(value));
  const [first, second] = nodes;
  t.equal(first!.labels, second!.labels);
  t.ok(Object.isFrozen(first!.labels) && Object.isFrozen(first!.underlay));
  t.end();
});

t.test(
  'a process that dies, hangs or is not to be had is one problem; the cluster stays',
  async (t) => {
    const big = fleetText(3_000);
    const cases: readonly (readonly [ReadOptions, RegExp])[] = [
      [{ heapLimitMb: 20 }, /takes more memory than it may \(20 MB\) — make the file smaller/],
      [{ timeoutMs: 100 }, /took too long and was given up \(0\.1 s\)/],
      [{ signal: AbortSignal.abort() }, /ended too early \(SIGKILL\)/],
    ];
    for (const [options, expected] of cases) {
      const read = await readElsewhere(big, options);
      t.equal(read.ok, false);
      if (read.ok) continue;
      t.equal(read.problems.length, 1);
      const [problem] = read.problems;
      t.match(problem, { code: 'reader-failed', severity: 'error', file, line: 1, column: 1 });
      t.match(formatProblem(problem!), expected);
    }

    const folder = mkdtempSync(join(tmpdir(), 'selvage-reader-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'cluster.yaml');
    writeFileSync(path, fleetText(5, 'small'));
    const source = await openConfigSource(path, { heapLimitMb: 20 });
    writeFileSync(path, big);
    t.match(await source.reload(), { kind: 'rejected', problems: [{ code: 'reader-failed' }] });
    t.equal(source.current?.name, 'small');
    source.close();
  },
);

t.test('a reload of a large file does not hold up the event loop', async (t) => {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const start = performance.now();
  const read = await readElsewhere(fleetText(6_000));
  const tookMs = performance.now() - start;
  delay.disable();
  t.equal(read.ok && read.cluster.nodes.size, 5_999);
  const longestMs = delay.max / 1e6;
  t.ok(longestMs < Math.max(200, tookMs / 4), `${longestMs} ms of ${tookMs} ms`);
});

t.test('closing the source ends the process and tells nobody', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-reader-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'cluster.yaml');
  writeFileSync(path, fleetText(5, 'small'));
  const told: string[] = [];
  const source = await openConfigSource(path, { onUpdate: ({ kind }) => void told.push(kind) });
  writeFileSync(path, fleetText(6_000));
  const reading = source.reload();
  const started = performance.now();
  while (readers(path).length === 0 && performance.now() - started < 5_000) await sleep(5);
  const [reader] = readers(path);
  t.type(reader, 'string', 'it is being read');
  source.close();
  await reading;
  t.same(readers(path), []);
  t.same(told, ['changed']);
});

/** Ids of the processes that read this file. */
function readers(path: string): string[] {
  return readdirSync('/proc').filter((id) => {
    if (!/^\d+$/.test(id)) return false;
    try {
      const line = readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0');
      return line.includes(path) && line.some((word) => word.includes('reader-main'));
    } catch {
      return false;
    }
  });
}
