/** `--what-if`: a patch has the effect of an edit of the file, and is refused for the same reasons. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type * as z from 'zod';
import type { Cluster } from '../../encap/cluster.js';
import { smallestFlips } from '../../encap/counterfactual/flip.js';
import { describeChange } from '../../encap/counterfactual/words.js';
import { decide } from '../../encap/decide.js';
import { describeSource } from '../../encap/describe.js';
import { parseClusterFile } from '../../src/config/index.js';
import { overlaySchema } from '../../src/config/overlay-schema.js';
import { linkSchema, nodeSchema, ruleSchema, zoneSchema } from '../../src/config/schema.js';
import { applyWhatIf, formatWhatIfProblems } from '../../src/config/what-if.js';
import { clusterDocument, documentData } from '../../src/config/what-if-document.js';
import { explainReading } from '../../src/explain/node-reading.js';
import type { NodeReading } from '../../src/explain/node-reading.js';
import { predict } from '../../src/explain/what-if.js';
import { nodeTable } from '../../encap/node-table.js';
import { selvageProgram } from '../../src/lab/program.js';
import { fromRoot } from '../support/root.js';

const hybrid = fromRoot('deploy', 'examples', 'hybrid.yaml');

function read(text: string, file = 'c.yaml'): Cluster {
  const result = parseClusterFile({ text, file });
  if (result.ok) return result.cluster;
  throw new Error(JSON.stringify(result.problems, undefined, 2));
}

function readFile(path: string): Cluster {
  return read(readFileSync(path, 'utf8'), path);
}

function applied(cluster: Cluster, ...patches: readonly string[]): Cluster {
  const result = applyWhatIf(cluster, patches);
  if (result.ok) return result.cluster;
  throw new Error(formatWhatIfProblems(result.problems, patches).join('\n'));
}

function refused(cluster: Cluster, ...patches: readonly string[]): readonly string[] {
  const result = applyWhatIf(cluster, patches);
  return result.ok
    ? []
    : result.problems
        .filter(({ severity }) => severity === 'error')
        .map(({ code, file, line, column }) => `${code} ${file}:${line}:${column}`);
}

/** Plain data, with the nodes in their order. */
function plain(cluster: Cluster): unknown {
  return { ...cluster, zones: [...cluster.zones], nodes: [...cluster.nodes.values()] };
}

/** The same without the places, for a comparison with a file that was edited. */
function meaning(cluster: Cluster): unknown {
  return JSON.parse(
    JSON.stringify(plain(cluster), (key, value: unknown) => (key === 'source' ? undefined : value)),
  ) as unknown;
}

const full = `
cluster: all
overlay:
  pools: [10.64.0.0/12, "fd64::/48"]
  vxlan: { vni: 7, port: 8472 }
  masquerade: { sources: 10.64.0.0/13, exclude: [10.0.0.0/8, "2001:db8::/32"] }
  settleSeconds: 3
zones:
  - name: rack
    region: dc1
    subnets: [192.168.10.0/24, { prefix: 192.168.11.0/24, segment: row-b }]
    segment: row-a
    mtu: 9000
    fabricRoutes: absent
    firewall: { ipip: allowed, native: blocked }
  - { name: row, segment: row-a, subnets: 192.168.12.0/24 }
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
  - { name: w, address: 192.168.10.2/32, overlay: 10.64.2.0/24, labels: { role: web } }
  - { name: c, zone: cloud, address: 172.31.0.1/20, overlay: 10.65.0.0/24, accepts: { vxlan: ebpf } }
`;

t.test('without a patch the cluster comes out as it was, every place included', (t) => {
  for (const cluster of [
    read(full),
    ...['cross-subnet', 'hybrid', 'minimal', 'onprem-bgp'].map((name) =>
      readFile(fromRoot('deploy', 'examples', `${name}.yaml`)),
    ),
    readFile(fromRoot('test', 'golden', 'explain', 'cluster.yaml')),
  ])
    t.strictSame(plain(applied(cluster)), plain(cluster), cluster.name);
  for (const masquerade of [
    'true',
    'false',
    '{ sources: 10.0.0.0/8 }',
    '{ exclude: 10.0.0.0/8 }',
  ]) {
    const cluster = read(
      `overlay: { masquerade: ${masquerade} }\nnodes: [{ name: a, address: 10.0.0.1/24, overlay: 10.64.1.0/24 }]`,
    );
    t.strictSame(plain(applied(cluster)), plain(cluster), masquerade);
  }
  t.end();
});

