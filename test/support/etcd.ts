/**
 * etcd for tests: one member or several on loopback, or each in a namespace of its own, with or
 * without TLS; members can be killed, stopped, started again and made to hang, by their process id.
 *
 *     const etcd = await startEtcd(t, { members: 3 });
 *     const kv = await openEtcd({ address: storeAddress(`etcd://${etcd.authority}/lab`), access: {} });
 *     await etcd.members[0].kill();
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './agents.js';
import type { Teardown } from './netns.js';

export interface EtcdTls {
  readonly ca: string;
  /** Of the members, and of etcdctl where it is not told another. */
  readonly cert: string;
  readonly key: string;
}

export interface EtcdOptions {
  readonly members?: number;
  /** By member, where it runs: the name of a namespace and the address that it has there. */
  readonly places?: readonly { readonly namespace: string; readonly address: string }[];
  /** For clients; with it they have to show a certificate of that authority. */
  readonly tls?: EtcdTls;
  readonly flags?: readonly string[];
}

export interface EtcdMember {
  readonly name: string;
  /** `127.0.0.1:41234` */
  readonly endpoint: string;
  readonly pid: number;
  start(): Promise<void>;
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** It goes on listening, and answers nothing. */
  pause(): void;
  resume(): void;
  /** All that it has written down is gone; it must not run. */
  wipe(): void;
}

export interface CtlOptions {
  readonly only?: EtcdMember;
  /** Instead of the members' own certificate. */
  readonly pair?: { readonly cert: string; readonly key: string };
  /** For standard input, e.g. a value of any bytes. */
  readonly input?: Buffer;
}

export interface Etcd {
  readonly members: readonly EtcdMember[];
  /** Of an address: `127.0.0.1:41234,127.0.0.1:41235`. */
  readonly authority: string;
  /** Runs etcdctl against the members that are named, or all; returns what it prints. */
  ctl(args: readonly string[], options?: CtlOptions): string;
  /** Resolves once a linearizable read succeeds at that member. */
  ready(member: EtcdMember): Promise<void>;
  leader(): EtcdMember;
  /** Its history up to now is forgotten. */
  compact(): void;
}

export async function startEtcd(t: Teardown, options: EtcdOptions = {}): Promise<Etcd> {
  const { members: count = 1, places, tls, flags = [] } = options;
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'selvage-etcd-'));
  const ports = await freePorts(places === undefined ? count * 2 : 0);
  const scheme = tls === undefined ? 'http' : 'https';
  const plans = Array.from({ length: places?.length ?? count }, (_, index) => {
    const place = places?.[index];
    const address = place?.address ?? '127.0.0.1';
    return {
      name: `m${index + 1}`,
      folder: join(folder, `m${index + 1}`),
      ...(place === undefined ? {} : { namespace: place.namespace }),
      endpoint: `${address}:${ports[index * 2] ?? 2379}`,
      peer: `http://${address}:${ports[index * 2 + 1] ?? 2380}`,
    };
  });
  const initial = plans.map((plan) => `${plan.name}=${plan.peer}`).join(',');
  const members = plans.map((plan) => {
    const client = `${scheme}://${plan.endpoint}`;
    const secured =
      tls === undefined
        ? []
        : [
            `--cert-file=${tls.cert}`,
            `--key-file=${tls.key}`,
            `--trusted-ca-file=${tls.ca}`,
            '--client-cert-auth',
          ];
    return new Member(plan, [
      `--name=${plan.name}`,
      `--data-dir=${plan.folder}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${plan.peer}`,
      `--initial-advertise-peer-urls=${plan.peer}`,
      `--initial-cluster=${initial}`,
      '--heartbeat-interval=50',
      '--election-timeout=500',
      '--bcrypt-cost=4',
      '--logger=zap',
      '--log-level=error',
      ...secured,
      ...flags,
    ]);
  });
  // Also when the test ends without its teardown, as at its time limit.
  const abandon = (): void => {
    for (const member of members) member.abandon();
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', abandon);
  t.teardown(async () => {
    process.off('exit', abandon);
    await Promise.all(members.map((member) => member.kill()));
    rmSync(folder, { recursive: true, force: true });
  });
  const etcd = cluster(members, tls);
  await Promise.all(members.map((member) => member.start()));
  await Promise.all(members.map((member) => etcd.ready(member)));
  return etcd;
}

