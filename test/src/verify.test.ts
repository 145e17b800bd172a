/** verify, diff, matrix and graph: reports, texts, pictures, exit codes. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { renderDiff } from '../../src/cli/render/diff.js';
import { renderMatrix } from '../../src/cli/render/matrix.js';
import { renderVerify } from '../../src/cli/render/verify.js';
import { terminalFor } from '../../src/cli/terminal.js';
import type { GraphFormat } from '../../src/verify/graph/draw.js';
import { drawGraph } from '../../src/verify/graph/draw.js';
import type { HealthOf } from '../../src/verify/matrix-report.js';
import { matrixReport } from '../../src/verify/matrix-report.js';
import { diffReport, verifyReport } from '../../src/verify/report.js';
import type { ClusterSketch } from '../support/cluster-builder.js';
import { sketchCluster } from '../support/cluster-builder.js';
import { selvageProgram } from '../../src/lab/program.js';
import { fromRoot } from '../support/root.js';

t.setTimeout(120_000);

const hybrid = fromRoot('deploy', 'examples', 'hybrid.yaml');
const folder = mkdtempSync(join(tmpdir(), 'selvage-verify-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const terminal = terminalFor({ isTty: false, columns: undefined, env: {}, noColor: true });
const basis = { file: 'cluster.yaml' };

function run(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const [program, ...before] = selvageProgram();
  const { FORCE_COLOR, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(program!, [...before, ...args], { env }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, out, err });
    });
  });
}

/** Zones of one node each but the first, which has two; every fourth is of one provider. */
function zones(count: number, more: Partial<ClusterSketch> = {}): ClusterSketch {
  const providers = ['onprem', 'aws', 'gce', 'azure'] as const;
  const name = (i: number): string => `z${i}`;
  return {
    pools: ['10.64.0.0/10'],
    zones: Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        name(i),
        { provider: providers[i % 4]!, region: `r${i % 3}` },
      ]),
    ),
    nodes: [
      ...Array.from({ length: count }, (_, i) => ({
        name: `n${i}`,
        zone: name(i),
        at: `10.0.${i}.1/24`,
        overlay: `10.64.${i}.0/24`,
      })),
      { name: 'second', zone: name(0), at: '10.0.0.2/24', overlay: '10.65.0.0/24' },
    ],
    ...more,
  };
}

t.test('the command line', async (t) => {
  const next = join(folder, 'ipip.yaml');
  writeFileSync(
    next,
    'zones:\n  - { name: a, provider: azure }\nnodes:\n' +
      '  - { name: x, zone: a, address: 10.0.0.1/24, overlay: 10.64.1.0/24 }\n' +
      '  - { name: y, zone: a, address: 10.0.0.2/24, overlay: 10.64.2.0/24 }\n' +
      'links:\n  - { between: [a, a], modes: [ipip] }\n',
  );
  const patch = 'link rack-a aws: {mtu: 1400}';
  const [sound, found, missing, differs, alone, matrix, svg] = await Promise.all([
    run('verify', hybrid, '-o', 'json'),
    run('verify', next),
    run('verify', join(folder, 'none.yaml')),
    run('diff', hybrid, '--what-if', patch, '-o', 'json'),
    run('diff', hybrid),
    run('matrix', hybrid, '--family', '4', '-o', 'json'),
    run('graph', hybrid),
  ]);
  t.equal(sound.code, 0, sound.err);
  t.match(JSON.parse(sound.out), {
    schema: 'selvage.verify/1',
    basis: { file: hybrid },
    cluster: 'hybrid',
    checked: { nodes: 8, pairs: 56, classes: 5 },
    worst: 'note',
    counts: { error: 0, warning: 0, note: 3 },
  });
  t.equal(found.code, 1, 'errors end with 1');
  t.match(found.out, /✗ black-hole \(2 pairs\)\n/);
  t.match(found.out, /inside a: 2 pairs, e\.g\. \w → \w\n/);
  t.match(found.out, /→ .*widen "modes" of the link/);
  t.match(found.out, /\n✗ 1 error\n$/);
  t.equal(missing.code, 3, 'no file');
  t.equal(differs.code, 1, 'a difference ends with 1');
  t.match(JSON.parse(differs.out), {
    schema: 'selvage.diff/1',
    new: { file: hybrid, whatIf: [patch] },
    same: false,
    changedPairs: 12,
    groups: [
      { from: 'vxlan 1396', to: 'vxlan 1350', family: 4, effect: 'mtu', pairs: 12 },
      { from: 'vxlan 1396', to: 'vxlan 1350', family: 6, effect: 'mtu', pairs: 12 },
    ],
  });
  t.equal(alone.code, 2, 'one file is nothing to compare');
  t.match(alone.err, /name a second file, or give --what-if/);
  const cells = (JSON.parse(matrix.out) as { cells: { family: number }[] }).cells;
  t.same(new Set(cells.map(({ family }) => family)), new Set([4]), 'one family alone');
  t.match(svg.out, /^<svg [^]*<\/svg>\n$/);
});