t.test('every key of the format is written back: a new one must not get lost', (t) => {
  const document = clusterDocument(read(full));
  const data = documentData(document);
  const written = (section: 'zones' | 'links' | 'rules' | 'nodes'): Set<string> =>
    new Set((data[section] as object[]).flatMap((entry) => Object.keys(entry)));
  const missing = (schema: z.ZodObject, there: ReadonlySet<string>): string[] =>
    Object.keys(schema.shape).filter((key) => !there.has(key));
  t.same(missing(zoneSchema, written('zones')), []);
  t.same(missing(linkSchema, written('links')), []);
  t.same(missing(ruleSchema, written('rules')), []);
  // A node's own switches are written as a zone's are.
  t.same(
    missing(nodeSchema, new Set([...written('nodes'), 'publicAddress', ...written('zones')])),
    [],
  );
  // No decision looks at what nodes that join get.
  t.same(missing(overlaySchema, new Set(Object.keys(data['overlay'] as object))), ['blocks']);
  t.end();
});

t.test('a patch has the effect of the edit', (t) => {
  const text = readFileSync(hybrid, 'utf8');
  const edits: readonly (readonly [string, string, string])[] = [
    ['zone rack-a: {mtu: 9000}', '    segment: row-a\n', '    segment: row-a\n    mtu: 9000\n'],
    ['zone eu-west-1a: {subnets: [172.31.16.0/21]}', '172.31.16.0/20', '172.31.16.0/21'],
    ['zone rack-a: {segment: other}', 'segment: row-a', 'segment: other'],
    ['zone rack-a: {segment: null}', '    segment: row-a\n', ''],
    [
      'provider gce: {fabricRoutes: present}',
      'provider: gce\n',
      'provider: gce\n    fabricRoutes: present\n',
    ],
    ['node aws-b-1: {address: 172.31.32.12}', '172.31.32.11', '172.31.32.12'],
    [
      'node azure-1: {labels: {role: db}}',
      'address: 10.200.0.11\n',
      'address: 10.200.0.11\n    labels: { role: db }\n',
    ],
    [
      'link aws rack-a: {mtu: 1400}',
      'mtu: 1446\n    note: site-to-site VPN to AWS',
      'mtu: 1400\n    note: site-to-site VPN to AWS',
    ],
    [
      'link rack-a europe-west1-b: {modes: [vxlan]}',
      'rules:\n',
      '  - { between: [rack-a, europe-west1-b], modes: [vxlan] }\nrules:\n',
    ],
    ['rule whatever-passes: {mode: vxlan}', 'mode: auto', 'mode: vxlan'],
    [
      'rules: prepend {name: x, same: zone, mode: vxlan, family: 6}',
      'rules:\n',
      'rules:\n  - { name: x, same: zone, mode: vxlan, family: 6 }\n',
    ],
    [
      'cluster: {vxlan: {port: 8472}, settleSeconds: 3}',
      'overlay:\n',
      'overlay:\n  vxlan: { port: 8472 }\n  settleSeconds: 3\n',
    ],
    ['cluster: {name: other}', 'cluster: hybrid', 'cluster: other'],
  ];
  for (const [patch, before, after] of edits) {
    const edited = text.replace(before, () => after);
    t.not(edited, text, `${patch} has something to edit`);
    t.strictSame(meaning(applied(read(text), patch)), meaning(read(edited)), patch);
  }
  t.strictSame(
    applied(read(text), 'rule whatever-passes: remove').rules.map(({ name }) => name),
    ['native-in-a-subnet', 'ipip-across-aws-zones'],
  );
  t.equal(applied(read(text), 'node azure-1: remove').nodes.get('azure-1'), undefined);
  t.equal(applied(read(text), 'link rack-a aws: remove').links.length, 2);
  const planes = read(full);
  t.same(
    applied(planes, 'node a: {accepts: {ipip: none}}').nodes.get('a')!.accepts['ipip:4:4'],
    'none',
  );
  t.end();
});

