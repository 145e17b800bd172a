/** The cluster file: what is read, what is refused and where, and the published schema. */
import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { decide } from '../../encap/decide.js';
import { masqueradeOf } from '../../encap/masquerade.js';
import { defaultProbes } from '../../encap/probe/settings.js';
import type { Prefix } from '../../encap/prefix.js';
import {
  type Problem,
  clusterJsonSchema,
  clusterJsonSchemaText,
  formatProblem,
  jsonSchemaPath,
  loadClusterFile,
  parseClusterFile,
} from '../../src/config/index.js';
import { maxFileBytes } from '../../src/config/limits.js';
import { fromRoot } from '../support/root.js';
import { mistakes } from './config-mistakes.js';

t.setTimeout(120_000);

function problemsOf(text: string | Uint8Array): readonly Problem[] {
  const result = parseClusterFile({ text, file: 'f.yaml' });
  return result.ok ? result.warnings : result.problems;
}

function clusterOf(text: string): Cluster {
  const result = parseClusterFile({ text, file: 'f.yaml' });
  if (!result.ok) throw new Error(result.problems.map((it) => formatProblem(it)).join('\n'));
  return result.cluster;
}

/** `3:5 unknown-key nodes[0].adress → did you mean "address"?` */
function brief({ line, column, severity, code, path, remedy }: Problem): string {
  const warning = severity === 'warning' ? '(warning) ' : '';
  return `${`${line}:${column} ${warning}${code} ${path}`.trimEnd()} → ${remedy}`;
}

/** Mode for each ordered pair that has the family, `a>b native`. */
function modes(cluster: Cluster, family: 4 | 6): string[] {
  const found: string[] = [];
  for (const from of cluster.nodes.values()) {
    for (const owner of cluster.nodes.values()) {
      const prefix = owner.overlay.find((it) => it.family === family);
      if (from === owner || prefix === undefined) continue;
      const { verdict } = decide({ cluster, local: undefined }, { from, prefix, owner });
      const result = verdict.kind === 'forward' ? `${verdict.mode} ${verdict.mtu}` : verdict.kind;
      found.push(`${from.name}>${owner.name} ${result}`);
    }
  }
  return found;
}

t.test('every mistake has its place, code and remedy, once', (t) => {
  for (const [text, expected] of mistakes)
    t.same(problemsOf(text).map(brief), expected, JSON.stringify(text.slice(0, 120)));
  t.end();
});

t.test('bytes that are no UTF-8 text are told apart', (t) => {
  const told = (bytes: Uint8Array): string[] =>
    problemsOf(bytes).map((it) => `${it.line}:${it.column} ${it.code} ${it.value}`);
  t.same(told(Buffer.from('\ufeffnodes:', 'utf16le')), ['1:1 not-utf8 UTF-16 (little-endian)']);
  t.same(told(Buffer.from('nodes:', 'utf16le')), ['1:1 not-utf8 UTF-16 (little-endian)']);
  t.same(told(Buffer.from('a: 1\n# caf\xe9\n', 'latin1')), ['2:6 not-utf8 byte 0xe9 at offset 10']);
  t.same(told(Buffer.from('a: \xc3\xa9\xe9', 'latin1')), ['1:5 not-utf8 byte 0xe9 at offset 5']);
  t.same(told(Buffer.from('a: 1\nb\0c\n')), ['2:2 not-text U+0000']);
  t.same(told(Buffer.from('a: 1\rb: 2\r')), ['1:5 not-text U+000D']);
  t.same(told(Buffer.alloc(maxFileBytes + 1, 0x20)), ['1:1 file-too-large 17 MiB']);
  t.same(
    problemsOf('['.repeat(100_000)).map((it) => it.code),
    ['nested-too-deeply'],
  );
  t.end();
});

t.test('a byte order mark, Windows line ends and merge keys are fine', (t) => {
  const cluster = clusterOf(
    '\ufeffnodes:\r\n  - &base\r\n    name: a\r\n    address: 10.0.0.1/24\r\n    overlay: 10.64.1.0/24\r\n' +
      '    labels: { role: db }\r\n  - <<: *base\r\n    name: b\r\n    address: 10.0.0.2/24\r\n    overlay: 10.64.2.0/24\r\n',
  );
  t.same(
    [...cluster.nodes.values()].map((it) => [it.name, it.labels]),
    [
      ['a', { role: 'db' }],
      ['b', { role: 'db' }],
    ],
  );
  t.end();
});

