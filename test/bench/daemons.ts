/**
 * The same routes, programmed by the same kernel in the same run by Selvage, by `ip -batch`, and by
 * the two routing daemons that people trust with many: BIRD, and FRR's zebra, which gets them by BGP from
 * a BIRD next to it (its staticd takes minutes to read so many). Counted
 * is from the first route in the kernel's table to the last, as a process beside it sees them, so that
 * nobody pays for its start or for reading its configuration.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAddress } from '../../encap/address.js';
import { parsePrefix } from '../../encap/prefix.js';
import { applyChanges } from '../../routes/apply.js';
import type { DesiredObject } from '../../routes/desired.js';
import { diff } from '../../routes/diff.js';
import { mainTable, pathMetric, routeProtocol } from '../../routes/ownership.js';
import { objectKey } from '../../tunnel/kernel.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import { type Namespace, createNamespace, vethPair } from '../support/netns.js';
import { figure, heading } from './report.js';

const sizes = [10_000, 100_000] as const;
const rounds = 3;
const address = '192.0.2.1';
const gateway = '192.0.2.2';
const patienceMs = 120_000;

interface Competitor {
  readonly name: string;
  /** Begins to give the namespace its routes; the processes that do so are killed in the end. */
  program(at: Site): Promise<readonly ChildProcess[]>;
}

interface Site {
  readonly node: Namespace;
  /** Where the next hop is. */
  readonly wire: Namespace;
  readonly prefixes: readonly string[];
  /** Empty, and gone afterwards. */
  readonly folder: string;
}

export async function benchDaemons(): Promise<void> {
  for (const size of sizes) {
    heading(`Kernel: ${size.toLocaleString('en-US')} IPv4 routes by one next hop each`);
    const medians = new Map<string, number>();
    for (const { name, program } of competitors) {
      const times: number[] = [];
      for (let round = 0; round < rounds; round++) times.push(await inFreshSite(size, program));
      const median = times.sort((a, b) => a - b)[rounds >> 1]!;
      medians.set(name, median);
      figure({ name: `${shown(size)} routes by ${name}`, value: median, unit: 'ms' });
    }
    const own = medians.get('Selvage')!;
    for (const [name, ms] of medians)
      if (name !== 'Selvage')
        figure({
          name: `Selvage against ${name}, ${shown(size)} routes`,
          value: ms / own,
          unit: '× as fast',
        });
  }
}

function shown(size: number): string {
  return size.toLocaleString('en-US');
}

async function inFreshSite(size: number, program: Competitor['program']): Promise<number> {
  const cleanups: (() => unknown)[] = [];
  const scope = { teardown: (handler: () => unknown) => void cleanups.push(handler) };
  const folder = mkdtempSync(join(tmpdir(), 'selvage-bench-'));
  try {
    const [node, wire] = [createNamespace(scope), createNamespace(scope)];
    vethPair(
      { namespace: node, device: 'eth0', addresses: [`${address}/24`] },
      { namespace: wire, device: 'eth0', addresses: [`${gateway}/24`] },
    );
    const prefixes = Array.from(
      { length: size },
      (_, n) => `10.${(n >> 12) & 255}.${(n >> 4) & 255}.${(n & 15) << 4}/28`,
    );
    return await timed({ node, wire, prefixes, folder }, program);
  } finally {
    for (const cleanup of cleanups.reverse()) cleanup();
    rmSync(folder, { recursive: true, force: true });
  }
}

