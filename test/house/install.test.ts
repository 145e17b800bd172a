/**
 * The package installs. First from the registry into empty folders, by npm and by the installer;
 * then on a machine of its own (see install-root.sh), where the agent is really started, replaced,
 * taken back and removed:
 *
 *     1.0.1 ── upgrade ──▶ 1.0.2 ── upgrade ──▶ 1.0.3, whose agent fails ──▶ 1.0.2 again
 *       ◀──────────────── rollback ────────────────┘
 *
 * The packages of that machine carry their dependencies, so it needs no registry.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { skipReason } from '../support/capabilities.js';
import { fromRoot, root } from '../support/root.js';

const installer = fromRoot('deploy/install.sh');
const hybrid = fromRoot('deploy/examples/hybrid.yaml');

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

function run(command: readonly string[], options: RunOptions = {}): Outcome {
  const { input = '', env = {} } = options;
  return spawnSync(command[0]!, command.slice(1), {
    cwd: root,
    encoding: 'utf8',
    input,
    // What is in npm's cache need not be asked for again.
    env: {
      ...process.env,
      npm_config_prefer_offline: 'true',
      npm_config_cache: npmCache(),
      ...env,
    },
  });
}

let cache: string | undefined;

function npmCache(): string {
  cache ??= spawnSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).stdout.trim();
  return cache;
}

function done(outcome: Outcome, what: string): string {
  if (outcome.status !== 0)
    throw new Error(`${what} ended with ${outcome.status}: ${outcome.stdout}${outcome.stderr}`);
  return outcome.stdout;
}

/** Path, kind, mode and target or content of everything below a folder. */
function tree(folder: string, path = ''): string[] {
  return readdirSync(join(folder, path))
    .sort()
    .flatMap((name) => {
      const own = join(path, name);
      const stat = lstatSync(join(folder, own));
      const mode = (stat.mode & 0o7777).toString(8);
      if (stat.isSymbolicLink()) return [`${own} -> ${readlinkSync(join(folder, own))}`];
      if (stat.isDirectory()) return [`${own}/ ${mode}`, ...tree(folder, own)];
      return [`${own} ${mode} ${readFileSync(join(folder, own)).toString('base64').slice(0, 200)}`];
    });
}

const work = mkdtempSync(join(tmpdir(), 'selvage-install-'));
t.teardown(() => rmSync(work, { recursive: true }));
for (const name of ['packages', 'global', 'empty', 'other', 'machine']) mkdirSync(join(work, name));
const packages = join(work, 'packages');
const template = join(work, 'template/package');

function pack(folder: string): string {
  const args = ['npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', packages];
  return join(
    packages,
    done(run([...args, folder]), 'npm pack')
      .trim()
      .split('\n')
      .pop()!,
  );
}

/** What a package may have wrong with it: lines at the top of its entry. */
const breaks = {
  always: 'process.exit(1);',
  agent: "if (process.argv[2] === 'agent') process.exit(1);",
};

// npm takes its time on a busy machine.
t.setTimeout(380_000);

const packed = pack(root);
const { version } = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8')) as {
  version: string;
};

t.test('npm installs the package globally, without the optional raw-socket as well', (t) => {
  const prefix = join(work, 'global');
  const args = ['--global', '--prefix', prefix, '--ignore-scripts', '--no-audit', '--no-fund'];
  done(run(['npm', 'install', ...args, packed]), 'npm install');
  const installed = join(prefix, 'lib/node_modules/selvage');
  for (const name of ['raw-socket', 'nan'])
    rmSync(join(installed, 'node_modules', name), { recursive: true });
  const command = join(prefix, 'bin/selvage');
  t.match(done(run([command, 'version']), 'selvage version'), `selvage ${version} (`);
  t.match(done(run([command, 'validate', hybrid]), 'selvage validate'), /cluster hybrid, 8 nodes/);
  // For the packages below: without what only compilers and people read.
  const readBy = /\.(ts|mts|cts|map|md)$/;
  cpSync(installed, template, { recursive: true, filter: (path) => !readBy.test(path) });
  t.end();
});