t.test('several patches accumulate, and the cluster itself stays as it is', (t) => {
  const cluster = readFile(hybrid);
  const before = plain(cluster);
  const changed = applied(
    cluster,
    'rules: prepend {different: provider, mode: vxlan}',
    'rule what-if-1: {mode: auto}\nzone westeurope: {mtu: 1500}',
    'rules: {append: [{name: last, from: {node: azure-1}, family: 6, mode: deny}]}\nrule whatever-passes: {to: rack-a}',
  );
  t.same(
    changed.rules.map(({ name, mode, source }) => `${name} ${mode} ${describeSource(source)}`),
    [
      'what-if-1 auto --what-if 1 with --what-if 2',
      `native-in-a-subnet native ${hybrid}:65`,
      `ipip-across-aws-zones ipip ${hybrid}:72`,
      `whatever-passes auto ${hybrid}:80 with --what-if 3`,
      'last deny --what-if 3',
    ],
  );
  t.equal(describeSource(changed.zones.get('westeurope')!.source), `${hybrid}:44 with --what-if 2`);
  t.strictSame(plain(cluster), before);
  t.strictSame(changed.nodes.get('gce-b-1'), cluster.nodes.get('gce-b-1'));
  t.end();
});

t.test('what only an agent knows of its nodes stays', (t) => {
  const base = readFile(hybrid);
  const gone = { ...base.nodes.get('azure-1')!, name: 'gone', withdrawn: true };
  const live = {
    accepts: ['vxlan:4:4/4096/4789'],
    sends: ['vxlan:4:4/4096/4789'],
    version: 0,
    retired: [],
    acknowledged: {},
  } as const;
  const sender = { ...base.nodes.get('gce-b-1')!, live };
  const others = [...base.nodes.values()].filter(({ name }) => name !== 'gce-b-1');
  const changed = applied(
    { ...base, revision: 17, nodes: nodeTable([...others, sender, gone]) },
    'zone rack-a: {mtu: 1400}',
  );
  t.equal(changed.nodes.get('gone')?.withdrawn, true);
  t.same(changed.nodes.get('gce-b-1')?.live, live);
  t.equal(changed.revision, 17);
  t.end();
});

t.test('what is wrong is told as of a file, at its place in the option or in the file', (t) => {
  const cluster = readFile(hybrid);
  const cases: readonly (readonly [string, string])[] = [
    ['zone eu-west-1x: {mtu: 1500}', 'unknown-zone --what-if 1:1:1'],
    ['node rack-a-9: {mtu: 1500}', 'unknown-node --what-if 1:1:1'],
    ['rule whatever: {mode: auto}', 'unknown-rule --what-if 1:1:1'],
    ['provider ibm: {mtu: 1500}', 'unused-value --what-if 1:1:1'],
    ['link rack-a ibm: {mtu: 1500}', 'unknown-zone --what-if 1:1:1'],
    ['link rack-a eu-west-1a: remove', 'unknown-link --what-if 1:1:1'],
    ['link rack-a: {mtu: 1500}', 'unknown-key --what-if 1:1:1'],
    ['zon rack-a: {mtu: 1500}', 'unknown-key --what-if 1:1:1'],
    ['zone: {mtu: 1500}', 'unknown-key --what-if 1:1:1'],
    ['rules: {mode: vxlan}', 'unknown-key --what-if 1:1:1'],
    ['cluster: {vxlam: {port: 1}}', 'unknown-key --what-if 1:1:11'],
    ['cluster: {vxlan: {port: 70000}}', 'out-of-range --what-if 1:1:25'],
    ['zone rack-a: {mtu: 100}', 'out-of-range --what-if 1:1:20'],
    ['zone rack-a: {srcDstCheck: off}', 'unknown-key --what-if 1:1:15'],
    ['zone rack-a:\n  firewall: {ipip: yes}', 'unknown-value --what-if 1:2:20'],
    ['rule whatever-passes: auto', 'wrong-type --what-if 1:1:23'],
    ['zone rack-a:', 'empty-value --what-if 1:1:1'],
    ['rules: prepend {same: zne, mode: auto}', 'unknown-value --what-if 1:1:23'],
    ['rules: prepend {from: nowhere, mode: auto}', 'unknown-zone --what-if 1:1:23'],
    ['zone rack-a: {', 'yaml-syntax --what-if 1:1:14'],
    ['rack-a', 'wrong-type --what-if 1:1:1'],
    ['', 'empty-value --what-if 1:1:1'],
    ['node rack-a-1: {address: 192.168.10.12}', `duplicate-address ${hybrid}:88:5`],
    ['zone eu-west-1a: {sourceDestinationCheck: enabled}', `rule-infeasible ${hybrid}:65:5`],
    ['rule ipip-across-aws-zones: {mode: native}', 'rule-infeasible --what-if 1:1:36'],
  ];
  for (const [patch, problem] of cases) t.same(refused(cluster, patch), [problem], patch);
  t.same(
    refused(cluster, 'zone a: {}', 'zone rack-a: {mtu: 1}'),
    ['unknown-zone --what-if 1:1:1'],
    'names come first: without them nothing can be read',
  );
  const result = applyWhatIf(cluster, ['zone eu-west-1a: {sourceDestinationChek: disabled}']);
  t.same(
    result.ok
      ? []
      : formatWhatIfProblems(result.problems, [
          'zone eu-west-1a: {sourceDestinationChek: disabled}',
        ]),
    [
      '--what-if 1:1:19: error: unknown key "sourceDestinationChek" — did you mean "sourceDestinationCheck"?\n' +
        '1 | zone eu-west-1a: {sourceDestinationChek: disabled}\n  |                   ^',
    ],
  );
  t.end();
});