t.test('verify for people', (t) => {
  const cluster = sketchCluster({
    ...zones(6),
    rules: [
      { name: 'out', from: { zones: ['z0'] }, mode: 'vxlan', force: true },
      { name: 'rest', mode: 'native' },
      { name: 'never', from: { zones: ['z1'] }, mode: 'auto' },
    ],
  });
  const text = renderVerify(verifyReport(cluster, basis), terminal);
  t.match(text, /^cluster\.yaml: cluster test, 7 nodes, 42 ordered pairs \(6 classes of nodes\)\n/);
  t.match(text, /\n {2}30 {2}IPv4 {2}no way\n/, 'how many go which way');
  t.match(text, /\n! rule-shadowed\n {4}rule never \(built in\) never decides: all 6 pairs/);
  t.ok(
    text.split('\n').every((line) => line.length <= 80 || !line.includes(' ')),
    '80 columns',
  );
  t.match(text, /\n✗ \d+ errors, 1 warning, \d+ notes?$/);
  const wide = verifyReport(sketchCluster({ ...zones(20), rules: [{ mode: 'native' }] }), basis);
  t.ok(wide.findings.length < 20, 'many zones with one cause are one finding');
  t.match(renderVerify(wide, terminal), /\n {6}and \d+ more pairs of zones with \d+ pairs\n/);
  const rest = renderVerify(
    verifyReport(sketchCluster({ ...zones(1), rules: [{ mode: 'native' }] }), {
      ...basis,
      whatIf: ['cluster: {}'],
    }),
    terminal,
  );
  t.match(rest, /^what if: cluster: \{\}; not what is\n/);
  t.match(rest, /\n✓ nothing found$/);
  t.end();
});

t.test('diff for people', (t) => {
  const old = { cluster: sketchCluster(zones(3)), basis };
  const next = sketchCluster({
    ...zones(3),
    nodes: [
      ...zones(3).nodes.slice(1),
      { name: 'new', zone: 'z0', at: '10.0.0.9/24', overlay: '10.64.0.0/24' },
    ],
    vni: 5,
  });
  t.equal(renderDiff(diffReport(old, old), terminal), '✓ no difference');
  const text = renderDiff(diffReport(old, { cluster: next, basis }), terminal);
  t.match(text, /^12 of 20 ordered pairs of 5 nodes go another way\n/);
  t.match(text, /\nvxlan 1350 → – \(IPv4, 4 pairs\)\n {4}node: nodes go\n/);
  t.match(text, /\nnodes added: 1 \(new\)\nnodes removed: 1 \(n0\)\n/);
  t.match(text, /\noverlay prefix 10\.64\.0\.0\/24 moves from n0 to new\n/);
  t.match(text, /\noverlay\.vxlan\.vni 4096 → 5$/);
  t.end();
});

t.test('the matrix says what is decided, and beside it what probes saw', (t) => {
  const health: HealthOf = ({ from, to }) =>
    from === 'z0' && to === 'z1' ? { state: 'broken', text: '3 of 3 lost' } : undefined;
  const cluster = sketchCluster({
    ...zones(3),
    rules: [{ from: { zones: ['z2'] }, to: { zones: ['z1'] }, mode: 'deny' }],
  });
  const report = matrixReport(cluster, { basis, health });
  const cell = (from: string, to: string) =>
    report.cells.find((entry) => entry.from === from && entry.to === to);
  t.same(cell('z0', 'z1'), {
    ...{ from: 'z0', to: 'z1', family: 4 },
    ways: [{ mode: 'vxlan', mtu: 1350, text: 'vxlan 1350', pairs: 2 }],
    health: { state: 'broken', text: '3 of 3 lost' },
  });
  t.same(cell('z1', 'z0')?.health, null, 'nothing is made up');
  t.same(cell('z0', 'z0')?.ways, [{ mode: 'native', mtu: 1500, text: 'native 1500', pairs: 2 }]);
  t.same(cell('z1', 'z2')?.ways, [{ mode: null, mtu: null, text: 'denied', pairs: 1 }]);
  t.same(cell('z1', 'z1'), undefined, 'one node has nobody to send to');
  const small = renderMatrix(report, terminal);
  t.match(small, /│ z0 +│ native 1500 │ vxlan 1350 +│ vxlan 1350 │/);
  t.match(small, /✗ 3 of 3 lost/);

  const many = renderMatrix(matrixReport(sketchCluster(zones(50)), { basis, health }), terminal);
  const rows = many.split('\n');
  t.match(rows[1], /^ +12345678901234567890123456789012345678901234567890$/);
  t.match(rows[2], /^ {2}1 z0 +[A-Z·]{50}$/);
  t.match(many, /\nA vxlan 1350 \(\d+ fields\)\n/);
  t.match(many, /\nz0 → z1 IPv4: ✗ 3 of 3 lost$/);
  t.ok(
    rows.every((row) => row.length <= 80),
    'fifty zones fit 80 columns',
  );
  t.end();
});