t.test('the installer puts it into an empty root, and out of it again', (t) => {
  const empty = join(work, 'empty');
  const install = (...options: string[]): Outcome =>
    run([installer, '--root', empty, '--package', packed, ...options]);
  const configured = ['--config', hybrid, '--node', 'rack-a-1'];

  const tried = install(...configured, '--dry-run');
  t.equal(tried.status, 0, tried.stderr);
  t.match(tried.stdout, `would install Selvage ${version} below /opt/selvage/versions/${version}`);
  t.same(readdirSync(empty), [], 'a dry run changes nothing');

  const key = join(work, 'cluster.key');
  writeFileSync(key, 'k'.repeat(44), { mode: 0o644 });
  const first = install(...configured, '--key', key);
  t.equal(first.status, 0, first.stderr);
  t.match(first.stdout, /systemd does not run here; to start the agent: selvage agent .* rack-a-1/);
  t.match(first.stdout, `link /opt/selvage/current to versions/${version}`);

  const command = join(empty, 'usr/local/bin/selvage');
  t.match(done(run([command, 'version']), 'selvage version'), `selvage ${version} (`);
  t.match(done(run([command, 'validate', hybrid]), 'validate'), /cluster hybrid, 8 nodes/);
  const answer = done(
    run([command, 'route-explain', '10.65.3.7', '--from', 'aws-a-1', '--config', hybrid]),
    'route-explain',
  );
  t.match(answer, /^IPIP 10\.65\.3\.7 on aws-b-1/);
  const raw = join(empty, 'opt/selvage/current/lib/node_modules/selvage/node_modules/raw-socket');
  t.equal(existsSync(raw), !first.stdout.includes('no raw-socket'), 'raw-socket, or it is said');

  const modes = (path: string): string => (lstatSync(join(empty, path)).mode & 0o777).toString(8);
  t.equal(modes('etc/selvage/cluster.yaml'), '644');
  t.equal(modes('etc/selvage/cluster.key'), '600');
  t.equal(modes('var/lib/selvage'), '700');
  t.equal(readFileSync(join(empty, 'etc/default/selvage'), 'utf8'), 'SELVAGE_NODE=rack-a-1\n');
  const unit = (name: string): string =>
    readFileSync(join(empty, 'etc/systemd/system', name), 'utf8');
  const starts = /^ExecStart=(\S+) /m;
  for (const [name, program] of [
    ['selvage-agent.service', '/opt/selvage/current/bin/selvage'],
    ['selvage-plane@.service', '/opt/selvage/current/bin/selvage-plane'],
  ] as const) {
    t.equal(starts.exec(unit(name))?.[1], program);
    t.ok(lstatSync(join(empty, program)).mode & 0o100, `${program} can be executed`);
  }

  const before = tree(join(empty, 'etc'));
  const again = install(...configured);
  t.equal(again.status, 0, again.stderr);
  t.equal(again.stdout, `selvage: ${version} is installed and current: nothing to do\n`);
  t.same(tree(join(empty, 'etc')), before);
  const piped = run(['bash', '-s', '--', '--root', empty], {
    input: readFileSync(installer, 'utf8'),
  });
  t.equal(piped.status, 0, piped.stderr);
  t.equal(piped.stdout, again.stdout, 'also when it comes through a pipe');

  const kept = run([installer, 'uninstall', '--root', empty]);
  t.match(kept.stdout, /\/etc\/selvage stays \(--purge removes it too\)/);
  t.match(tree(empty).join('\n'), /^etc\/selvage\/cluster\.key 600 /m);
  t.notOk(existsSync(join(empty, 'opt')));
  t.equal(run([installer, 'uninstall', '--purge', '--root', empty]).status, 0);
  const rest = tree(empty).filter((line) => !/^etc\/( |default\/ )/.test(line));
  t.same(rest, [], 'nothing but folders that every machine has');
  t.end();
});