t.test('the smallest file has every default', (t) => {
  const cluster = clusterOf('nodes: [{ name: a, address: 10.0.0.1, overlay: 10.64.1.0/24 }]');
  t.equal(cluster.name, 'selvage');
  t.same(cluster.vxlan, { vni: 4096, port: 4789 });
  t.same([...cluster.zones.keys()], ['default']);
  t.equal(cluster.zones.get('default')?.provider, 'onprem');
  t.equal(cluster.revision, 1);
  const node = cluster.nodes.get('a')!;
  t.equal(node.zone, 'default');
  t.equal(node.underlay[0]!.length, 32, 'without a subnet the mask is a host mask');
  t.same(node.accepts, {});
  t.same(node.source, { file: 'f.yaml', line: 1, column: 9 });
  t.equal(node.withdrawn, false);
  t.end();
});

const texts = (prefixes: readonly Prefix[]): readonly string[] => prefixes.map(({ text }) => text);

t.test('workloads with private addresses are masqueraded unless the file says otherwise', (t) => {
  const sources = (written: string, more = ''): readonly string[] => {
    const cluster = clusterOf(
      `overlay: { masquerade: ${written} }\nnodes: [{ name: a, address: 192.0.2.1, overlay: [10.64.0.0/23, "fd64::/64", 198.51.100.0/24, "2001:db8:1::/64"]${more} }]`,
    );
    return texts(masqueradeOf(cluster, cluster.nodes.get('a')!).sources);
  };
  const privates = ['10.64.0.0/23', 'fd64::/64'];
  const all = [...privates, '198.51.100.0/24', '2001:db8:1::/64'];
  t.same(sources('{}'), privates);
  t.same(sources('{ exclude: 10.0.0.0/8 }'), privates, 'an exclusion is one of destinations');
  t.same(sources('true'), all);
  t.same(sources('false'), []);
  t.same(sources('false', ', masquerade: true'), all, 'a node has the last word');
  t.same(sources('true', ', masquerade: false'), []);
  t.same(sources('{ sources: [10.64.1.0/24, "fd64::/48"] }'), ['10.64.1.0/24', 'fd64::/64']);
  const plain = clusterOf('nodes: [{ name: a, address: 10.0.0.1, overlay: 10.64.1.0/24 }]');
  t.same(texts(masqueradeOf(plain, plain.nodes.get('a')!).sources), ['10.64.1.0/24']);
  t.end();
});

t.test('probes observe unless the file says otherwise', (t) => {
  const one = 'nodes: [{ name: a, address: 10.0.0.1, overlay: 10.64.1.0/24 }]';
  const probes = (written: string) => clusterOf(`${written}\n${one}`).probes;
  t.equal(probes(''), undefined);
  t.same(probes('probes: drive'), { ...defaultProbes, policy: 'drive' });
  t.same(probes('probes: off')?.policy, 'off');
  t.same(probes('probes: { port: 9000, packetsPerSecond: 5 }'), {
    policy: 'observe',
    port: 9000,
    packetsPerSecond: 5,
  });
  t.end();
});

t.test('the pools follow from the nodes as their exact union', (t) => {
  const nodes = ['10.64.0.0/25', '10.64.0.128/25', '10.64.1.0/24', '10.64.4.0/24', 'fd64::/64'];
  const text = nodes
    .map(
      (overlay, i) => `  - { name: n${i}, address: 10.0.0.${i + 1}/24, overlay: '${overlay}' }\n`,
    )
    .join('');
  const { pools } = clusterOf(`nodes:\n${text}`);
  t.same(
    pools.map((pool) => pool.text),
    ['10.64.0.0/23', '10.64.4.0/24', 'fd64::/64'],
  );
  t.end();
});

