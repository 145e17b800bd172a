/** A fleet's configuration in its store: versions, conflicts, what is refused, history and way back. */
import { execFile, execFileSync } from 'node:child_process';
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
import t, { type Test } from 'tap';
import { nodeTable } from '../../encap/node-table.js';
import { withProblems, withoutProblems } from '../../src/cli/fleet-config/draft-file.js';
import { propose } from '../../src/cli/fleet-config/propose.js';
import { renderConfigChange } from '../../src/cli/render/config-change.js';
import { terminalFor } from '../../src/cli/terminal.js';
import { parseClusterFile } from '../../src/config/index.js';
import type { Problem } from '../../src/config/problem.js';
import { MemoryServer } from '../../src/store/memory-kv.js';
import type { KeyValue } from '../../src/store/kv.js';
import { KeyValueError } from '../../src/store/kv.js';
import { judgeChange } from '../../src/store/fleet/config-change.js';
import type { AcceptableChange, ConfigProposal } from '../../src/store/fleet/config-change.js';
import { currentOf, readHistory } from '../../src/store/fleet/config-history.js';
import { problemsTogether } from '../../src/store/fleet/config-members.js';
import { keptVersions, maxValueBytes } from '../../src/store/fleet/config-write.js';
import { fleetKeys } from '../../src/store/fleet/keys.js';
import { skipReason } from '../support/capabilities.js';
import { startEtcd } from '../support/etcd.js';
import { selvageProgram } from '../../src/lab/program.js';

t.setTimeout(180_000);

const keys = fleetKeys('prod');

const site = (mode: string, nodes = 'nodes: []'): string => `overlay: { pools: [10.64.0.0/12] }
zones:
  - { name: a, provider: onprem, subnets: 10.0.0.0/24 }
  - { name: b, provider: azure, subnets: 10.0.1.0/24 }
rules:
  - { name: far, different: zone, mode: ${mode} }
${nodes}
`;

const proposal = (text: string, more: Partial<ConfigProposal> = {}): ConfigProposal => ({
  text,
  file: 'new.yaml',
  by: 'anna@ops',
  at: new Date('2026-03-04T05:06:07Z'),
  ...more,
});

async function acceptable(kv: KeyValue, given: ConfigProposal): Promise<AcceptableChange> {
  const judged = await judgeChange({ kv, keys }, given);
  if (judged.kind !== 'acceptable') throw new Error(JSON.stringify(judged));
  return judged;
}

async function set(kv: KeyValue, text: string, more: Partial<ConfigProposal> = {}): Promise<void> {
  const written = await (await acceptable(kv, proposal(text, more))).write();
  if (written.kind !== 'written') throw new Error('a conflict');
}

async function register(
  kv: KeyValue,
  name: string,
  place: readonly [string, string],
): Promise<void> {
  const [address, overlay] = place;
  await kv.put(keys.record(name), JSON.stringify({ version: 1, node: { address, overlay } }));
  await kv.put(
    `${keys.blocks}${overlay.replace('/', '_')}`,
    JSON.stringify({ version: 1, node: name, at: '2026-01-01T00:00:00Z' }),
  );
}

async function numbers(kv: KeyValue): Promise<readonly number[]> {
  return (await readHistory(kv, keys)).versions.map(({ number }) => number);
}

t.test('the first text is version 1, a change the next, the same text none', async (t) => {
  const kv = new MemoryServer().client();
  const first = await acceptable(kv, proposal(site('vxlan'), { message: 'to begin with' }));
  t.equal(first.base, 0);
  t.equal(first.effect, undefined, 'there is nothing to compare with');
  t.same(await first.write(), { kind: 'written', number: 1, pruned: [] });
  t.same(JSON.parse((await kv.get(keys.config(1)))!.value), {
    version: 1,
    text: site('vxlan'),
    at: '2026-03-04T05:06:07.000Z',
    by: 'anna@ops',
    message: 'to begin with',
  });
  t.same(await judgeChange({ kv, keys }, proposal(site('vxlan'))), {
    kind: 'unchanged',
    number: 1,
  });
  await set(kv, site('auto'));
  t.same(await numbers(kv), [1, 2]);
  t.equal(currentOf(await readHistory(kv, keys))?.value.text, site('auto'));
});

