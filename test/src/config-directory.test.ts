/** Several files of a directory as one cluster: what is merged, what is refused, what is followed. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { validateFile } from '../../src/cli/validate-file.js';
import { readOneFile } from '../../src/cli/handed-file.js';
import { joinFiles, splitFiles } from '../../src/config/file-set.js';
import { loadClusterFile, openConfigSource, parseClusterFile } from '../../src/config/index.js';
import { maxDirectoryFiles, maxFileBytes } from '../../src/config/limits.js';
import { readClusterBytes } from '../../src/config/load.js';

type Files = Readonly<Record<string, string>>;

const zones = `cluster: one
overlay: { pools: [10.64.0.0/16] }
zones:
  - { name: a, provider: onprem, subnets: 10.0.0.0/24 }
`;
const moreZones = `overlay:
  pools: [10.65.0.0/16]
  vxlan: { vni: 7 }
zones:
  - { name: b, provider: onprem, subnets: 10.0.1.0/24 }
rules: [{ name: second, different: zone, mode: vxlan }]
nodes:
  - { name: b1, address: 10.0.1.1, overlay: 10.65.1.0/24 }
`;
const rules = `rules: [{ name: first, same: zone, mode: native }]
nodes:
  - { name: a1, address: 10.0.0.1, overlay: 10.64.1.0/24 }
`;

function folderOf(t: Test, files: Files): string {
  const parent = mkdtempSync(join(tmpdir(), 'selvage-directory-'));
  t.teardown(() => rmSync(parent, { recursive: true, force: true }));
  // Whatever else happens in the machine's own folder makes a watch look again.
  const folder = join(parent, 'cluster.d');
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** `name:line:column code → remedy` of what is wrong, the directory's own name left out. */
async function problemsOf(t: Test, files: Files): Promise<readonly string[]> {
  const folder = folderOf(t, files);
  const result = await loadClusterFile(folder);
  if (result.ok) return result.warnings.map(({ code }) => code);
  return result.problems.map(({ file, line, column, code, message }) =>
    `${file}:${line}:${column} ${code} ${message}`
      .replaceAll(`${folder}/`, '')
      .replace(folder, '.'),
  );
}

t.test('sections of several files make one cluster, in the order of the names', async (t) => {
  const folder = folderOf(t, {
    '10-zones.yaml': zones,
    '9-more.yaml': moreZones,
    '20-rules.yaml': `version: 1\n${rules}`,
    '30-nothing.yaml': '# to come\n',
    '.hidden.yaml': 'cluster: hidden\n',
    '.#10-zones.yaml': 'cluster: lock\n',
    '10-zones.yaml~': 'cluster: backup\n',
    '10-zones.yaml.bak': 'cluster: backup\n',
    README: 'of no interest',
  });
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'sub', '40.yaml'), 'cluster: sub\n');
  const result = await loadClusterFile(folder);
  if (!result.ok) return t.fail(JSON.stringify(result.problems));
  const { cluster } = result;
  t.equal(cluster.name, 'one');
  t.same([...cluster.zones.keys()], ['a', 'b']);
  t.same(
    cluster.rules.map(({ name }) => name),
    ['first', 'second'],
    '20 comes before 9',
  );
  t.same(
    cluster.pools.map(({ text }) => text),
    ['10.64.0.0/16', '10.65.0.0/16'],
  );
  t.equal(cluster.vxlan.vni, 7, 'mappings below a section are merged too');
  t.match(cluster.nodes.get('b1')?.source, { file: join(folder, '9-more.yaml'), line: 8 });
  t.match(cluster.rules[0]?.source, { file: join(folder, '20-rules.yaml'), line: 2, column: 9 });
});