t.test('every key of the format arrives in the cluster', (t) => {
  const cluster = clusterOf(`
version: 1
cluster: all
overlay:
  pools: [10.64.0.0/12, "fd64::/48"]
  vxlan: { vni: 7, port: 8472 }
  masquerade: { sources: 10.64.0.0/13, exclude: [10.0.0.0/8, "2001:db8::/32"] }
zones:
  - name: rack
    region: dc1
    subnets: [192.168.10.0/24, { prefix: 192.168.11.0/24, segment: row-b }]
    segment: row-a
    mtu: 9000
    fabricRoutes: absent
    firewall: { ipip: allowed, native: blocked }
  - { name: cloud, provider: aws, sourceDestinationCheck: disabled, ipForwarding: enabled }
links:
  - { between: [rack, { provider: aws }], mtu: 1446, modes: [vxlan, ipip], allowPublic: true, note: vpn }
rules:
  - name: first
    from: { zone: rack, region: [dc1], label: { role: [db, web], tier: "1" } }
    to: { provider: aws, subnet: 172.31.0.0/16, node: c }
    same: [segment]
    different: region
    family: 6
    mode: ipip
    force: true
    reason: because
  - { between: [rack, { provider: [aws, onprem] }], mode: deny }
nodes:
  - name: a
    addresses: [192.168.11.1, fd00::1]
    publicAddress: 203.0.113.7
    overlay: [10.64.1.0/24, "fd64:0:0:1::/64"]
    labels: { role: db, tier: "1" }
    mtu: 8000
    accepts: { ipip: userspace, ipip/4/4: kernel, native: none }
    firewall: { vxlan: allowed }
    masquerade: false
  - { name: w, address: 192.168.10.2/24, overlay: 10.64.2.0/24, labels: { role: web } }
  - { name: c, zone: cloud, address: 172.31.0.1/20, overlay: 10.65.0.0/24 }
`);
  t.equal(cluster.name, 'all');
  t.same(cluster.vxlan, { vni: 7, port: 8472 });
  t.same(
    cluster.pools.map((it) => it.text),
    ['10.64.0.0/12', 'fd64::/48'],
  );
  t.same(texts(cluster.masquerade!.sources), ['10.64.0.0/13']);
  t.same(texts(cluster.masquerade!.exclude), ['10.0.0.0/8', '2001:db8::/32']);
  const rack = cluster.zones.get('rack')!;
  t.same(
    rack.subnets.map((it) => [it.prefix.text, it.segment]),
    [
      ['192.168.10.0/24', 'row-a'],
      ['192.168.11.0/24', 'row-b'],
    ],
  );
  t.same([rack.provider, rack.region, rack.mtu], ['onprem', 'dc1', 9000]);
  t.same(rack.switches, {
    fabricRoutes: 'absent',
    firewall: { ipip: 'allowed', native: 'blocked' },
  });
  t.same(cluster.zones.get('cloud')?.switches, {
    sourceDestinationCheck: 'disabled',
    ipForwarding: 'enabled',
  });
  const [link] = cluster.links;
  t.match(link, { mtu: 1446, modes: ['vxlan', 'ipip'], allowPublic: true, note: 'vpn' });
  t.same(link!.ends, [
    { kind: 'zone', zone: 'rack' },
    { kind: 'provider', provider: 'aws' },
  ]);
  const [first, second] = cluster.rules;
  t.match(first, {
    name: 'first',
    from: { zones: ['rack'], regions: ['dc1'], labels: { role: ['db', 'web'], tier: ['1'] } },
    to: { providers: ['aws'], subnets: [{ text: '172.31.0.0/16' }], nodes: ['c'] },
    relations: { segment: 'same', region: 'different' },
    family: 6,
    mode: 'ipip',
    force: true,
    reason: 'because',
    source: { line: 20, column: 5 },
  });
  t.match(second, {
    name: 'rule-2',
    between: [{ zones: ['rack'] }, { providers: ['aws', 'onprem'] }],
    mode: 'deny',
    force: false,
  });
  t.notOk('family' in second!, 'an absent condition is absent');
  const a = cluster.nodes.get('a')!;
  t.equal(a.zone, 'rack', 'the zone is the one whose subnet holds the address');
  t.same(
    a.underlay.map((it) => `${it.address.text}/${it.length}`),
    ['192.168.11.1/24', 'fd00::1/128'],
  );
  t.same(
    a.publicAddresses.map((it) => it.text),
    ['203.0.113.7'],
  );
  t.same(
    a.overlay.map((it) => it.text),
    ['10.64.1.0/24', 'fd64:0:0:1::/64'],
  );
  t.same(a.switches, { firewall: { vxlan: 'allowed' } });
  t.equal(a.mtu, 8000);
  t.equal(a.masquerade, false);
  t.same(a.accepts, {
    'native:4:4': 'none',
    'native:6:6': 'none',
    'ipip:4:4': 'kernel',
    'ipip:4:6': 'userspace',
    'ipip:6:4': 'userspace',
    'ipip:6:6': 'userspace',
  });
  t.end();
});

