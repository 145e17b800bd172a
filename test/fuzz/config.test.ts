/**
 * Any text gives a working cluster or located problems: random bytes, damaged good files, and files
 * of the right shape with wrong values. Nothing throws, nothing takes long, every place lies inside
 * the file, and what is accepted keeps the promises that the rest of the program relies on.
 */
import { readFileSync, readdirSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { stringify } from 'yaml';
import type { Cluster } from '../../encap/cluster.js';
import { providers, relationSubjects } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { firstAddress, prefixContains, prefixCovers, prefixesOverlap } from '../../encap/prefix.js';
import { stepOf } from '../../encap/trail.js';
import { type Problem, formatProblem, parseClusterFile } from '../../src/config/index.js';
import { property } from '../support/property.js';
import { fromRoot } from '../support/root.js';

// The properties take ten seconds of an idle processor.
t.setTimeout(240_000);

/** Of processor time, as the machine may be busy with other things. */
const longestMs = 1_000;

/** Throws what is wrong with the answer; true when there is nothing. */
function holds(text: Uint8Array | string): boolean {
  const start = process.cpuUsage();
  const result = parseClusterFile({ text, file: 'fuzz.yaml' });
  const used = process.cpuUsage(start);
  const ms = (used.user + used.system) / 1000;
  if (ms > longestMs) throw new Error(`took ${ms} ms`);
  const decoded = typeof text === 'string' ? text : new TextDecoder().decode(text);
  const lines = decoded.replace(/^\uFEFF/, '').split('\n');
  const problems = result.ok ? result.warnings : result.problems;
  for (const problem of problems) checkProblem(problem, lines);
  for (const [i, problem] of problems.slice(1).entries()) {
    const before = problems[i]!;
    if (
      before.line > problem.line ||
      (before.line === problem.line && before.column > problem.column)
    )
      throw new Error('problems are not in order');
  }
  if (!result.ok) return problems.some(({ severity }) => severity === 'error');
  checkCluster(result.cluster);
  return problems.every(({ severity }) => severity === 'warning');
}

function checkProblem(problem: Problem, lines: readonly string[]): void {
  const line = lines[problem.line - 1];
  const printed = formatProblem(problem, { source: lines });
  const inside = line !== undefined && problem.column >= 1 && problem.column <= line.length + 1;
  if (!inside) throw new Error(`outside the file: ${printed}`);
  if (/undefined|\[object|NaN|function /.test(problem.message + problem.remedy))
    throw new Error(`careless words: ${printed}`);
  if (problem.message === '' || problem.remedy === '') throw new Error(`wordless: ${printed}`);
}

function checkCluster(cluster: Cluster): void {
  const nodes = [...cluster.nodes.values()];
  const must = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(what);
  };
  must(nodes.length > 0 && cluster.pools.length > 0, 'there are nodes and pools');
  must(cluster.vxlan.vni >= 1 && cluster.vxlan.vni < 2 ** 24, 'VNI');
  must(cluster.vxlan.port >= 1 && cluster.vxlan.port < 2 ** 16, 'port');
  const addresses = nodes.flatMap((node) => node.underlay.map(({ address }) => address));
  must(new Set(addresses.map((it) => it.text)).size === addresses.length, 'one address, one node');
  const overlay = nodes.flatMap((node) => node.overlay);
  for (const [i, prefix] of overlay.entries()) {
    must(
      cluster.pools.some((pool) => prefixCovers(pool, prefix)),
      'a pool covers each prefix',
    );
    must(!overlay.slice(i + 1).some((it) => prefixesOverlap(it, prefix)), 'prefixes are disjoint');
    must(!addresses.some((it) => prefixContains(prefix, it)), 'overlay holds no node address');
    must(firstAddress(prefix).bytes.length === prefix.bytes.length, 'families agree');
  }
  for (const node of nodes) {
    must(cluster.zones.has(node.zone), 'the zone exists');
    must(node.underlay.length > 0 && node.overlay.length > 0, 'a node has both kinds of address');
    must(Object.isFrozen(node) && Object.isFrozen(node.overlay), 'a node is frozen');
    must(node.source !== undefined && node.source.line >= 1, 'a node knows where it was written');
  }
  for (const from of nodes.slice(0, 6)) {
    for (const owner of nodes.slice(0, 6)) {
      for (const prefix of owner.overlay) {
        const decision = decide({ cluster, local: undefined }, { from, prefix, owner });
        const rule = stepOf(decision, 'rule')?.rule;
        const asked = rule !== undefined && rule.mode !== 'auto' && !rule.force;
        const { verdict } = decision;
        const stuck = verdict.kind === 'unreachable' && verdict.reason === 'no-mode';
        must(!(asked && stuck), `rule ${rule?.name ?? ''} leaves a pair without a mode`);
      }
    }
  }
}

const examples = readdirSync(fromRoot('deploy/examples'))
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(fromRoot('deploy/examples', name), 'utf8'));