t.test('of two writers who began with the same version one gets a conflict', async (t) => {
  const kv = new MemoryServer().client();
  await set(kv, site('vxlan'));
  const [anna, ben] = await Promise.all([
    acceptable(kv, proposal(site('auto'))),
    acceptable(kv, proposal(site('deny'), { by: 'ben@ops' })),
  ]);
  t.match(await ben.write(), { kind: 'written', number: 2 });
  t.match(await anna.write(), {
    kind: 'conflict',
    other: { number: 2, value: { by: 'ben@ops', text: site('deny') } },
  });
  t.equal(currentOf(await readHistory(kv, keys))?.value.text, site('deny'), 'nothing is lost');
  t.match(await judgeChange({ kv, keys }, proposal(site('auto'), { ifVersion: 1 })), {
    kind: 'conflict',
    other: { number: 2 },
  });
  t.match(await judgeChange({ kv, keys }, proposal(site('auto'), { ifVersion: 2 })), {
    kind: 'acceptable',
  });
  const report = await propose(
    { kv, keys },
    {
      proposal: proposal(site('auto'), { ifVersion: 1 }),
      flags: { forceChange: false, dryRun: false },
    },
  );
  const terminal = terminalFor({
    isTty: false,
    columns: 80,
    env: { COLUMNS: '120' },
    noColor: true,
  });
  t.equal(
    renderConfigChange(report, { ...terminal, text: '' }).replace(/\n */g, ' '),
    '✗ nothing was written: version 2 was written by ben@ops at 2026-03-04T05:06:07.000Z; ' +
      '"selvage config diff 1" shows what changed: take that into your text, then "selvage config ' +
      'set FILE --if-version 2"',
  );
});