t.test('all mistakes of a file come at once, by place, and none hides another', (t) => {
  const told = problemsOf(`
cluster: Two Words
zones:
  - { name: rack, subnet: 10.0.0.0/24 }
  - { name: cloud, provider: gcp, subnets: [10.1.0.5/16] }
links:
  - { between: [rack, clod], mtu: 100000 }
rules:
  - { mode: vxlan }
  - { mode: direct, from: rack }
nodes:
  - { name: a, zone: rack, address: 10.0.0.300, overlay: 10.64.1.0/24 }
  - { name: b, zone: cloud, address: 10.1.0.1, overlay: 10.64.1.0/25 }
`);
  t.same(
    told.map((it) => `${it.line}:${it.column} ${it.code}`),
    [
      '2:10 bad-name',
      '4:19 unknown-key',
      '5:30 unknown-value',
      '5:45 host-bits',
      '7:23 unknown-zone',
      '7:35 out-of-range',
      '10:5 rule-shadowed',
      '10:13 unknown-value',
      '12:37 bad-address',
      '13:57 overlay-overlap',
    ],
  );
  t.end();
});

t.test('one wrong line that many nodes depend on is one problem', (t) => {
  const nodes = (address: string, extra = ''): string =>
    Array.from(
      { length: 50 },
      (_, i) =>
        `  - { name: n${i}, address: ${address}.${i + 1}/24, overlay: 10.64.${i}.0/24${extra} }\n`,
    ).join('');
  const told = (text: string): string[] =>
    problemsOf(text).map((it) => `${it.line}:${it.column} ${it.code}`);
  t.same(told(`nodes:\n${nodes('10.0.0', ', zone: gone')}`), ['2:68 unknown-zone']);
  t.same(told(`overlay: { pools: 10.80.0.0/16 }\nnodes:\n${nodes('10.0.0')}`), [
    '1:19 outside-pools',
  ]);
  t.same(
    told(`zones: [{ name: z, subnets: [10.0.0.0/8] }]\nnodes:\n${nodes('10.0.0')}`).filter(
      (it) => !it.endsWith('mask-differs'),
    ),
    ['1:30 underlay-overlap'],
  );
  t.same(
    told(
      `nodes:\n${nodes('192.168.0')}  - { name: wide, address: 192.168.0.60/24, overlay: 10.64.0.0/16 }\n`,
    ),
    ['52:54 overlay-overlap'],
    'the wide prefix, not each of those inside it',
  );
  t.end();
});