/** What fingers, editors and merges leave behind. */
const scraps = [
  ' ',
  '  ',
  '\t',
  '\n',
  '\r\n',
  '\u00a0',
  '\u201c',
  '-',
  '- ',
  ':',
  ': ',
  ',',
  '#',
  '"',
  "'",
  '[',
  ']',
  '{',
  '}',
  '&a ',
  '*a',
  '<<: *a',
  '!!int ',
  '|',
  '>',
  '?',
  '---\n',
  '...',
  '%YAML 1.1\n',
  '0',
  '00',
  '/',
  '/33',
  '::',
  '.',
  '999',
  '~',
  'null',
  'true',
  'on',
  '1e9',
  '0x1f',
  '-1',
  '__proto__',
  'constructor',
  '\ufeff',
  '<<<<<<< HEAD\n',
  'zones:',
  'nodes:',
  'mode: ipip',
  'same: zone',
  'overlay: 0.0.0.0/0',
  'mtu: 1',
  '\u0000',
];

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat({ max: 12 }),
  insert: fc.oneof(fc.constantFrom(...scraps), fc.string({ maxLength: 4 }), fc.constant('')),
  what: fc.constantFrom('replace', 'replace', 'copy-line', 'drop-line', 'swap-lines', 'indent'),
});

type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function apply(text: string, { at, length, insert, what }: Edit): string {
  if (what === 'replace') {
    const offset = Math.floor(at * text.length);
    return text.slice(0, offset) + insert + text.slice(offset + length);
  }
  const lines = text.split('\n');
  const i = Math.min(Math.floor(at * lines.length), lines.length - 1);
  const j = Math.min(i + length, lines.length - 1);
  const line = lines[i]!;
  if (what === 'copy-line') lines.splice(j, 0, line);
  else if (what === 'drop-line') lines.splice(i, 1);
  else if (what === 'indent') lines[i] = `${' '.repeat(length)}${line.trimStart()}`;
  else [lines[i], lines[j]] = [lines[j]!, line];
  return lines.join('\n');
}

t.test('the unharmed examples are accepted', (t) => {
  for (const text of examples)
    t.ok(parseClusterFile({ text, file: 'x' }).ok && holds(text), text.slice(0, 60));
  t.end();
});

property(
  'damaged good files',
  [fc.constantFrom(...examples), fc.array(edit, { minLength: 1, maxLength: 6 })],
  (text, edits) => holds(edits.reduce(apply, text)),
);

property('random bytes', [fc.uint8Array({ maxLength: 400 })], (bytes) => holds(bytes));

property(
  'random text of YAML’s own signs',
  [fc.array(fc.oneof(fc.constantFrom(...scraps), fc.string({ maxLength: 3 })), { maxLength: 60 })],
  (parts) => holds(parts.join('')),
);