t.test('twenty writers at once make twenty versions, and no text is lost', async (t) => {
  const server = new MemoryServer();
  const write = async (writer: number): Promise<void> => {
    const kv = server.client();
    for (;;) {
      const text = site('vxlan').replace('far', `far-${writer}`);
      const result = await (await acceptable(kv, proposal(text))).write();
      if (result.kind === 'written') return;
    }
  };
  await Promise.all(Array.from({ length: 20 }, (_, i) => write(i)));
  const { versions } = await readHistory(server.client(), keys);
  t.same(
    versions.map(({ number }) => number),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  t.equal(new Set(versions.map(({ value }) => value?.text)).size, 20);
});

t.test('a number that was pruned while its writer was away is a conflict too', async (t) => {
  const kv = new MemoryServer().client();
  await set(kv, site('vxlan'));
  const late = await acceptable(kv, proposal(site('auto')));
  await set(kv, site('deny'), { by: 'ben@ops' });
  await set(kv, site('vxlan'), { by: 'ben@ops' });
  await kv.delete(keys.config(2));
  t.match(await late.write(), { kind: 'conflict', other: { number: 3, value: { by: 'ben@ops' } } });
  t.same(await numbers(kv), [1, 3], 'it leaves nothing behind');
});

t.test('an answer that was lost, and the request again: that is no conflict', async (t) => {
  const kv = new MemoryServer().client();
  const twice: KeyValue = Object.create(kv, {
    put: {
      value: async (...args: Parameters<KeyValue['put']>) => {
        await kv.put(...args);
        return kv.put(...args);
      },
    },
    name: { value: kv.name },
  }) as KeyValue;
  for (const method of ['get', 'list', 'delete'] as const)
    Object.defineProperty(twice, method, { value: kv[method].bind(kv) });
  t.match(await (await acceptable(twice, proposal(site('vxlan')))).write(), {
    kind: 'written',
    number: 1,
  });
});

t.test('a text that agents would refuse is refused, with its place', async (t) => {
  const kv = new MemoryServer().client();
  const judged = await judgeChange({ kv, keys }, proposal(site('vxlam')));
  t.match(judged, {
    kind: 'invalid',
    problems: [{ file: 'new.yaml', line: 6, column: 41, code: 'unknown-value' }],
  });
  t.same(await numbers(kv), []);
});

t.test('so is one of another cluster', async (t) => {
  const kv = new MemoryServer().client();
  const target = { kv, keys };
  await set(kv, `cluster: prod\n${site('auto')}`);
  t.match(await judgeChange(target, proposal(`cluster: test\n${site('vxlan')}`)), {
    kind: 'unusable',
    why: 'it is of a cluster called "test", and this store is that of "prod": write "cluster: prod", or name the other one at the end of the store\'s address',
  });
  t.equal((await acceptable(kv, proposal(site('vxlan')))).effect?.records.settings.length, 0);
});

t.test('so is a rule that the nodes that are registered cannot follow', async (t) => {
  const kv = new MemoryServer().client();
  await set(kv, site('vxlan'));
  t.match(await judgeChange({ kv, keys }, proposal(site('ipip'))), { kind: 'acceptable' });
  await register(kv, 'a1', ['10.0.0.1', '10.64.1.0/24']);
  await register(kv, 'b1', ['10.0.1.1', '10.64.2.0/24']);
  const judged = await judgeChange({ kv, keys }, proposal(site('ipip')));
  t.match(judged, {
    kind: 'invalid',
    problems: [
      { file: 'new.yaml', line: 6, code: 'rule-infeasible', message: /from a1 to b1: .*azure/ },
    ],
  });
  t.match(await acceptable(kv, proposal(site('auto'))), { registered: 2 });
});

t.test('what came with a node later holds up no change of anything else', async (t) => {
  const kv = new MemoryServer().client();
  await set(kv, site('ipip'));
  await register(kv, 'a1', ['10.0.0.1', '10.64.1.0/24']);
  await register(kv, 'b1', ['10.0.1.1', '10.64.2.0/24']);
  const other = site('ipip').replace('10.64.0.0/12', '10.64.0.0/13');
  t.match(await judgeChange({ kv, keys }, proposal(other)), { kind: 'acceptable' });
});

t.test('a record with a fault of its own hides nothing of the text', async (t) => {
  const kv = new MemoryServer().client();
  await set(kv, site('vxlan'));
  await register(kv, 'a1', ['10.0.0.1', '10.64.1.0/24']);
  await register(kv, 'b1', ['10.0.1.1', '10.64.2.0/24']);
  await register(kv, 'thief', ['10.0.0.1', '10.64.3.0/24']);
  await kv.put(keys.record('garbage'), '{');
  const judged = await judgeChange({ kv, keys }, proposal(site('ipip')));
  t.match(judged, { kind: 'invalid', problems: [{ line: 6, code: 'rule-infeasible' }] });
});

t.test('nor does what records have against each other that no claim is about', (t) => {
  const nodes = `nodes:
  - { name: a1, address: 10.0.0.1, overlay: 10.64.1.0/24 }
  - { name: b1, address: 10.0.1.1, overlay: 10.64.2.0/24 }`;
  const parsed = parseClusterFile({ text: site('vxlan', nodes), file: 'new.yaml' });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { cluster } = parsed;
  const source = { file: 'record/thief', line: 1, column: 1 };
  const thief = { ...cluster.nodes.get('a1')!, name: 'thief', source };
  const rules = cluster.rules.map((rule) => ({ ...rule, mode: 'ipip' as const }));
  const members = {
    cluster: { ...cluster, rules, nodes: nodeTable([...cluster.nodes.values(), thief]) },
    registered: new Set(['thief']),
    problems: [],
  };
  const errors = problemsTogether(members, 'new.yaml').filter(
    ({ severity }) => severity === 'error',
  );
  t.match(errors, [{ file: 'new.yaml', line: 6, code: 'rule-infeasible' }]);
  t.equal(errors.length, 1);
  t.end();
});

t.test('whom it touches is told, and cutting somebody off takes a word more', async (t) => {
  const kv = new MemoryServer().client();
  await set(kv, site('vxlan'));
  await register(kv, 'a1', ['10.0.0.1', '10.64.1.0/24']);
  await register(kv, 'a2', ['10.0.0.2', '10.64.4.0/24']);
  await register(kv, 'b1', ['10.0.1.1', '10.64.2.0/24']);
  const denied = await acceptable(kv, proposal(site('deny')));
  t.match(denied.effect, { changedPairs: 4, groups: [{ effect: 'lost', pairs: 4 }] });
  t.match(denied.dangers, [/^4 ordered pairs lose their way: /]);
  const moved = site('vxlan').replace('10.0.1.0/24', '10.0.2.0/24');
  t.match((await acceptable(kv, proposal(moved))).dangers, [
    /^registered nodes would no longer count: b1 \(.*10\.0\.1\.1/,
  ]);
  const target = { kv, keys };
  const asked = { proposal: proposal(site('deny')), flags: { forceChange: false, dryRun: false } };
  t.match(await propose(target, asked), { outcome: 'refused', version: null });
  t.same(await numbers(kv), [1]);
  const dry = { ...asked, flags: { forceChange: true, dryRun: true } };
  t.match(await propose(target, dry), { outcome: 'would-write', version: 2 });
  t.same(await numbers(kv), [1]);
  const forced = { ...asked, flags: { forceChange: true, dryRun: false } };
  t.match(await propose(target, forced), { outcome: 'written', version: 2 });
});

t.test('a listed node that is taken out of the text is meant to go', async (t) => {
  const kv = new MemoryServer().client();
  const nodes = (names: readonly number[]): string =>
    `nodes: [${names.map((i) => `{ name: n${i}, address: 10.0.0.${i}, overlay: 10.64.${i}.0/24 }`).join(', ')}]`;
  await set(kv, site('vxlan', nodes([1, 2, 3])));
  const change = await acceptable(kv, proposal(site('vxlan', nodes([1, 2]))));
  t.same(change.dangers, []);
  t.equal(change.effect?.changedPairs, 4);
});

t.test('modes and the segment: it is told that there is a way in phases', async (t) => {
  const kv = new MemoryServer().client();
  await set(kv, site('vxlan'));
  await register(kv, 'a1', ['10.0.0.1', '10.64.1.0/24']);
  const segment = site('vxlan').replace('12] }', '12], vxlan: { vni: 77 } }');
  t.match((await acceptable(kv, proposal(segment))).remarks, [
    /^the VXLAN segment .*selvage migrate/,
  ]);
  await register(kv, 'a2', ['10.0.0.2', '10.64.4.0/24']);
  const native = site('vxlan').replace(
    'rules:',
    'rules:\n  - { name: n, same: zone, mode: vxlan }',
  );
  t.match((await acceptable(kv, proposal(native))).remarks, [/^modes change.*selvage migrate/]);
  t.same((await acceptable(kv, proposal(`${site('vxlan')}# only words\n`))).remarks, []);
});

t.test('a change in phases is not run over', async (t) => {
  const kv = new MemoryServer().client();
  await set(kv, site('vxlan'));
  const led = (phase: string): string =>
    JSON.stringify({
      ...{ version: 1, text: site('auto'), at: '2026-01-01T00:00:00Z', by: 'x@y' },
      changeover: { phase, from: 1 },
    });
  await kv.put(keys.config(2), led('switch'));
  t.match((await acceptable(kv, proposal(site('deny')))).dangers, [/in its phase "switch"/]);
  await kv.put(keys.config(2), led('settled'));
  t.same((await acceptable(kv, proposal(site('deny')))).dangers, []);
});

t.test('what a later release has added to a version is carried on', async (t) => {
  const kv = new MemoryServer().client();
  const value = { version: 1, text: site('vxlan'), at: 'x', by: 'y', approvals: ['z'] };
  await kv.put(keys.config(1), JSON.stringify(value));
  await set(kv, site('auto'));
  t.match(JSON.parse((await kv.get(keys.config(2)))!.value), {
    approvals: ['z'],
    by: 'anna@ops',
    text: site('auto'),
  });
});

t.test('garbage is passed over and named; a later format is left alone', async (t) => {
  const kv = new MemoryServer().client();
  await set(kv, site('vxlan'));
  await kv.put(`${keys.configs}latest`, 'x');
  await kv.put(keys.config(2), 'garbage');
  const change = await acceptable(kv, proposal(site('auto')));
  t.equal(change.base, 2);
  t.match(change.remarks, [/config\/latest is no version/, /^version 2 is passed over .*not JSON/]);
  t.equal(change.effect?.old.file, 'version 1');
  t.match(await judgeChange({ kv, keys }, proposal(site('vxlan'))), { kind: 'acceptable' });
  await kv.put(keys.config(2), '{"version":2,"words":"of tomorrow"}');
  t.match(await judgeChange({ kv, keys }, proposal(site('auto'))), {
    kind: 'unusable',
    why: /format 2, and this release knows 1: update selvage/,
  });
});

t.test('a text that no etcd takes is refused before it is sent', async (t) => {
  const kv = new MemoryServer().client();
  const large = `${site('vxlan')}# ${'x'.repeat(maxValueBytes)}\n`;
  t.match(await judgeChange({ kv, keys }, proposal(large)), { kind: 'unusable', why: /node join/ });
});

t.test('the last hundred versions are kept, and what a changeover refers to', async (t) => {
  const kv = new MemoryServer().client();
  const value = (text: string, more: object = {}): string =>
    JSON.stringify({ version: 1, text, at: 'x', by: 'y', ...more });
  const total = keptVersions + 3;
  for (let i = 1; i <= total; i++) await kv.put(keys.config(i), value(site(`vxlan # ${i}`)));
  await kv.put(
    keys.config(50),
    value(site('vxlan'), { changeover: { phase: 'settled', from: 2 } }),
  );
  const change = await acceptable(kv, proposal(site('auto')));
  // Touched by somebody else between our look and our deletion.
  const { delete: remove } = kv;
  const deleted: string[] = [];
  kv.delete = async (key, condition) => {
    if (key === keys.config(3)) await kv.put(key, value('other'));
    deleted.push(key);
    return remove.call(kv, key, condition);
  };
  t.same(await change.write(), { kind: 'written', number: total + 1, pruned: [1, 4] });
  t.same(deleted, [keys.config(1), keys.config(3), keys.config(4)]);
  t.same((await numbers(kv)).slice(0, 3), [2, 3, 5]);
});

t.test('the store goes away while it is written: that it may be there is told', async (t) => {
  const kv = new MemoryServer().client();
  kv.put = () => Promise.reject(new KeyValueError('unavailable', 'no answer in 5 s'));
  const flags = { forceChange: false, dryRun: false };
  await t.rejects(propose({ kv, keys }, { proposal: proposal(site('vxlan')), flags }), {
    message: /no answer in 5 s; the store may have taken the text .*config history/,
    exitCode: 3,
  });
});

t.test('errors stand above the text, with the lines that an editor shows', (t) => {
  const problem = (line: number): Problem => ({
    ...{ code: 'bad-name', severity: 'error', file: 'x', path: '', value: '' },
    ...{ line, column: 3, message: 'two\n  lines', remedy: 'one' },
  });
  const text = '# selvage: is a name\nnodes: []\n';
  const shown = withProblems('a: 1\nb: 2\n', [problem(1), problem(2)]).split('\n');
  for (const line of [1, 2]) {
    const told = shown.find((entry) => entry.includes(`${line + 4}:3: error: two lines — one`));
    t.ok(told, shown.join('\n'));
    t.equal(shown[line + 3], line === 1 ? 'a: 1' : 'b: 2', `line ${line + 4} of the file`);
  }
  t.equal(withoutProblems(shown.join('\n')), 'a: 1\nb: 2\n');
  t.equal(withoutProblems('a: 1\n# selvage: no\n'), 'a: 1\n# selvage: no\n', 'only at the top');
  t.equal(withProblems(text, []), text);
  t.end();
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function cli(store: string): (args: readonly string[], more?: CliOptions) => Promise<Ran> {
  const [program, ...before] = selvageProgram();
  return (args, { env = {}, input = '', terminal = false } = {}) =>
    new Promise((resolve) => {
      const command = [program!, ...before, 'config', ...args];
      const quoted = command.map((word) => `'${word}'`).join(' ');
      const [file, ...words] = terminal ? ['script', '-qec', quoted, '/dev/null'] : command;
      const child = execFile(
        file!,
        words,
        { env: { ...process.env, SELVAGE_STORE: store, COLUMNS: '110', ...env } },
        (error, out, err) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
          resolve({ code, out, err });
        },
      );
      child.stdin?.end(input);
    });
}

interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Output and errors come together then. */
  readonly terminal?: boolean;
}

/** An editor that notes what it was given and does to the file what the script says. */
function editor(t: Test, script: string): { readonly command: string; seen(): readonly string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'selvage-editor-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'edit');
  const body = `n=$(ls ${folder} | grep -c seen || true); cp "$2" ${folder}/seen-$n; stat -c %a "$2" > ${folder}/mode\n`;
  writeFileSync(path, `#!/bin/sh\nset -e\n${body}${script}\n`);
  chmodSync(path, 0o755);
  return {
    command: `${path} --wait`,
    seen: () => {
      const texts: string[] = [];
      while (existsSync(join(folder, `seen-${texts.length}`)))
        texts.push(readFileSync(join(folder, `seen-${texts.length}`), 'utf8'));
      return [...texts, readFileSync(join(folder, 'mode'), 'utf8').trim()];
    },
  };
}

t.test('the commands, with a real etcd', { skip: skipReason('etcd') }, async (t) => {
  const etcd = await startEtcd(t);
  const run = cli(`etcd://${etcd.authority}/prod`);
  const list = (mode: string): string =>
    site(
      mode,
      'nodes:\n  - { name: a1, address: 10.0.0.1, overlay: 10.64.1.0/24 }\n  - { name: b1, address: 10.0.1.1, overlay: 10.64.2.0/24 }',
    );

  const none = await run(['get']);
  t.equal(none.code, 3);
  t.match(
    none.err,
    /no configuration of this cluster yet; make one with "selvage config set FILE"/,
  );
  t.match(await run(['set', '-', '-m', 'first  words'], { input: list('vxlan') }), {
    code: 0,
    out: /version 1 is written, the first of this cluster/,
  });
  t.equal((await run(['get'])).out, list('vxlan'), 'to the byte');

  const bad = await run(['set', '-'], { input: list('ipip') });
  t.equal(bad.code, 1);
  t.match(
    bad.out,
    /^standard input:6:41: error: ipip does not carry .*\n6 \| {3}- \{ name: far.*\n/,
  );

  const mended = editor(
    t,
    'case $n in 0) sed -i s/vxlan/vxlam/ "$2";; 1) sed -i s/vxlam/auto/ "$2";; esac',
  );
  const edited = await run(['edit', '-m', 'by hand'], {
    ...{ env: { VISUAL: mended.command }, terminal: true, input: 'y\n' },
  });
  t.match(edited, { code: 0, out: /vxlam[^]*edit again\? \[Y\/n\][^]*version 2 is written/ });
  const [given, again, mode] = mended.seen();
  t.equal(given, list('vxlan'));
  t.match(
    again,
    /^# selvage: not valid.*\n# selvage: 9:41: error: "mode" must be .*\n# selvage:\n/,
  );
  t.equal(again!.split('\n')[8], '  - { name: far, different: zone, mode: vxlam }');
  t.equal(mode, '600');
  t.equal((await run(['get'])).out, list('auto'), 'without our comments');
  t.match(await run(['edit'], { env: { VISUAL: editor(t, 'true').command } }), {
    code: 0,
    err: /not changed; nothing was written/,
  });

  const worse = editor(t, 'echo "wrong-$n: 1" >> "$2"');
  const unattended = await run(['edit'], { env: { VISUAL: worse.command } });
  t.match(unattended, { code: 1, out: /"wrong-0"/ });
  t.equal(worse.seen().length, 2, 'opened once where nobody can be asked');
  const left = /your text is kept in (\S+)/.exec(unattended.err)?.[1] ?? '';
  t.equal(readFileSync(left, 'utf8'), `${list('auto')}wrong-0: 1\n`);
  rmSync(join(left, '..'), { recursive: true });
  const givenUp = await run(['edit'], {
    ...{ env: { VISUAL: worse.command }, terminal: true, input: 'n\n' },
  });
  t.equal(givenUp.code, 1);
  t.equal(worse.seen().length, 3);
  const dropped = /your text is kept in (\S+)/.exec(givenUp.out)?.[1] ?? '';
  t.match(readFileSync(dropped, 'utf8'), /wrong-1: 1\n$/);
  rmSync(join(dropped, '..'), { recursive: true });

  const large = `${list('auto')}#${' '.repeat(3_000_000)}\n`;
  const tooLarge = await run(['set', '-'], { input: large });
  t.equal(tooLarge.code, 3);
  t.match(
    tooLarge.err,
    /cannot write standard input: .* takes 3\.00 MB \(3\d{6} bytes\) .* room for 1\.50 MB .*shorten it/,
  );

  const other = JSON.stringify({ version: 1, text: list('deny'), at: 'noon', by: 'ben@ops' });
  const beaten = editor(
    t,
    `echo '# mine' >> "$2"; ETCDCTL_API=3 etcdctl --endpoints ${etcd.authority} put ${keys.config(3)} '${other}' >/dev/null`,
  );
  const conflict = await run(['edit'], { env: { VISUAL: beaten.command } });
  t.equal(conflict.code, 3);
  t.match(conflict.out, /version 3 was written by ben@ops at noon; "selvage config diff 2"/);
  const kept = /your text is kept in (\S+)/.exec(conflict.err)?.[1] ?? '';
  t.equal(readFileSync(kept, 'utf8'), `${list('auto')}# mine\n`);
  t.equal(statSync(kept).mode & 0o777, 0o600);
  rmSync(join(kept, '..'), { recursive: true });

  const diff = await run(['diff', '--effect']);
  t.equal(diff.code, 1);
  t.match(diff.out, /^--- version 2\n\+\+\+ version 3\n@@ /);
  t.match(
    diff.out,
    /\n- {2,3}- \{ name: far, .* mode: auto \}\n\+ {2,3}- \{ name: far, .* mode: deny \}\n/,
  );
  t.match(diff.out, /\n2 of 2 ordered pairs of 2 nodes go another way\n/);
  t.match(await run(['rollback']), { code: 0, out: /version 4 is written/ });
  const history = JSON.parse((await run(['history', '-o', 'json', '--limit', '3'])).out) as unknown;
  t.match(history, {
    schema: 'selvage.config-history/1',
    total: 4,
    versions: [
      { number: 4, inForce: true, message: 'back to version 2', lines: { added: 1, removed: 1 } },
      { number: 3, inForce: false, by: 'ben@ops', at: 'noon' },
      { number: 2, message: 'by hand' },
    ],
  });
  t.match(await run(['history']), { out: /\n1 +\S+ +\S+ +\d+ bytes +first words\n$/ });
  const value = JSON.parse((await run(['get', '--version', '3', '-o', 'json'])).out) as unknown;
  t.match(value, { number: 3, key: keys.config(3), value: { by: 'ben@ops', text: list('deny') } });
  t.match(await run(['get', '--version', '9']), { code: 2, err: /the store has 1 to 4/ });

  const phase = JSON.stringify({ version: 1, text: list('auto'), at: 'noon', by: 'ben@ops' });
  const put = ['--endpoints', etcd.authority, 'put', keys.config(5), phase];
  execFileSync('etcdctl', put, { env: { ...process.env, ETCDCTL_API: '3' } });
  t.match(await run(['rollback', '--force-change']), { code: 0 });
  const last = JSON.parse((await run(['history', '-o', 'json', '--limit', '1'])).out) as unknown;
  t.match(last, { versions: [{ number: 6, message: 'back to version 3' }] }, 'over phases');
});