/** From now on everybody has to log in; `root` may do everything. */
export function requireLogin(etcd: Etcd, rootPassword: string): void {
  etcd.ctl(['user', 'add', `root:${rootPassword}`]);
  etcd.ctl(['user', 'grant-role', 'root', 'root']);
  etcd.ctl(['auth', 'enable']);
}

function cluster(members: readonly Member[], tls: EtcdTls | undefined): Etcd {
  const run = (args: readonly string[], { only, input, pair }: CtlOptions = {}) => {
    const { cert, key } = pair ?? tls ?? {};
    const secured =
      tls === undefined ? [] : [`--cacert=${tls.ca}`, `--cert=${cert}`, `--key=${key}`];
    const asked = only === undefined ? members : members.filter((one) => one === only);
    const endpoints = asked.map((member) => member.endpoint).join(',');
    const inside = asked[0]?.namespace;
    const command = [
      ...(inside === undefined ? [] : ['ip', 'netns', 'exec', inside]),
      'etcdctl',
      '--command-timeout=10s',
      `--endpoints=${endpoints}`,
      ...secured,
      ...args,
    ];
    return spawnSync(command[0]!, command.slice(1), {
      encoding: 'utf8',
      ...(input === undefined ? {} : { input }),
      env: { ...process.env, ETCDCTL_API: '3' },
    });
  };
  return {
    members,
    authority: members.map((member) => member.endpoint).join(','),
    ctl: (args, options = {}) => {
      const { status, stdout, stderr } = run(args, options);
      if (status !== 0) throw new Error(`etcdctl ${args.join(' ')}: ${stderr}`);
      return stdout;
    },
    ready: async (member) => {
      await eventually(
        () => {
          // Where users are in force a refusal is an answer too.
          const { status, stderr } = run(['get', 'ready'], { only: member });
          return status === 0 || stderr.includes('user name is empty');
        },
        () => `${member.name} does not answer`,
      );
    },
    leader: () => {
      for (const member of members) {
        if (!member.isRunning) continue;
        const { status, stdout } = run(['endpoint', 'status', '-w', 'json'], { only: member });
        if (status !== 0) continue;
        const [answer] = JSON.parse(stdout) as {
          Status: { header: { member_id: number }; leader: number };
        }[];
        const { header, leader } = answer?.Status ?? {};
        if (header !== undefined && header.member_id === leader) return member;
      }
      throw new Error('there is no leader');
    },
    compact: () => {
      const { stdout } = run(['get', 'any', '-w', 'json']);
      const { header } = JSON.parse(stdout) as { header: { revision: number } };
      run(['compact', String(header.revision)]);
    },
  };
}

class Member implements EtcdMember {
  readonly name: string;
  readonly endpoint: string;
  readonly namespace: string | undefined;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;

  constructor(
    plan: {
      readonly name: string;
      readonly endpoint: string;
      readonly folder: string;
      readonly namespace?: string;
    },
    args: readonly string[],
  ) {
    this.name = plan.name;
    this.endpoint = plan.endpoint;
    this.namespace = plan.namespace;
    this.#folder = plan.folder;
    this.#args = args;
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  async start(): Promise<void> {
    const command =
      this.namespace === undefined
        ? ['etcd', ...this.#args]
        : ['ip', 'netns', 'exec', this.namespace, 'etcd', ...this.#args];
    this.#process = spawn(command[0]!, command.slice(1), { stdio: 'ignore' });
    await Promise.resolve();
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  wipe(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  abandon(): void {
    this.#process?.kill('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running?.exitCode !== null || running.signalCode !== null) return;
    const exited = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await exited;
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  // All at once, so that none is given twice.
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(
    servers.map((server) => new Promise((resolve) => server.close(() => resolve(undefined)))),
  );
  return ports;
}