t.test('a rule that earlier rules leave nothing to is refused, and only such a rule', (t) => {
  const zones =
    'zones:\n  - { name: a, provider: aws, region: r }\n  - { name: b, provider: aws, region: r }\n  - { name: c }\n';
  const nodes =
    'nodes:\n  - { name: n1, zone: a, address: 10.0.0.1/24, overlay: 10.64.1.0/24, labels: { x: "1" } }\n' +
    '  - { name: n2, zone: b, address: 10.0.1.1/24, overlay: 10.64.2.0/24 }\n' +
    '  - { name: n3, zone: c, address: 10.0.2.1/24, overlay: 10.64.3.0/24 }\n';
  const codes = (...rules: string[]): string[] =>
    problemsOf(`${zones}rules:\n${rules.map((rule) => `  - { ${rule} }\n`).join('')}${nodes}`).map(
      (it) => `${it.path} ${it.code}`,
    );
  const shadowed = ['rules[1] rule-shadowed'];
  const aws = '{ provider: aws }';
  t.same(codes(`between: [${aws}, ${aws}], mode: auto`, 'from: a, to: b, mode: vxlan'), shadowed);
  t.same(codes(`from: ${aws}, mode: auto`, 'from: { node: n1 }, mode: vxlan'), shadowed);
  t.same(codes(`between: [a, ${aws}], mode: auto`, 'from: b, to: a, mode: vxlan'), shadowed);
  t.same(codes('same: provider, mode: auto', 'same: zone, mode: vxlan'), shadowed);
  t.same(codes('same: zone, mode: auto', 'same: [subnet, region], mode: vxlan'), shadowed);
  t.same(codes('different: zone, mode: auto', 'different: provider, mode: vxlan'), shadowed);
  t.same(
    codes('from: { subnet: 10.0.0.0/8 }, mode: auto', 'from: { subnet: 10.0.0.0/24 }, mode: deny'),
    shadowed,
  );
  t.same(
    codes(
      'from: { label: { x: ["1"] } }, mode: auto',
      'from: { label: { x: "1" }, zone: a }, mode: deny',
    ),
    shadowed,
  );
  t.same(codes(`from: { region: r }, mode: auto`, 'from: [a], mode: deny').slice(0, 1), [
    'rules[1].from wrong-type',
  ]);
  t.same(codes('from: { region: r }, mode: auto', 'from: { zone: [a, b] }, mode: deny'), shadowed);

  t.same(codes('from: a, to: b, mode: auto', `between: [${aws}, ${aws}], mode: vxlan`), []);
  t.same(codes('from: a, to: b, mode: auto', 'from: b, to: a, mode: vxlan'), []);
  t.same(codes('same: zone, mode: auto', 'same: provider, mode: vxlan'), []);
  t.same(
    codes('same: zone, mode: auto', 'same: segment, mode: vxlan'),
    [],
    'segments may span zones',
  );
  t.same(codes('family: 4, mode: auto', 'mode: vxlan'), []);
  t.same(
    codes(`from: ${aws}, mode: auto`, 'from: { label: { x: "1" } }, mode: vxlan'),
    [],
    'true of today’s nodes only',
  );

  const never = ['rules[0] rule-never-matches'];
  t.same(codes('from: { zone: c, provider: aws }, mode: auto'), never);
  t.same(codes('from: { zone: c, region: r }, mode: auto'), never);
  t.same(codes('from: a, to: b, same: zone, mode: auto'), never);
  t.same(codes('from: a, to: b, different: provider, mode: auto'), never);
  t.same(codes('from: { node: n1 }, to: a, different: zone, mode: auto'), never);
  t.same(
    codes('from: c, to: c, same: region, mode: auto'),
    never,
    'zones without a region have none in common',
  );
  t.same(codes('same: subnet, different: zone, mode: auto'), never);
  t.end();
});

t.test('a rule that forces a mode which does not pass is refused, unless it says force', (t) => {
  const file = (rule: string, zone = ''): string =>
    `zones:\n  - { name: e, provider: azure }\n  - { name: w, provider: aws${zone} }\nrules:\n  - { ${rule} }\nnodes:\n` +
    '  - { name: n1, zone: e, address: 10.0.0.1/24, overlay: [10.64.1.0/24, "fd64:0:0:1::/64"] }\n' +
    '  - { name: n2, zone: w, address: 10.0.1.1/24, overlay: [10.64.2.0/24, "fd64:0:0:2::/64"] }\n' +
    '  - { name: n3, zone: w, address: 10.0.1.2/24, overlay: [10.64.3.0/24, "fd64:0:0:3::/64"] }\n';
  const told = (text: string): string[] => problemsOf(text).map((it) => formatProblem(it));
  const [refused, ...more] = told(file('name: r, mode: ipip, family: 4'));
  t.same(more, []);
  t.match(
    refused,
    /^f\.yaml:5:22: error: ipip does not carry IPv4 from n1 to n2.*Azure drops IP-in-IP/,
  );
  t.match(refused, /force: true/);
  t.same(told(file('name: r, mode: ipip, family: 4, force: true')), []);
  t.same(told(file('name: r, mode: vxlan')), []);
  t.same(told(file('name: r, mode: auto')), []);
  t.same(
    told(file('name: r, same: provider, mode: ipip, family: 4')),
    [],
    'inside AWS protocol 4 passes',
  );
  t.match(told(file('name: r, same: provider, mode: ipip')), [
    /IPv6 from n2 to n3.*— add "family: 4" to the rule/,
  ]);
  t.match(told(file('name: r, same: subnet, family: 4, mode: native')), [
    /sourceDestinationCheck.*— add "sourceDestinationCheck: disabled" to zone w/,
  ]);
  t.same(
    told(
      file('name: r, same: subnet, family: 4, mode: native', ', sourceDestinationCheck: disabled'),
    ),
    [],
  );
  t.end();
});