const hostile = `a"b<c>&'\\]`;

function draw(sketch: ClusterSketch, format: GraphFormat): string {
  return drawGraph(matrixReport(sketchCluster(sketch), { basis }), format);
}

t.test('pictures are well formed, self-contained and inside their frame', (t) => {
  for (const count of [1, 2, 3, 5, 7, 8, 14, 15, 50]) {
    const svg = draw({ ...zones(count), name: hostile }, 'svg');
    t.same(faults(svg), [], `${count} zones`);
    for (let i = 0; i < count; i++) t.match(svg, `>z${i}</text>`, 'every zone is in it');
  }
  t.match(draw(zones(5), 'svg'), />vxlan 1350<\/text>/, 'lines have their way written on');
  t.match(draw(zones(50), 'svg'), />A {2}vxlan 1350 {2}\(\d+\)<\/text>/, 'letters have a legend');
  const oneWay = draw(
    {
      ...zones(2),
      rules: [{ from: { zones: ['z0'] }, to: { zones: ['z1'] }, mode: 'ipip', force: true }],
    },
    'svg',
  );
  t.equal(oneWay.match(/<polygon /g)?.length, 2, 'unequal directions have an arrow each');
  t.end();
});

/** What is wrong with an SVG: tags that do not match, foreign content, boxes outside of the frame. */
function faults(svg: string): readonly string[] {
  const found: string[] = [];
  const open: string[] = [];
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
  for (const [tag, slash, name, attributes, empty] of svg.matchAll(
    /<(\/?)([a-z]+)((?: [a-z:A-Z-]+="[^"<>]*")*)(\/?)>/g,
  )) {
    if (slash === '/') {
      if (open.pop() !== name) found.push(`${tag} closes nothing`);
    } else if (empty !== '/') open.push(name!);
    if (!['svg', 'title', 'rect', 'text', 'path', 'polygon'].includes(name!)) found.push(tag);
    const number = (key: string): number =>
      Number(new RegExp(` ${key}="([^"]*)"`).exec(attributes!)?.[1] ?? 0);
    if (
      name === 'rect' &&
      (number('x') < 0 ||
        number('y') < 0 ||
        number('x') + number('width') > Number(width) + 0.5 ||
        number('y') + number('height') > Number(height) + 0.5)
    )
      found.push(`outside of ${width}×${height}: ${tag}`);
  }
  if (open.length > 0) found.push(`not closed: ${open.join(', ')}`);
  const texts = svg.replace(/<[^<>]*>/g, '');
  if (/[<>]/.test(texts) || /&(?!#\d+;)/.test(svg)) found.push('markup that is not escaped');
  if (/url\(|href|@import|NaN|Infinity/.test(svg)) found.push('something that is not in the file');
  return found;
}

t.test('Graphviz and Mermaid', (t) => {
  const named: ClusterSketch = {
    zones: { [hostile]: {}, b: { provider: 'aws' } },
    nodes: [
      { name: 'x', zone: hostile, at: '10.0.0.1/24', overlay: '10.64.1.0/24' },
      { name: 'y', zone: 'b', at: '10.0.1.1/24', overlay: '10.64.2.0/24' },
    ],
  };
  const dot = draw(named, 'dot');
  t.match(dot, /^digraph "test" \{\n/);
  t.ok(dot.includes(String.raw`n0 [label="a\"b<c>&'\\]\n1 node"];`), dot);
  t.match(dot, /\n {2}n0 -> n1 \[label="vxlan 1350", color="#a85a00", .*dir=none\];\n\}$/);
  const mermaid = draw(named, 'mermaid');
  t.ok(mermaid.includes('n0["a#34;b#60;c#62;#38;#39;#92;#93;<br/>1 node"]'), mermaid);
  t.match(mermaid, /\n {2}n0 ---\|"vxlan 1350"\| n1\n {2}%% VXLAN\n {2}linkStyle 0 stroke:#a85a00/);
  const folded = draw(zones(50), 'dot');
  t.equal(
    folded.match(/^ {4}n\d+ \[/gm)?.length,
    12,
    'many zones are drawn by provider and region',
  );
  t.match(folded, /label="onprem r0\\n6 nodes/);
  t.end();
});