t.test('it is the same cluster as of one file with everything in it', async (t) => {
  const folder = folderOf(t, { 'a.yaml': zones, 'b.yaml': moreZones, 'c.yaml': rules });
  const parts = await loadClusterFile(folder);
  const whole = parseClusterFile({
    file: 'whole.yaml',
    text: `cluster: one
overlay: { pools: [10.64.0.0/16, 10.65.0.0/16], vxlan: { vni: 7 } }
zones:
  - { name: a, provider: onprem, subnets: 10.0.0.0/24 }
  - { name: b, provider: onprem, subnets: 10.0.1.0/24 }
rules: [{ name: second, different: zone, mode: vxlan }, { name: first, same: zone, mode: native }]
nodes:
  - { name: b1, address: 10.0.1.1, overlay: 10.65.1.0/24 }
  - { name: a1, address: 10.0.0.1, overlay: 10.64.1.0/24 }
`,
  });
  if (!parts.ok || !whole.ok) return t.fail('both are valid');
  const plain = (cluster: object): unknown =>
    JSON.parse(
      JSON.stringify(cluster, (key, value: unknown) =>
        key === 'source' ? undefined : value instanceof Map ? [...value] : value,
      ),
    );
  t.same(plain(parts.cluster), plain(whole.cluster));
  const names = ({ nodes }: Cluster): readonly string[] =>
    [...nodes.values()].map(({ name }) => name);
  t.same(names(parts.cluster), names(whole.cluster));
});

t.test('a problem is told where it was written', async (t) => {
  t.same(
    await problemsOf(t, { 'a.yaml': zones, 'b.yaml': rules.replace('10.0.0.1,', '10.0.0.999,') }),
    ['b.yaml:3:26 bad-address 999 is more than the 255 of a byte'],
  );
  t.same(await problemsOf(t, { 'a.yaml': `${zones}nodse: []\n`, 'b.yaml': rules }), [
    'a.yaml:5:1 unknown-key unknown key "nodse"',
  ]);
  t.same(
    (await problemsOf(t, { 'a.yaml': zones, 'b.yaml': rules, 'c.yaml': rules })).map((line) =>
      line.replace(/(defined already, in [^,]*).*/, '$1'),
    ),
    [
      'c.yaml:1:9 rule-shadowed the rule can never match: "first" (line 1 of b.yaml) before it matches all of it',
      'c.yaml:1:17 duplicate-name a rule of this name stands already in line 1 of b.yaml',
      'c.yaml:3:13 duplicate-name node "a1" is defined already, in line 3 of b.yaml',
    ],
  );
  t.same(await problemsOf(t, { 'a.yaml': 'zones: [\n', 'b.yaml': 'rules:\n\t- x\n' }), [
    'a.yaml:1:8 yaml-syntax a list "[" is opened and not closed before here',
    'b.yaml:2:1 tab-indent a tab indents the line, which YAML forbids',
  ]);
  const [none] = await problemsOf(t, { 'a.yaml': zones, 'b.yaml': 'rules: []\n' });
  t.match(none, /^\.:1:1 missing-key/, 'what is missing in all is about the directory');
  t.match((await problemsOf(t, { 'a.yaml': '# nothing\n' }))[0], /^\.:1:1 empty-file/);
  t.match(
    (await problemsOf(t, { 'a.yaml': zones, 'b.yaml': '- x\n' }))[0],
    /^b\.yaml:1:1 wrong-type/,
  );
});

t.test('what has one value is given once, and both places are named', async (t) => {
  t.same(await problemsOf(t, { 'a.yaml': zones, 'b.yaml': `cluster: one\n${rules}` }), [
    'b.yaml:1:1 duplicate-key "cluster" is set already, in line 1 of a.yaml',
  ]);
  const vni = (number: number): string => `overlay:\n  vxlan:\n    vni: ${number}\n`;
  t.same(
    await problemsOf(t, { 'a.yaml': vni(7), 'b.yaml': vni(8), 'c.yaml': zones, 'd.yaml': rules }),
    ['b.yaml:3:5 duplicate-key "overlay.vxlan.vni" is set already, in line 3 of a.yaml'],
  );
  const pool = 'overlay: { pools: 10.66.0.0/16 }\n';
  t.same(await problemsOf(t, { 'a.yaml': zones, 'b.yaml': `${pool}${rules}` }), [
    'b.yaml:1:12 duplicate-key "overlay.pools" is set already, in line 2 of a.yaml',
  ]);
});