t.test('pairs that nothing can pass between are warned of', (t) => {
  const nodes =
    'nodes:\n  - { name: n1, zone: a, address: 10.0.0.1/24, overlay: 10.64.1.0/24 }\n' +
    '  - { name: n2, zone: b, address: 10.0.1.1/24, overlay: 10.64.2.0/24 }\n';
  const told = (text: string): string[] => problemsOf(text).map((it) => formatProblem(it));
  const zones = 'zones: [{ name: a }, { name: b, provider: azure }]\n';
  t.match(told(`${zones}links:\n  - { between: [a, b], modes: [ipip] }\n${nodes}`), [
    /^f\.yaml:3:5: warning: no mode carries IPv4 from n1 to n2: .* — widen "modes" of the link/,
  ]);
  t.match(
    told(`${zones}${nodes.replace('10.64.2.0/24', '10.64.2.0/24, accepts: { vxlan: none }')}`),
    [/^f\.yaml:3:5: warning: no mode carries IPv4 from n1 to n2/],
  );
  t.same(told(`${zones}${nodes}`), []);
  t.match(told(nodes.replace(/zone: ., /g, '').replace('10.0.1.1/24', 'fd00::1/64')), [
    /^f\.yaml:3:26: warning: this node and n1 have no underlay address of a common family/,
  ]);
  t.end();
});

t.test('a problem is printed as compilers do, with the line and a caret below the place', (t) => {
  const source = 'nodes:\n  - name: a\n    adress: 10.0.0.1\n    overlay: 10.64.1.0/24\n';
  const [problem] = problemsOf(source);
  const head = 'f.yaml:3:5: error: unknown key "adress" — did you mean "address"?';
  t.equal(formatProblem(problem!), head);
  t.equal(formatProblem(problem!, { source }), `${head}\n3 |     adress: 10.0.0.1\n  |     ^`);
  t.equal(
    formatProblem(problem!, { source: source.split('\n') }),
    formatProblem(problem!, { source }),
  );
  const long = `nodes: [${' '.repeat(300)}{ name: a, address: 10.0.0.1, overlay: 10.64.1.1/24 }]`;
  const [shown, caret] = formatProblem(problemsOf(long)[0]!, { source: long }).split('\n').slice(1);
  t.equal(
    shown!.slice(caret!.indexOf('^')),
    '10.64.1.1/24 }]',
    'a long line is cut around the place',
  );
  t.end();
});