const competitors: readonly Competitor[] = [
  {
    name: 'Selvage',
    program: async ({ node, prefixes }) => {
      const kernel = openKernel({ netns: node.name });
      const objects = new Map<string, DesiredObject>();
      for (const text of prefixes) {
        const prefix = parsePrefix(text);
        const target = {
          kind: 'unicast',
          device: 'eth0',
          gateway: parseAddress(gateway),
          onlink: false,
          mtu: 1450,
          preferredSource: undefined,
        } as const;
        const metric = pathMetric(prefix);
        const base = { type: 'route', table: mainTable, protocol: routeProtocol } as const;
        const route: DesiredObject = { ...base, prefix, metric, target };
        objects.set(objectKey(route), route);
      }
      const { changes } = diff(objects, { kernel: await kernel.dump(), sysctls: new Map() });
      const { failed } = await applyChanges(kernel, changes, new Map());
      if (failed.length > 0) throw new Error(failed[0]!.failure.message);
      kernel.close();
      return [];
    },
  },
  {
    name: 'ip -batch',
    program: ({ node, prefixes, folder }) => {
      const file = join(folder, 'routes');
      const lines = prefixes.map(
        (prefix) => `route add ${prefix} via ${gateway} dev eth0 mtu 1450`,
      );
      writeFileSync(file, `${lines.join('\n')}\n`);
      node.run('ip', ['-batch', file], { timeoutMs: patienceMs });
      return Promise.resolve([]);
    },
  },
  {
    name: 'BIRD',
    program: ({ node, prefixes, folder }) => {
      const config = `protocol static { ipv4; ${staticRoutes(prefixes)} }
protocol kernel { ipv4 { import none; export all; }; }
`;
      return started(node, [bird(folder, config)], folder);
    },
  },
  {
    name: "FRR's zebra",
    program: async ({ node, wire, prefixes, folder }) => {
      const state = join(folder, 'frr');
      mkdirSync(state);
      writeFileSync(join(state, 'zebra.conf'), '');
      writeFileSync(
        join(state, 'bgpd.conf'),
        `router bgp 65001
 bgp router-id ${address}
 no bgp ebgp-requires-policy
 neighbor ${gateway} remote-as 65002
`,
      );
      spawnSync('chown', ['-R', 'frr:frr', folder]);
      const daemon = (name: string): readonly string[] => [
        `/usr/lib/frr/${name}`,
        ...['-z', join(state, 'zserv'), '--vty_socket', state, '-P', '0'],
        ...['-i', join(state, `${name}.pid`), '-f', join(state, `${name}.conf`)],
      ];
      const daemons = await started(node, [daemon('zebra'), daemon('bgpd')], folder);
      const config = `protocol static { ipv4; ${staticRoutes(prefixes)} }
protocol bgp { local ${gateway} as 65002; neighbor ${address} as 65001; ipv4 { import none; export all; next hop self; }; }
`;
      return [...daemons, ...(await started(wire, [bird(folder, config)], folder))];
    },
  },
];

function staticRoutes(prefixes: readonly string[]): string {
  return prefixes.map((prefix) => `route ${prefix} via ${gateway};`).join('\n');
}

/** The command line of a BIRD with these protocols. */
function bird(folder: string, protocols: string): readonly string[] {
  const file = join(folder, 'bird.conf');
  writeFileSync(file, `router id ${gateway};\nprotocol device {}\n${protocols}`);
  return ['bird', '-f', '-c', file, '-s', join(folder, 'bird.ctl'), '-P', join(folder, 'bird.pid')];
}

async function started(
  namespace: Namespace,
  commands: readonly (readonly string[])[],
  folder: string,
): Promise<readonly ChildProcess[]> {
  const children: ChildProcess[] = [];
  for (const [program, ...args] of commands) {
    const log = openSync(join(folder, 'log'), 'a');
    const child = namespace.spawn(program!, args, { stdio: ['ignore', log, log] });
    children.push(child);
    await sleep(1_000);
    if (child.exitCode !== null)
      throw new Error(
        `${program} ended with ${child.exitCode}: ${readFileSync(join(folder, 'log'), 'utf8')}`,
      );
  }
  return children;
}

/** Looks at the number of prefixes in the table until it has grown by N, and tells the time in ms. */
const watcher = `
import re, sys, time
def prefixes():
    with open('/proc/thread-self/net/fib_triestat') as table:
        return sum(int(n) for n in re.findall(r'Prefixes:\\s+(\\d+)', table.read()))
before, first = prefixes(), None
print('ready', flush=True)
while True:
    found, now = prefixes() - before, time.monotonic()
    if found > 0 and first is None: first = now
    if found >= int(sys.argv[1]): break
    time.sleep(0.001)
print((now - first) * 1000, flush=True)
`;

/** The time from the first to the last of the routes. */
async function timed(site: Site, program: Competitor['program']): Promise<number> {
  const { node, prefixes } = site;
  const child = node.spawn('python3', ['-c', watcher, String(prefixes.length)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line));
  const line = async (index: number): Promise<string> => {
    for (const deadline = performance.now() + patienceMs; ; await sleep(20)) {
      if (lines[index] !== undefined) return lines[index];
      if (performance.now() > deadline)
        throw new Error(`not all of the ${prefixes.length} routes came within ${patienceMs} ms`);
    }
  };
  await line(0);
  const children = await program(site);
  try {
    return Number(await line(1));
  } finally {
    for (const each of [...children, child]) each.kill('SIGKILL');
  }
}