t.test('what cannot be installed is refused, and leaves nothing', (t) => {
  const empty = join(work, 'other');
  const refused = (status: number, text: RegExp, ...args: string[]): void => {
    const outcome = run([installer, '--root', empty, ...args]);
    t.equal(outcome.status, status, args.join(' '));
    t.match(outcome.stderr, text);
    t.same(readdirSync(empty), [], 'nothing is left');
  };
  refused(2, /there is no such file/, '--package', '/no/such.tgz');
  refused(2, /unknown argument '--verbose'/, '--verbose');
  refused(2, /--package and --version exclude/, '--package', packed, '--version', '1');
  refused(2, /uninstall takes no software/, 'uninstall', '--package', packed);
  refused(2, /cannot read \/no\/file/, '--package', packed, '--config', '/no/file');
  refused(3, /not installed here/, 'upgrade', '--package', packed);
  refused(3, /there is no version to go back to/, 'rollback');
  refused(4, /is not a package made by npm pack/, '--package', hybrid);

  // A package that runs, and a cluster file that it does not accept.
  const bad = join(work, 'bad.yaml');
  writeFileSync(bad, 'nodes:\n  - { name: a, address: 300.1.1.1 }\n');
  refused(
    4,
    /selvage validate .*bad\.yaml(.|\n)*300\.1\.1\.1/,
    '--package',
    small('1.0.0'),
    '--config',
    bad,
  );
  refused(4, /failed its check; nothing was installed/, '--package', small('1.0.9', breaks.always));

  const text = readFileSync(installer, 'utf8');
  const piped = run(['bash', '-s', '--', '--root', empty], { input: text });
  t.equal(piped.status, 2);
  t.match(piped.stderr, /say where the software comes from: --package FILE or --version X/);
  // Half of the script, as a broken connection leaves it.
  const cut = text.slice(0, text.lastIndexOf('main "$@"'));
  const outcome = run(['bash', '-s', '--', '--root', empty, '--package', packed], { input: cut });
  t.equal(outcome.stdout + outcome.stderr, '');
  t.same(readdirSync(empty), []);
  t.end();
});

/** A package like the real one that carries what it depends on, under another version. */
function small(name: string, line = ''): string {
  const manifest = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8')) as object;
  const text = JSON.stringify(
    { ...manifest, version: name, bundleDependencies: true, optionalDependencies: {} },
    undefined,
    2,
  );
  writeFileSync(join(template, 'package.json'), `${text}\n`);
  const [shebang, ...rest] = readFileSync(fromRoot('dist/src/cli/main.js'), 'utf8').split('\n');
  writeFileSync(join(template, 'dist/src/cli/main.js'), [shebang, line, ...rest].join('\n'));
  const file = join(packages, `selvage-${name}.tgz`);
  done(run(['tar', '-C', join(work, 'template'), '-czf', file, 'package']), 'tar');
  return file;
}

// A machine

const needed = skipReason('netns', 'nft');

/** Runs shell commands as root of the machine. */
interface Machine {
  readonly run: (script: string) => Outcome;
  readonly process: ChildProcess;
}

async function startMachine(): Promise<Machine> {
  const child = spawn(fromRoot('test/support/install-root.sh'), [packages, join(work, 'machine')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`install-root.sh ended with ${code}`)));
  });
  const inner = spawnSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).stdout.trim();
  const enter = ['nsenter', '-t', inner, '--mount', '--net', '--pid', '--root', '--wd'];
  const path = `/machine/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  const clean = ['env', '-i', `PATH=${path}`, 'HOME=/root', 'SELVAGE_READY_TIMEOUT_S=60'];
  return {
    process: child,
    run: (script) => run([...enter, ...clean, 'bash', '-c', script]),
  };
}

t.test('a machine: install, upgrade, go back, uninstall', { skip: needed }, async (t) => {
  const [one, two] = [small('1.0.1'), small('1.0.2')];
  const [three, four] = [small('1.0.3', breaks.agent), small('1.0.4', breaks.always)];
  cpSync(installer, join(packages, 'install.sh'));
  const cluster = `cluster: try
nodes:
  - { name: node-1, address: 192.168.1.11/24, overlay: 10.64.1.0/24 }
  - { name: node-2, address: 192.168.1.12/24, overlay: 10.64.2.0/24 }
  - { name: node-3, address: 192.168.2.13/24, overlay: 10.64.3.0/24 }