t.test('the examples are valid and decide as they say', async (t) => {
  const load = async (name: string): Promise<Cluster> => {
    const result = await loadClusterFile(fromRoot('deploy/examples', name));
    t.same(result.ok ? result.warnings : result.problems, [], name);
    if (!result.ok) throw new Error(`${name} is not valid`);
    return result.cluster;
  };
  for (const name of readdirSync(fromRoot('deploy/examples')).filter((it) => it.endsWith('.yaml')))
    await load(name);
  const hybrid = modes(await load('hybrid.yaml'), 4);
  t.equal(hybrid.length, 56);
  const some = [
    'rack-a-1>rack-a-2 native 1500',
    'rack-a-1>aws-a-1 vxlan 1396',
    'azure-1>rack-a-2 vxlan 1350',
    'aws-a-1>aws-a-2 native 9001',
    'aws-a-2>aws-b-1 ipip 8981',
    'gce-b-1>gce-b-2 ipip 1440',
    'gce-b-2>azure-1 vxlan 1350',
  ];
  t.same(
    some.filter((it) => !hybrid.includes(it)),
    [],
  );
  const crossSubnet = modes(await load('cross-subnet.yaml'), 4);
  t.equal(crossSubnet.filter((it) => it.endsWith('native 1500')).length, 4);
  t.equal(crossSubnet.filter((it) => it.endsWith('vxlan 1450')).length, 8);
  const bgp = await load('onprem-bgp.yaml');
  for (const family of [4, 6] as const)
    t.ok(
      modes(bgp, family).every((it) => it.endsWith('native 9000')),
      `IPv${family} is native`,
    );
  t.equal(modes(await load('minimal.yaml'), 4).length, 6);
});

t.test('the published JSON Schema is that of this program', (t) => {
  const path = fromRoot(jsonSchemaPath);
  if (process.env['SELVAGE_UPDATE'] === '1') writeFileSync(path, clusterJsonSchemaText());
  const hint = 'to rewrite it: SELVAGE_UPDATE=1 npx tsx test/src/config.test.ts && npm run format';
  t.same(JSON.parse(readFileSync(path, 'utf8')), clusterJsonSchema(), hint);
  const { properties } = clusterJsonSchema() as {
    properties: Record<string, { description?: string }>;
  };
  t.same(Object.keys(properties), [
    'version',
    'cluster',
    'overlay',
    'probes',
    'cloud',
    'fleet',
    'zones',
    'links',
    'rules',
    'nodes',
  ]);
  t.end();
});

t.test('a path that is not a readable file is answered in words', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-config-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const told = async (path: string): Promise<string> => {
    const result = await loadClusterFile(path);
    if (result.ok) return 'ok';
    return result.problems.map((it) => `${it.code}: ${it.message}`).join('\n');
  };
  t.equal(await told(join(folder, 'gone.yaml')), 'file-missing: there is no such file');
  mkdirSync(join(folder, 'directory'));
  t.equal(
    await told(join(folder, 'directory')),
    'file-missing: the directory holds no file whose name ends in ".yaml"',
  );
  writeFileSync(join(folder, 'file'), '');
  t.match(await told(join(folder, 'file/x')), /^file-missing: a part of the path is a file/);
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  t.match(
    await told(join(folder, 'pipe')),
    /^file-not-regular/,
    'a pipe without a writer does not block',
  );
  t.match(await told('/dev/zero'), /^file-not-regular/);
  writeFileSync(join(folder, 'big'), Buffer.alloc(maxFileBytes + 1));
  t.match(await told(join(folder, 'big')), /^file-too-large: .*16 MiB/);
});

t.test('10,000 nodes are read and checked', (t) => {
  let text = 'zones:\n';
  for (let i = 0; i < 20; i++)
    text += `  - { name: z${i}, provider: ${['aws', 'gce'][i % 2]!}, subnets: [10.${i}.0.0/16] }\n`;
  text +=
    'rules: [{ same: zone, mode: auto }, { between: [{ provider: aws }, { provider: gce }], mode: vxlan }]\nnodes:\n';
  for (let i = 0; i < 10_000; i++) {
    const host = (i / 20 + 300) | 0;
    text += `  - name: node-${i}\n    address: 10.${i % 20}.${host >> 8}.${host & 255}\n`;
    text += `    overlay: [100.${64 + (i >> 12)}.${(i >> 4) & 255}.${(i & 15) << 4}/28, "fd64:0:0:${i.toString(16)}::/64"]\n`;
  }
  const start = performance.now();
  const cluster = clusterOf(text);
  const seconds = (performance.now() - start) / 1000;
  t.equal(cluster.nodes.size, 10_000);
  // A figure and no test: machines differ. Something quadratic would run into the file's time limit.
  t.comment(`${seconds.toFixed(1)} s`);
  t.end();
});