t.test('the patches of every smallest change are taken, and bring the mode', (t) => {
  let told = 0;
  for (const cluster of [
    readFile(hybrid),
    readFile(fromRoot('deploy', 'examples', 'cross-subnet.yaml')),
    readFile(fromRoot('test', 'golden', 'explain', 'cluster.yaml')),
  ])
    for (const from of cluster.nodes.values())
      for (const owner of cluster.nodes.values())
        for (const prefix of owner.overlay)
          for (const flip of smallestFlips(
            { cluster, local: undefined },
            { from, prefix, owner },
          )) {
            if (!flip.possible) continue;
            told++;
            const patches = flip.changes.map((change) => describeChange(change, cluster).patch);
            const changed = applied(cluster, ...patches);
            const { verdict } = decide(
              { cluster: changed, local: undefined },
              { from: changed.nodes.get(from.name)!, prefix, owner: changed.nodes.get(owner.name) },
            );
            if (verdict.kind !== 'forward' || verdict.mode !== flip.mode)
              t.fail(`${from.name} → ${prefix.text} ${flip.mode}: ${patches.join('; ')}`);
          }
  t.ok(told > 150, `${told} changes`);
  t.end();
});

t.test('a prediction says what a remedy would do to a pair', (t) => {
  const cluster = readFile(hybrid);
  const pair = { from: 'rack-a-1', to: 'aws-a-1' };
  t.match(predict(cluster, ['zone rack-a: {firewall: {ipip: allowed}}'], pair), {
    ok: true,
    before: { kind: 'VXLAN', mode: 'vxlan', mtu: 1396, reachable: true },
    after: { kind: 'IPIP', mode: 'ipip', mtu: 1426, reachable: true, back: { kind: 'IPIP' } },
  });
  t.match(predict(cluster, ['rules: prepend {from: rack-a, to: eu-west-1a, mode: deny}'], pair), {
    after: { kind: 'DENIED', mode: null, mtu: null, reachable: false, back: { kind: 'DENIED' } },
  });
  t.match(predict(cluster, ['node aws-a-1: remove'], pair), { ok: true, after: null });
  t.match(predict(cluster, ['zone x: {}'], pair), { ok: false, problem: /there is no zone "x"/ });
  t.end();
});