const provider = fc.constantFrom(...providers);
const mtu = fc.constantFrom(1330, 1446, 1500, 9001);
const onOff = fc.constantFrom('enabled', 'disabled');
const verdict = fc.constantFrom('allowed', 'blocked');
const optional = { requiredKeys: [] };
const firewall = { ipip: verdict, ipv6InIpv4: verdict, vxlan: verdict, native: verdict };
const switches = {
  sourceDestinationCheck: onOff,
  ipForwarding: onOff,
  fabricRoutes: fc.constantFrom('present', 'absent'),
  firewall: fc.record(firewall, optional),
};
const zone = fc.record(
  {
    provider,
    region: fc.constantFrom('r0', 'r1'),
    mtu,
    segment: fc.constantFrom('s0', 's1'),
    ...switches,
  },
  optional,
);
const node = fc.record(
  {
    mtu,
    labels: fc.constantFrom({ role: 'db' }, { role: 'web', tier: '1' }),
    accepts: fc.constantFrom({ ipip: 'userspace' }, { 'vxlan/4/4': 'none', native: 'kernel' }),
    ...switches,
  },
  optional,
);
const link = fc.record(
  {
    mtu,
    modes: fc.constantFrom(['vxlan'], ['native', 'ipip']),
    allowPublic: fc.boolean(),
    note: fc.string({ minLength: 1, maxLength: 9 }),
  },
  optional,
);
const vxlan = fc.record(
  {
    vni: fc.integer({ min: 1, max: 2 ** 24 - 1 }),
    port: fc.integer({ min: 1, max: 65535 }),
  },
  optional,
);
const rule = fc.record({
  relation: fc.constantFrom('same', 'different'),
  subject: fc.constantFrom(...relationSubjects),
  mode: fc.constantFrom('auto', 'deny'),
});

/**
 * Everything unique and in range: the generator's promise is that these are accepted. Rules only
 * ask for what can always be had.
 */
const goodFile = fc
  .record({
    zones: fc.array(zone, { minLength: 1, maxLength: 3 }),
    nodes: fc.array(fc.tuple(node, fc.nat({ max: 2 })), { minLength: 1, maxLength: 5 }),
    links: fc.option(link),
    rules: fc.option(rule),
    overlay: fc.option(
      fc.record({ pools: fc.constant(['10.64.0.0/12', 'fd64::/48']), vxlan }, optional),
    ),
  })
  .map(({ zones, nodes, links, rules, overlay }) => ({
    version: 1,
    ...(overlay && { overlay }),
    zones: zones.map((it, i) => ({ name: `z${i}`, ...it, subnets: [`192.168.${i}.0/24`] })),
    ...(links && { links: [{ between: ['z0', `z${zones.length - 1}`], ...links }] }),
    ...(rules && { rules: [{ [rules.relation]: rules.subject, mode: rules.mode }] }),
    nodes: nodes.map(([it, pick], i) => ({
      name: `n${i}`,
      address: `192.168.${pick % zones.length}.${i + 1}`,
      overlay: [`10.64.${i}.0/24`, `fd64:0:0:${i}::/64`],
      ...it,
    })),
  }));

interface Place {
  readonly container: Record<string, unknown>;
  readonly key: string;
}

function placesOf(data: unknown): Place[] {
  if (typeof data !== 'object' || data === null) return [];
  const container = data as Record<string, unknown>;
  return Object.keys(container).flatMap((key) => [{ container, key }, ...placesOf(container[key])]);
}

/** Values that are right somewhere, and nearly right elsewhere. */
const values: readonly unknown[] = [
  ...[null, true, 0, 1, 4, 6, 575, 1279, 65536, 2 ** 24, -1, 1.5, '', [], {}],
  ...['z0', 'z9', 'n0', 'r0', 'aws', 'gcp', 'ipip', 'native', 'vxlan', 'deny', 'zone', 'subnet'],
  ...['10.64.0.0/16', '10.64.0.0/32', '10.64.0.1/24', 'fd64::/48', '0.0.0.0/0', '10.0.0.1 /24'],
  ...['192.168.0.0/16', '192.168.0.1', '192.168.0.255/24', '::ffff:1.2.3.4', 'fe80::1', 'Two W'],
  ...[['z0', 'z0'], ['z0'], { provider: 'aws' }, { node: 'n0', zone: 'z0' }],
  { label: { role: 'db' } },
  [{ mode: 'native' }],
  [{ mode: 'ipip', family: 4 }, { mode: 'auto' }],
  [
    { mode: 'vxlan', same: ['zone', 'region'] },
    { between: ['z0', { provider: 'azure' }], mode: 'ipip', force: true },
  ],
];

