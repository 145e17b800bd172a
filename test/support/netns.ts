/**
 * Network namespaces for tests: uniquely named, and gone when the test is over, with every process
 * that was left in them. Traffic of a test stays inside namespaces made here.
 *
 *     const a = createNamespace(t);
 *     const b = createNamespace(t);
 *     vethPair({ namespace: a, device: 'eth0', addresses: ['192.0.2.1/24'] },
 *              { namespace: b, device: 'eth0', addresses: ['192.0.2.2/24'] });
 *     a.run('ping', ['-c1', '192.0.2.2']);
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

/** The part of a tap test that is needed here. */
export interface Teardown {
  teardown(handler: () => unknown): void;
}

export interface RunOptions {
  /** Text for standard input. */
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Namespace {
  readonly name: string;
  /** Path that `setns` can open. */
  readonly path: string;
  /** Runs lines of `ip` in one batch, e.g. `ip('link set lo up', 'route add …')`; throws on any error. */
  ip(...lines: readonly string[]): string;
  /** Parsed `ip -json …` (with details), for reading state back. */
  ipJson<T>(...args: readonly string[]): T;
  /** Runs a command to its end and returns its output; throws when it fails. */
  run(command: string, args?: readonly string[], options?: RunOptions): string;
  /** As `run`, but failure is a result. */
  tryRun(command: string, args?: readonly string[], options?: RunOptions): RunResult;
  /** Starts a command that is killed when the namespace goes. */
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Writes below /proc/sys as this namespace sees it. */
  sysctl(settings: Readonly<Record<string, string | number>>): void;
  /** Deletes it now; the test's end does so otherwise. */
  delete(): void;
}

/** One that somebody else made and removes, such as a lab's. */
export function namespaceCalled(name: string): Namespace {
  return handle(name);
}

const prefix = 'slvt';
let counter = 0;
let swept = false;

export function createNamespace(t: Teardown): Namespace {
  sweepStale();
  const name = `${prefix}-${process.pid}-${++counter}`;
  runHere('ip', ['netns', 'add', name]);
  const namespace = handle(name);
  t.teardown(() => namespace.delete());
  namespace.ip('link set lo up');
  // Without duplicate address detection, link-local addresses work at once.
  namespace.sysctl({
    'net/ipv6/conf/all/accept_dad': 0,
    'net/ipv6/conf/default/accept_dad': 0,
  });
  return namespace;
}

export interface VethEnd {
  readonly namespace: Namespace;
  readonly device: string;
  /** With their lengths; IPv6 ones skip duplicate address detection. */
  readonly addresses?: readonly string[];
  readonly mtu?: number;
  readonly mac?: string;
}

/** A cable between two namespaces (or within one); both ends are up when this returns. */
export function vethPair(a: VethEnd, b: VethEnd): void {
  a.namespace.ip(`link add ${a.device} type veth peer name ${b.device} netns ${b.namespace.name}`);
  for (const end of [a, b]) {
    const lines: string[] = [];
    if (end.mac !== undefined) lines.push(`link set ${end.device} address ${end.mac}`);
    if (end.mtu !== undefined) lines.push(`link set ${end.device} mtu ${end.mtu}`);
    for (const address of end.addresses ?? [])
      lines.push(`addr add ${address} dev ${end.device}${address.includes(':') ? ' nodad' : ''}`);
    end.namespace.ip(...lines, `link set ${end.device} up`);
  }
  for (const end of [a, b]) waitUntilUp(end);
}

/** The kernel reports a carrier up to a second late, and IPv6 drops packets until it has. */
function waitUntilUp(end: VethEnd): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (const deadline = Date.now() + 5_000; Date.now() < deadline; Atomics.wait(pause, 0, 0, 20)) {
    const [link] = end.namespace.ipJson<{ operstate: string }[]>('link', 'show', end.device);
    if (link?.operstate === 'UP') return;
  }
  throw new Error(`${end.device} in ${end.namespace.name} has no carrier after 5 s`);
}

function handle(name: string): Namespace {
  const inside = (command: string, args: readonly string[]): [string, string[]] => [
    'ip',
    ['netns', 'exec', name, command, ...args],
  ];
  const children: ChildProcess[] = [];
  const namespace: Namespace = {
    name,
    path: `/run/netns/${name}`,
    ip: (...lines) =>
      runHere('ip', ['-n', name, '-batch', '-'], { input: `${lines.join('\n')}\n` }),
    ipJson: <T>(...args: readonly string[]) =>
      JSON.parse(runHere('ip', ['-n', name, '-json', '-details', ...args]) || '[]') as T,
    run: (command, args = [], options) => runHere(...inside(command, args), options),
    tryRun: (command, args = [], options) => tryRunHere(...inside(command, args), options),
    spawn: (command, args = [], options = {}) => {
      const child = spawn(...inside(command, args), options);
      children.push(child);
      return child;
    },
    sysctl: (settings) => {
      // One shell for all of them: `ip netns exec` costs more than the write itself.
      const script = Object.entries(settings)
        .map(([path, value]) => `echo '${value}' > '/proc/sys/${path}'`)
        .join(' && ');
      namespace.run('sh', ['-c', script]);
    },
    delete: () => {
      if (!existsSync(namespace.path)) return;
      for (const child of children) child.kill('SIGKILL');
      deleteNamespace(name);
    },
  };
  return namespace;
}

/** Kills what still runs in the namespace first: it would live on, unnamed, with its processes. */
function deleteNamespace(name: string): void {
  for (const pid of tryRunHere('ip', ['netns', 'pids', name]).stdout.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended by itself in between.
    }
  }
  runHere('ip', ['netns', 'delete', name]);
}

/** Removes what a killed test run left behind: namespaces named for a process that is gone. */
function sweepStale(): void {
  if (swept) return;
  swept = true;
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
      // Another test may sweep the same one at the same time.
      tryRunHere('ip', ['netns', 'delete', name]);
    }
  }
}

function tryRunHere(command: string, args: readonly string[], options: RunOptions = {}): RunResult {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    input: options.input ?? '',
    timeout: options.timeoutMs ?? 30_000,
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ...options.env },
  });
  if (result.error !== undefined) throw result.error;
  return { status: result.status ?? 128, stdout: result.stdout, stderr: result.stderr };
}

function runHere(command: string, args: readonly string[], options: RunOptions = {}): string {
  const result = tryRunHere(command, args, options);
  if (result.status !== 0) {
    const input = options.input === undefined ? '' : `\ninput:\n${options.input}`;
    throw new Error(
      `${command} ${args.join(' ')} ended with ${result.status}:\n${result.stderr}${input}`,
    );
  }
  return result.stdout;
}
