/** The command line: help, exit codes, formats, agents that answer and agents that do not, completion. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import t from 'tap';
import { parse as parseYaml } from 'yaml';
import { KernelError } from '../../tunnel/netlink/error.js';
import { NoGuardError } from '../../tunnel/guard/index.js';
import { ToolMissingError } from '../../tunnel/guard/command.js';
import { SystemCallError } from '../../tunnel/native/errno.js';
import { ConfigRefused } from '../../src/agent/run.js';
import { UnknownNodeError } from '../../src/agent/unknown-node.js';
import { exitCodes } from '../../src/cli/exit-codes.js';
import { Failure, knownErrors, reportFailure } from '../../src/cli/failure.js';
import { buildProgram } from '../../src/cli/program.js';
import { clusterJsonSchema } from '../../src/config/index.js';
import { SocketTakenError, serveControl } from '../../src/http/server.js';
import { LabError } from '../../src/lab/names.js';
import { selvageProgram } from '../../src/lab/program.js';
import { fromRoot } from '../support/root.js';

// Many processes, each of which loads the program anew.
t.setTimeout(180_000);

const folder = mkdtempSync(join(tmpdir(), 'selvage-cli-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const cluster = fromRoot('test', 'golden', 'explain', 'cluster.yaml');
const nobody = join(folder, 'no-agent.sock');

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const [program, ...before] = selvageProgram();
  return spawned(program!, [...before, ...args], env);
}

function spawned(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const { NO_COLOR, FORCE_COLOR, SELVAGE_DEBUG, ...rest } = process.env;
  return new Promise((resolve) => {
    execFile(program, args, { env: { ...rest, ...env } }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, out, err });
    });
  });
}

t.test('every command explains itself', (t) => {
  const program = buildProgram();
  for (const command of everyCommand(program)) {
    const name = command.name();
    let text = '';
    command.configureOutput({ writeOut: (part) => (text += part) });
    command.outputHelp();
    t.match(text, /\nExamples:\n {2}\S/, `${name} has examples`);
    t.match(text, /-h, --help/, `${name} names --help`);
    if (command.commands.length === 0)
      t.match(
        text,
        /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}3 .*\n {2}4 /,
        `${name} has exit codes`,
      );
    const undescribed = [...command.options, ...command.registeredArguments]
      .filter((entry) => entry.description === '')
      .map((entry) => entry.name());
    t.same(undescribed, [], `${name}: every option and argument is described`);
  }
  t.end();
});

t.test('exit codes and messages', async (t) => {
  const bad = join(folder, 'bad.yaml');
  writeFileSync(
    bad,
    'version: 1\nnodes:\n  - name: a\n    adress: 10.0.0.1/24\n    overlay: 10.64.1.0/24\n',
  );
  const file = ['--config', cluster];
  const cases: readonly [readonly string[], number, RegExp | undefined][] = [
    [['--help'], 0, undefined],
    [['--version'], 0, undefined],
    [[], 2, /Usage: selvage/],
    [['explian'], 2, /unknown command 'explian'/],
    [['validate', cluster], 0, undefined],
    [['validate', bad], 1, undefined],
    [['validate', join(folder, 'none.yaml')], 3, /cannot read .*none\.yaml: there is no such file/],
    [['validate', cluster, '-o', 'xml'], 2, /Allowed choices are table, json, yaml/],
    [['explain', '10.64.21.7', '--from', 'rack-1', ...file], 0, undefined],
    [['explain', '10.64.21.7', '--from', 'rack-2', ...file], 1, undefined],
    [['explain', '10.64.21.7', '--from', 'rack-9', ...file], 2, /did you mean rack-1\?/],
    [['explain', 'az-2', '--from', 'rack-1', ...file], 2, /did you mean az-1\?/],
    [['explain', '10.64.21.7', '--from', 'rack-1', '--config', bad], 1, /bad\.yaml:4:5: error: /],
    [['explain', '10.64.21.7', '--socket', nobody], 3, /no agent answers at .*no-agent\.sock/],
    [['status', '--socket', nobody], 3, /start one with "selvage agent"/],
    [['agent', '--config', bad, '--node', 'a', '--runtime-dir', folder], 1, /bad\.yaml:4:5/],
    [
      ['agent', '--config', cluster, '--node', 'x', '--runtime-dir', folder],
      2,
      /node "x" is not in/,
    ],
    [
      [
        'agent',
        '--config',
        join(folder, 'none.yaml'),
        '--runtime-dir',
        folder,
        '--state-dir',
        folder,
      ],
      3,
      /cannot read .*none\.yaml: there is no such file; check the path/,
    ],
    [['verify', cluster, '-c', bad], 2, /both .* and --config .* give one of them/],
    [['apply', 'etcd://10.0.0.1/x'], 2, /nodes of a fleet follow its store .*"selvage config set"/],
    [['lab', 'down', 'no-such-lab'], 3, /there is no lab "no-such-lab"/],
    [['lab', 'down', '--lab', 'no-such-lab'], 3, /there is no lab "no-such-lab"/],
    [['lab', 'down', 'one', '--lab', 'two'], 2, /two labs are named, "one" and "two"/],
    [['lab', 'run', cluster, '--from', 'rack-9'], 2, /no node "rack-9"; it has rack-1, /],
    [['lab', 'run', cluster, '--black-hole', 'rack'], 2, /--black-hole takes all, or two zones/],
  ];
  await inTurns(cases, async ([args, code, message]) => {
    const ran = await run(args);
    const name = `selvage ${args.join(' ')}`;
    t.equal(ran.code, code, `${name} ends with ${code}: ${ran.err}`);
    if (message === undefined) t.equal(ran.err, '', `${name} has nothing to complain about`);
    else t.match(ran.err, message, name);
    t.notMatch(ran.err, /\n {4}at /, `${name} prints no stack trace`);
  });
  const debug = await run(['status', '--socket', nobody], { SELVAGE_DEBUG: '1' });
  t.match(debug.err, /\n {4}at /, 'with SELVAGE_DEBUG=1 it does');
});

t.test('without the privilege it says so, and nothing else', async (t) => {
  // Root without capabilities is refused like anybody else.
  const without = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--'] : [];
  const directories = ['--runtime-dir', folder, '--state-dir', folder, '--socket', nobody];
  const here = ['--config', cluster, '--node', 'rack-1', '--socket', nobody];
  for (const args of [
    ['plan', ...here],
    ['apply', ...here, ...directories],
    ['down', ...directories],
    ['agent', ...here, ...directories],
  ]) {
    const [program, ...rest] = [...without, ...selvageProgram(), ...args];
    const ran = await spawned(program!, rest);
    t.equal(ran.code, 3, `${args[0]}: ${ran.err}`);
    t.match(ran.err, /^selvage: this kernel may not be asked or changed: this needs root .*\n$/);
  }
});

t.test('what is a defect and what is not', (t) => {
  for (const known of [
    KernelError,
    NoGuardError,
    ToolMissingError,
    SystemCallError,
    ConfigRefused,
    UnknownNodeError,
    SocketTakenError,
    LabError,
  ])
    t.ok(known.name in knownErrors, `${known.name} is known by its name`);
  const quiet = { debug: false };
  t.same(reportFailure(new Failure('no', exitCodes.usage), quiet), {
    text: 'selvage: no',
    exitCode: 2,
  });
  t.same(reportFailure(new LabError('no lab'), quiet), { text: 'selvage: no lab', exitCode: 3 });
  const refused = Object.assign(new Error('EACCES: open x'), { code: 'EACCES', syscall: 'open' });
  t.match(reportFailure(refused, quiet), { text: /this needs root/, exitCode: 3 });
  t.same(reportFailure(new TypeError('x is not a function'), quiet), {
    text: 'selvage: internal error: x is not a function; set SELVAGE_DEBUG=1 to see where',
    exitCode: 4,
  });
  t.match(reportFailure(new TypeError('x'), { debug: true }).text, /\n {4}at /);
  t.end();
});

t.test('formats for programs', async (t) => {
  const question = ['explain', '10.64.21.7', '--from', 'rack-1', '--config', cluster, '-o'];
  const [json, yaml, table, validated, schema, version] = await Promise.all([
    run([...question, 'json']),
    run([...question, 'yaml']),
    run([...question, 'table'], { FORCE_COLOR: '1' }),
    run(['validate', cluster, '-o', 'json']),
    run(['schema']),
    run(['version', '-o', 'json']),
  ]);
  const report: unknown = JSON.parse(json.out);
  t.match(report, {
    schema: 'selvage.route-explain/1',
    verdict: { kind: 'VXLAN', mtu: 1350, exitCode: 0 },
    basis: { kind: 'file', localFacts: false, note: `--config ${cluster}` },
    kernel: { compared: false },
  });
  t.same(parseYaml(yaml.out), report, 'YAML and JSON say the same');
  t.match(table.out, /\u001b\[1m/, 'colours where they are forced');
  t.match(JSON.parse(validated.out), {
    schema: 'selvage.validate/1',
    valid: true,
    problems: [],
    cluster: { name: 'hybrid', nodes: 5, zones: 4, links: 1, rules: 4 },
  });
  t.same(JSON.parse(schema.out), clusterJsonSchema());
  const { version: own } = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8')) as {
    version: string;
  };
  t.match(JSON.parse(version.out), { version: own, node: process.version });
});

t.test('what validate prints', async (t) => {
  const bad = join(folder, 'two.yaml');
  writeFileSync(
    bad,
    'version: 1\nnodes:\n  - { name: a, address: 10.0.0.1/24, overlay: 10.64.1.0/24 }\n' +
      '  - { name: b, address: 10.0.0.1/24, overlay: 10.64.1.0/25 }\n',
  );
  const { code, out } = await run(['validate', bad]);
  t.equal(code, 1);
  t.match(out, new RegExp(`^${bad}:4:\\d+: error: `), 'the place comes first');
  t.match(out, /\n4 \| {3}- \{ name: b, .*\n {2}\| +\^\n/, 'the line, and a caret below');
  t.match(out, /✗ .*two\.yaml: 2 errors\n$/);
});

t.test('a reader that has seen enough is no error', async (t) => {
  const line = [
    ...selvageProgram(),
    ...['explain', '10.64.21.7', '--from', 'rack-1', '--config', cluster],
  ]
    .map((word) => `'${word}'`)
    .join(' ');
  const { out, err, code } = await spawned('bash', ['-c', `set -o pipefail; ${line} | head -n 1`]);
  t.match(out, /^VXLAN 10\.64\.21\.7 on az-1: vxlan over IPv4, MTU 1350\n$/);
  t.equal(err, '');
  t.equal(code, 0);
});

t.test('with an agent that answers', async (t) => {
  const socket = join(folder, 'agent', 'agent.sock');
  const asked: string[] = [];
  const offline = await run([
    'explain',
    'az-1',
    '--from',
    'rack-1',
    '--config',
    cluster,
    '-o',
    'json',
  ]);
  const report = JSON.parse(offline.out) as Record<string, unknown>;
  const status = {
    schema: 'selvage.status/1',
    node: 'rack-1',
    cluster: 'hybrid',
    revision: 3,
    config: { file: cluster, problems: [] },
    pid: 42,
    ready: true,
    guard: { backend: 'nftables', dropped: { 'spoofed-inner': 7, other: 0 } },
    masquerade: { sources: ['10.64.1.0/24'], exclude: ['10.0.0.0/8'] },
    planes: [],
    problems: [],
    contested: [],
    notes: [],
    repairs: 2,
    lastPass: undefined,
    peers: [
      {
        node: 'az-1',
        prefix: '10.64.21.0/24',
        verdict: 'forward',
        mode: 'vxlan',
        plane: 'kernel',
        outer: '10.2.0.4',
        mtu: 1350,
        state: 'ok',
      },
    ],
  };
  const plan = {
    schema: 'selvage.plan/1',
    node: 'rack-1',
    revision: 3,
    changes: [
      { action: 'create', object: 'route A', attributes: [], recreate: false },
      { action: 'update', object: 'link B', actual: 'link C', attributes: ['mtu'], recreate: true },
      { action: 'delete', object: 'fdb D', actual: 'fdb D', attributes: [], recreate: false },
    ],
    foreign: [],
    problems: [],
  };
  let peerState = 'ok';
  const server = await serveControl(socket, [
    {
      method: 'GET',
      path: '/v1/explain',
      handle: (query) => {
        asked.push(query.toString());
        return Promise.resolve({
          ...report,
          basis: { ...(report['basis'] as object), kind: 'agent', note: null },
        });
      },
    },
    {
      method: 'GET',
      path: '/v1/status',
      handle: () =>
        Promise.resolve({
          ...status,
          peers: status.peers.map((peer) => ({ ...peer, state: peerState })),
        }),
    },
    { method: 'GET', path: '/v1/plan', handle: () => Promise.resolve(plan) },
    { method: 'GET', path: '/healthz', handle: () => Promise.resolve({ ok: true }) },
    {
      method: 'POST',
      path: '/v1/reload',
      handle: () => Promise.resolve({ revision: 3, problems: ['f.yaml:1:1: error: bad'] }),
    },
  ]);
  t.teardown(() => server.close());

  const at = ['--socket', socket];
  const explained = await run(['explain', 'az-1', '--from', 'rack-1', ...at]);
  t.equal(explained.code, 0, explained.err);
  t.match(explained.out, /basis {3}the agent's own snapshot \(cluster hybrid, revision 1\)/);
  t.same(asked, ['destination=az-1&from=rack-1']);

  const good = await run(['status', ...at]);
  t.equal(good.code, 0, good.err);
  t.equal(
    good.out,
    [
      'READY rack-1 in cluster hybrid: 1 prefixes of peers, all in place',
      '',
      `  config  ${cluster}, revision 3`,
      '  peers   1 vxlan',
      '  agent   pid 42, 2 repairs',
      '  guard   nftables, dropped spoofed-inner 7',
      '  nat     masquerades 10.64.1.0/24, but not to the overlay and to 10.0.0.0/8',
      '',
      '  NODE  PREFIX         MODE   VIA       MTU   STATE',
      '  az-1  10.64.21.0/24  vxlan  10.2.0.4  1350  ok',
      '',
    ].join('\n'),
  );
  peerState = 'failed';
  const failing = await run(['status', ...at]);
  t.equal(failing.code, 1, 'a peer that is not in place is found');
  t.match(failing.out, /1 not in place/);

  const planned = await run(['plan', ...at]);
  t.equal(planned.code, 1, 'changes to be made are found');
  t.equal(
    planned.out,
    [
      '+ route A',
      '~ link B (mtu, made anew)',
      '    was link C',
      '- fdb D',
      'rack-1, revision 3: 1 to make, 1 to change, 1 to remove',
      '',
    ].join('\n'),
  );
  const down = await run(['down', ...at]);
  t.equal(down.code, 3);
  t.match(down.err, /would put everything back: stop it first/);
  const applied = await run(['apply', ...at]);
  t.equal(applied.code, 1, 'a file that the agent refuses is found');
  t.match(
    applied.out,
    /the agent keeps revision 3; the file has problems:\n {2}f\.yaml:1:1: error: bad/,
  );
});

t.test('completion for bash', async (t) => {
  const program = join(folder, 'selvage');
  const quoted = selvageProgram().map((word) => `'${word}'`);
  writeFileSync(program, `#!/bin/sh\nexec ${quoted.join(' ')} "$@"\n`, { mode: 0o755 });
  const script = await run(['completion', 'bash']);
  const scriptFile = join(folder, 'completion.bash');
  writeFileSync(scriptFile, script.out);
  const complete = async (...words: readonly string[]): Promise<readonly string[]> => {
    const list = [program, ...words].map((word) => `'${word}'`).join(' ');
    const { out, err } = await spawned('bash', [
      '--noprofile',
      '--norc',
      '-c',
      `source ${scriptFile}; COMP_WORDS=(${list}); COMP_CWORD=${words.length}; _selvage; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ]);
    t.equal(err, '');
    return out.split('\n').filter((word) => word !== '');
  };
  t.same(await complete('rou'), ['route-explain']);
  t.same(await complete('lab', ''), [
    'up',
    'run',
    'down',
    'exec',
    'explain',
    'set',
    'fault',
    'store',
    'matrix',
    'list',
  ]);
  t.same(await complete('lab', 'up', '--re'), ['--replace']);
  t.same(await complete('validate', '-o', ''), ['table', 'json', 'yaml']);
  t.same(await complete('explain', '--conf'), ['--config']);
  t.same(await complete('explain', '10.64.1.1', ''), [], 'there is one destination');
  t.same(await complete('explain', '--config', cluster, '--from', 'ra'), ['rack-1', 'rack-2']);
  t.same(await complete('explain', '--config', cluster, 'aws-'), ['aws-1', 'aws-2']);
  t.same(await complete('validate', cluster.slice(0, -5)), [cluster]);
  t.same(await complete('agent', '--log-level', 'd'), ['debug']);
  for (const shell of ['zsh', 'fish'] as const) {
    const { out } = await run(['completion', shell]);
    for (const command of everyCommand(buildProgram()))
      for (const option of command.options)
        if (option.long !== undefined && option.long !== null)
          t.ok(
            out.includes(option.long.slice(2)),
            `${shell} knows ${command.name()} ${option.long}`,
          );
  }
});

function everyCommand(program: CommandUnknownOpts): CommandUnknownOpts[] {
  return [program, ...program.commands.flatMap((child) => everyCommand(child))];
}

/** Two at a time: each is a process of its own. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}