const harm = fc.record({
  at: fc.nat(),
  from: fc.nat(),
  how: fc.constantFrom('value', 'value', 'value', 'copy', 'remove', 'rename'),
  value: fc.oneof(fc.constantFrom(...values), fc.anything({ maxDepth: 1, maxKeys: 2 })),
});
type Harm = typeof harm extends fc.Arbitrary<infer T> ? T : never;

function harmed(data: unknown, { at, from, how, value }: Harm): unknown {
  const copy: unknown = structuredClone(data);
  const places = placesOf(copy);
  if (places.length === 0) return copy;
  const { container, key } = places[at % places.length]!;
  const other = places[from % places.length]!;
  if (how === 'value') container[key] = value;
  else if (how === 'copy') container[key] = structuredClone(other.container[other.key]);
  else if (Array.isArray(container)) container.splice(Number(key), 1);
  else {
    if (how === 'rename') container[`${key.slice(1)}x`] = container[key];
    Reflect.deleteProperty(container, key);
  }
  return copy;
}

const answers = { accepted: 0, refused: 0 };

property(
  'good files with some wrong values',
  [goodFile, fc.array(harm, { maxLength: 3 })],
  (data, harms) => {
    let text: string;
    try {
      text = stringify(harms.reduce<unknown>(harmed, data), { aliasDuplicateObjects: false });
    } catch {
      return true; // Symbols and the like, which no file can hold.
    }
    answers[parseClusterFile({ text, file: 'shape.yaml' }).ok ? 'accepted' : 'refused'] += 1;
    return holds(text);
  },
);

t.test('a fair share of those is accepted, so that both answers were tried', (t) => {
  const { accepted, refused } = answers;
  t.ok(accepted >= 30 && refused >= 30, `${accepted} accepted, ${refused} refused`);
  t.end();
});

property(
  'good files are accepted, whatever the order of keys and nodes',
  [goodFile, fc.boolean()],
  (data, flip) => {
    const text = stringify(
      flip
        ? { ...Object.fromEntries(Object.entries(data).reverse()), nodes: data.nodes.toReversed() }
        : data,
    );
    const result = parseClusterFile({ text, file: 'good.yaml' });
    if (!result.ok) throw new Error(result.problems.map((it) => formatProblem(it)).join('\n'));
    const names = [...result.cluster.nodes.values()].map((it) => `${it.name} ${it.zone}`).sort();
    const expected = data.nodes.map((it) => `${it.name} z${it.address.split('.')[2]!}`).sort();
    return holds(text) && names.join() === expected.join();
  },
);

t.test('texts that grow without bound inside a parser do not take long', (t) => {
  const bombs = {
    'open brackets': '['.repeat(50_000),
    'dashes on one line': '- '.repeat(50_000),
    'nested keys': Array.from({ length: 500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    'one mapping with many keys': Array.from({ length: 10_000 }, (_, i) => `k${i}: 1`).join('\n'),
    'one key many times': 'nodes: 1\n'.repeat(10_000),
    'many anchors': 'a: &x 1\n'.repeat(5_000),
    'aliases of aliases': `${Array.from(
      { length: 30 },
      (_, i) => `a${i}: &a${i} [*a${i - 1}, *a${i - 1}]`,
    )
      .join('\n')
      .replace(/\*a-1/g, 'x')}\n`,
    'merges of merges': `${Array.from(
      { length: 30 },
      (_, i) => `a${i}: &a${i} { <<: [*a${i - 1}, *a${i - 1}] }`,
    )
      .join('\n')
      .replace(/\*a-1/g, '{}')}\n`,
    'a chain of aliases': `${Array.from({ length: 900 }, (_, i) => `a${i}: &a${i} [*a${i - 1}]`)
      .join('\n')
      .replace(/\*a-1/g, 'x')}\n`,
    'a long quoted line break': `a: "${'\n'.repeat(50_000)}`,
    'a long line': `nodes: ${'x'.repeat(500_000)}`,
    documents: '---\n'.repeat(10_000),
    comments: '# x\n'.repeat(50_000),
  };
  for (const [name, text] of Object.entries(bombs)) t.ok(holds(text), name);
  t.end();
});