t.test('a directory with nothing to read, or with what cannot be read, is refused', async (t) => {
  t.match(await problemsOf(t, { 'notes.txt': 'x' }), [
    /^\.:1:1 file-missing the directory holds no/,
  ]);
  t.match(await problemsOf(t, { 'a.yaml': zones, 'b.yml': rules }), [/^b\.yml:1:1 file-name/]);
  const folder = folderOf(t, { 'a.yaml': zones });
  mkdirSync(join(folder, 'b.yaml'));
  const inside = await loadClusterFile(folder);
  t.match(inside, { ok: false, problems: [{ code: 'file-not-regular', file: /b\.yaml$/ }] });
  rmSync(join(folder, 'b.yaml'), { recursive: true });
  symlinkSync('nowhere', join(folder, 'c.yaml'));
  const dangling = await loadClusterFile(folder);
  t.match(dangling, { ok: false, problems: [{ code: 'file-missing', file: /c\.yaml$/ }] });
});

t.test('number and size of the files have limits', async (t) => {
  const folder = folderOf(t, {});
  for (let i = 0; i <= maxDirectoryFiles; i++) writeFileSync(join(folder, `${i}.yaml`), '');
  t.match(await readClusterBytes(folder), { ok: false, problems: [{ code: 'too-many-files' }] });
  const large = folderOf(t, { 'a.yaml': zones, 'b.yaml': '#'.repeat(maxFileBytes - 10) });
  t.match(await readClusterBytes(large), {
    ok: false,
    problems: [{ code: 'file-too-large', file: join(large, 'b.yaml') }],
  });
});

t.test('the bytes of several files are what they were, and nothing else looks like them', (t) => {
  const parts = [
    { file: 'ä.yaml', bytes: Buffer.from('é: "\n"\n') },
    { file: 'b.yaml', bytes: Buffer.from('') },
  ];
  const joined = joinFiles(parts);
  t.same(
    splitFiles(joined)?.map(({ file, bytes }) => [file, Buffer.from(bytes).toString()]),
    [
      ['ä.yaml', 'é: "\n"\n'],
      ['b.yaml', ''],
    ],
  );
  t.same(splitFiles(new TextDecoder().decode(joined))?.length, 2, 'as text too');
  t.equal(splitFiles(joined.subarray(0, -1)), undefined, 'cut off');
  t.equal(splitFiles(Buffer.from(zones)), undefined);
  const cut = parseClusterFile({ text: joined.subarray(0, -1), file: 'x' });
  t.match(cut, { ok: false, problems: [{ code: 'not-text' }] });
  t.end();
});

t.test('a large directory is read by a process of its own, with the same places', async (t) => {
  const folder = folderOf(t, { 'a.yaml': zones, 'b.yaml': moreZones, 'c.yaml': rules });
  const result = await loadClusterFile(folder, { inProcessBytes: 0 });
  if (!result.ok) return t.fail(JSON.stringify(result.problems));
  t.match(result.cluster.nodes.get('a1')?.source, { file: join(folder, 'c.yaml'), line: 3 });
});

t.test('validate shows the line of the right file; apply wants one file', async (t) => {
  const folder = folderOf(t, { 'a.yaml': zones, 'b.yaml': rules.replace('native', 'nativ') });
  const { report, sources } = await validateFile(folder);
  t.equal(report.valid, false);
  const [problem] = report.problems;
  t.equal(problem?.file, join(folder, 'b.yaml'));
  t.match(sources.get(problem!.file)?.split('\n')[problem!.line - 1], /mode: nativ /);
  await t.rejects(readOneFile(folder), { message: /it is a directory/, exitCode: 3 });
  const { renderValidate } = await import('../../src/cli/render/validate.js');
  const { terminalFor } = await import('../../src/cli/terminal.js');
  const terminal = terminalFor({ isTty: false, columns: 80, env: {}, noColor: true });
  t.match(renderValidate(report, { ...terminal, sources }), /1 \| rules: .*mode: nativ }/);
});

t.test('a text for a store need not list nodes', async (t) => {
  const folder = folderOf(t, { 'a.yaml': zones });
  const { report } = await validateFile(folder);
  t.match(report, { valid: false, problems: [{ code: 'missing-key', file: folder, line: 1 }] });
  const fleet = await validateFile(folder, { members: 'registering' });
  t.match(fleet.report, { valid: true, cluster: { nodes: 0, zones: 1 } });
});

interface Followed {
  readonly folder: string;
  /** Names of the nodes of each cluster delivered, or the code of the first problem. */
  readonly seen: readonly string[];
  last(text: string): Promise<void>;
}