t.test(
  'of a reading of a node nothing is compared with the kernel, and nothing is touched',
  async (t) => {
    const cluster = readFile(hybrid);
    const reading = {
      node: 'rack-a-1',
      snapshot: {
        cluster,
        local: {
          node: 'rack-a-1',
          nics: { 4: { name: 'eth0', mtu: 1300 } },
          underlayRoutes: new Map(),
        },
      },
      actual: () => Promise.reject(new Error('no kernel is asked')),
      guardNotes: () => Promise.reject(new Error('no guard is asked')),
      basis: { kind: 'agent', note: null },
    } as unknown as NodeReading;
    const whatIf = ['zone rack-a: {firewall: {ipip: allowed}}'];
    const report = await explainReading(reading, { destination: 'aws-a-1', whatIf });
    if (typeof report === 'string') throw new Error(report);
    t.match(report, {
      basis: {
        kind: 'agent',
        localFacts: true,
        whatIf: { patches: whatIf, now: { kind: 'VXLAN', mtu: 1250 } },
      },
      verdict: { kind: 'IPIP', mtu: 1280, exitCode: 0 },
      kernel: { compared: false },
    });
    t.equal(reading.snapshot.cluster, cluster);
    t.match(
      await explainReading(reading, { destination: 'aws-a-1', whatIf: ['zone x: {}'] }),
      /no zone "x"/,
    );
    t.end();
  },
);

interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

function run(...args: readonly string[]): Promise<Ran> {
  const [program, ...before] = selvageProgram();
  return new Promise((resolve) => {
    execFile(program!, [...before, ...args], (error, out, err) =>
      resolve({ out, err, code: typeof error?.code === 'number' ? error.code : 0 }),
    );
  });
}

t.test('route-explain says first that it is what if, and why another mode is not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-what-if-'));
  const file = join(folder, 'c.yaml');
  writeFileSync(file, readFileSync(hybrid));
  const ask = ['explain', 'aws-a-1', '--from', 'rack-a-1', '--config', file];
  const patch = 'zone rack-a: {firewall: {ipip: allowed}}';
  const [text, json, wrong, whyNot, lower] = await Promise.all([
    run(...ask, '--what-if', patch),
    run(...ask, '--what-if', patch, '--what-if', 'zone eu-west-1a: {mtu: 1400}', '-o', 'json'),
    run(...ask, '--what-if', 'zone rack-x: {mtu: 1400}'),
    run(...ask, '--why-not', 'ipip'),
    run(
      'explain',
      'aws-a-2',
      '--from',
      'aws-a-1',
      '--config',
      file,
      '--why-not',
      'vxlan',
      '-o',
      'json',
    ),
  ]);
  t.same(text.out.split('\n').slice(0, 3), [
    'IPIP 10.65.1.0 on aws-a-1: ipip, MTU 1426',
    `what if: ${patch}; not what is`,
    'what is: VXLAN 10.65.1.0 on aws-a-1: vxlan over IPv4, MTU 1396',
  ]);
  t.equal(text.code, 0);
  const report = JSON.parse(json.out) as { basis: unknown; verdict: unknown };
  t.match(report, {
    basis: { kind: 'file', whatIf: { patches: [patch, 'zone eu-west-1a: {mtu: 1400}'] } },
    verdict: { kind: 'IPIP', mtu: 1380 },
  });
  t.equal(wrong.code, 2);
  t.match(wrong.err, /--what-if 1:1:1: error: there is no zone "rack-x" — did you mean "rack-a"\?/);
  t.match(
    whyNot.out,
    /Why not ipip\n  IPIP is excluded\n  ✗ rack-a-1 \(onprem\): not confirmed to pass: .*\n.*\[general knowledge, G\]\n  IPIP would be chosen if rack-a's firewall were confirmed to admit/,
  );
  t.match(
    whyNot.out,
    /Why not the others\n(.*\n)*.*--what-if 'zone rack-a: \{firewall: \{ipip: allowed\}\}'/,
  );
  t.match(JSON.parse(lower.out), {
    whyNot: {
      mode: 'vxlan',
      summary: 'VXLAN is excluded',
      lines: [{ code: 'rule', text: `rule native-in-a-subnet (${file}:65) asks for native` }],
      flip: /^VXLAN would be chosen if rule native-in-a-subnet/,
    },
    why: {
      flips: [
        { mode: 'ipip', verified: true },
        {
          mode: 'vxlan',
          verified: true,
          changes: [{ patch: 'rule native-in-a-subnet: {mode: vxlan}' }],
        },
      ],
    },
  });
  t.equal(readFileSync(file, 'utf8'), readFileSync(hybrid, 'utf8'));
});