`;
  writeFileSync(join(packages, 'cluster.yaml'), cluster);
  const machine = await startMachine();
  t.teardown(() => machine.process.kill('SIGKILL'));

  const inPackages = (path: string): string => `/packages/${path.split('/').pop()}`;
  const install = (args: string): Outcome => machine.run(`/packages/install.sh ${args}`);
  const ask = (script: string): string => machine.run(script).stdout.trim();
  const agent = (): string => ask('cat /machine/selvage-agent.service.pid');
  const current = (): string => ask('readlink /opt/selvage/current');
  const written = '/etc /opt /root /run /tmp /usr/local/bin /var';
  const files = (): string => ask(`find ${written} -printf '%p %M %l\\n' | sort`);
  const kernel = (): string =>
    ask(
      'ip -o link; ip -4 route show table all; nft list ruleset; sysctl net.ipv4.ip_forward net.ipv4.conf.all.rp_filter net.ipv4.conf.eth0.rp_filter net.ipv6.conf.all.forwarding net.ipv6.conf.eth0.accept_ra',
    );
  const routes = (): string => ask('ip -4 route show proto 83');

  const [filesBefore, kernelBefore] = [files(), kernel()];

  const first = install(
    `--package ${inPackages(one)} --config /packages/cluster.yaml --node node-1`,
  );
  t.equal(first.status, 0, first.stderr);
  t.match(first.stdout, /selvage: enable selvage-agent\.service\n/);
  t.equal(current(), 'versions/1.0.1');
  t.match(ask('selvage version'), 'selvage 1.0.1 (');
  const status = JSON.parse(ask('selvage status -o json')) as { ready: boolean; node: string };
  t.same([status.ready, status.node], [true, 'node-1'], 'the agent is in force');
  const desired = routes();
  t.match(desired, /^10\.64\.2\.0\/24 via 192\.168\.1\.12 dev eth0 /m);

  const [pid, filesThen] = [agent(), files()];
  const again = install(`--package ${inPackages(one)} --config /packages/cluster.yaml`);
  t.equal(again.status, 0, again.stderr);
  t.equal(again.stdout, 'selvage: 1.0.1 is installed and current: nothing to do\n');
  t.equal(agent(), pid, 'the agent goes on');
  t.equal(files(), filesThen);

  const upgraded = install(`upgrade --package ${inPackages(two)}`);
  t.equal(upgraded.status, 0, upgraded.stderr);
  t.equal(current(), 'versions/1.0.2');
  t.equal(ask('readlink /opt/selvage/previous'), 'versions/1.0.1');
  t.not(agent(), pid, 'the new version runs');
  t.equal(routes(), desired, 'and found its routes in place');

  // Its check fails: it never becomes the current one, and the agent is left alone.
  const running = agent();
  const useless = install(`upgrade --package ${inPackages(four)}`);
  t.equal(useless.status, 4);
  t.match(useless.stderr, /Selvage 1\.0\.4 failed its check; 1\.0\.2 stays/);
  t.equal(agent(), running);

  // It passes its check, and its agent ends at once; with a configuration that goes back as well.
  const other = cluster.replace('cluster: try', 'cluster: other');
  writeFileSync(join(packages, 'other.yaml'), other);
  const failed = machine.run(
    `SELVAGE_READY_TIMEOUT_S=3 /packages/install.sh upgrade --package ${inPackages(three)} --config /packages/other.yaml`,
  );
  t.equal(failed.status, 5, failed.stdout);
  t.match(failed.stderr, /1\.0\.3 did not become ready: 1\.0\.2 runs again/);
  t.equal(current(), 'versions/1.0.2');
  t.equal(ask('ls /opt/selvage/versions'), '1.0.1\n1.0.2', 'what failed is gone');
  t.equal(ask('cat /etc/selvage/cluster.yaml'), cluster.trim());
  t.match(JSON.parse(ask('selvage status -o json')), { ready: true, cluster: 'try' });
  t.equal(routes(), desired);

  const back = install('rollback');
  t.equal(back.status, 0, back.stderr);
  t.equal(current(), 'versions/1.0.1');
  t.equal(ask('readlink /opt/selvage/previous'), 'versions/1.0.2');
  t.match(JSON.parse(ask('selvage status -o json')), { ready: true });

  const tried = install('uninstall --purge --dry-run');
  t.match(tried.stdout, /would stop and disable selvage-agent\.service/);
  t.equal(current(), 'versions/1.0.1', 'a dry run changes nothing');
  const gone = install('uninstall --purge');
  t.equal(gone.status, 0, gone.stderr);
  t.equal(files(), filesBefore, 'no file is left, and none of others is changed');
  t.equal(kernel(), kernelBefore, 'nor anything in the kernel');
  t.equal(ask("pgrep -f '[s]elvage/(current|versions)' | wc -l"), '0', 'nor a process');
  t.equal(
    install('uninstall --purge').stdout,
    'selvage: Selvage is not installed: nothing to do\n',
  );
});