/** No poll: only events count. */
async function follow(t: Test, folder: string): Promise<Followed> {
  const seen: string[] = [];
  const source = await openConfigSource(folder, {
    debounceMs: 30,
    longestWaitMs: 500,
    pollIntervalMs: 60_000,
    onUpdate: (update) => {
      if (update.kind === 'changed')
        seen.push(
          [...update.cluster.nodes.values()]
            .map(({ name }) => name)
            .sort()
            .join(' '),
        );
      if (update.kind === 'rejected') seen.push(update.problems[0]!.code);
    },
  });
  await source.watch();
  t.teardown(() => source.close());
  const last = async (text: string): Promise<void> => {
    const deadline = performance.now() + 30_000;
    while (seen.at(-1) !== text && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    t.equal(seen.at(-1), text, `the last that was seen of ${seen.join(', ')}`);
  };
  return { folder, seen, last };
}

const node = (name: string, number: number): string =>
  `nodes: [{ name: ${name}, address: 10.0.0.${number}, overlay: 10.64.${number}.0/24 }]\n`;

t.test('files that come, go, are written and are replaced are followed', async (t) => {
  const { folder, seen, last } = await follow(t, folderOf(t, { 'a.yaml': node('a', 1) }));
  t.same(seen, ['a']);
  writeFileSync(join(folder, 'b.yaml'), node('b', 2));
  await last('a b');
  writeFileSync(join(folder, '.c.yaml.swp'), node('c', 3));
  writeFileSync(join(folder, 'c.yaml.new'), node('c', 3));
  renameSync(join(folder, 'c.yaml.new'), join(folder, 'b.yaml'));
  await last('a c');
  writeFileSync(join(folder, 'a.yaml'), node('d', 4));
  await last('c d');
  rmSync(join(folder, 'b.yaml'));
  await last('d');
  writeFileSync(join(folder, 'b.yaml'), node('b', 4));
  await last('duplicate-address');
  rmSync(folder, { recursive: true });
  await last('file-missing');
  t.same(seen.length, 7, `nothing else was seen: ${seen.join(', ')}`);
});

t.test('a bad file holds up the whole directory until it is put right', async (t) => {
  const files = { 'a.yaml': node('a', 1), 'b.yaml': node('b', 2) };
  const { folder, seen, last } = await follow(t, folderOf(t, files));
  writeFileSync(join(folder, 'b.yaml'), 'nodes: [{ name: b, addr');
  await last('yaml-syntax');
  writeFileSync(join(folder, 'a.yaml'), node('z', 1));
  writeFileSync(join(folder, 'b.yaml'), node('b', 2));
  await last('b z');
  t.notOk(seen.includes('z'), 'never one file without the other');
});

t.test('a directory behind a symbolic link, and files that are links, are followed', async (t) => {
  const folder = folderOf(t, {});
  const version = (name: string, text: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'a.yaml'), text);
  };
  version('..1', node('a', 1));
  version('..2', node('b', 2));
  symlinkSync('..1', join(folder, '..data'));
  symlinkSync('..data/a.yaml', join(folder, 'a.yaml'));
  const mounted = await follow(t, folder);
  t.same(mounted.seen, ['a']);
  symlinkSync('..2', join(folder, '..new'));
  renameSync(join(folder, '..new'), join(folder, '..data'));
  await mounted.last('b');

  rmSync(join(folder, 'a.yaml'));
  await mounted.last('file-missing');
  const elsewhere = folderOf(t, { 'e.yaml': node('e', 5) });
  symlinkSync(join(elsewhere, 'e.yaml'), join(folder, 'e.yaml'));
  await mounted.last('e');
  writeFileSync(join(elsewhere, 'e.yaml'), node('f', 6));
  await mounted.last('f');

  const root = folderOf(t, {});
  cpSync(join(folder, '..1'), join(root, 'v1'), { recursive: true });
  cpSync(join(folder, '..2'), join(root, 'v2'), { recursive: true });
  symlinkSync('v1', join(root, 'current'));
  const swapped = await follow(t, join(root, 'current'));
  symlinkSync('v2', join(root, 'next'));
  renameSync(join(root, 'next'), join(root, 'current'));
  await swapped.last('b');
  writeFileSync(join(root, 'v2', 'c.yaml'), node('c', 3));
  await swapped.last('b c');
  t.match(readFileSync(join(root, 'current', 'c.yaml'), 'utf8'), /name: c/);
});
