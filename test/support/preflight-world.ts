/** A machine for preflight: files below a folder, a kernel in memory, a cloud that says what a test wants. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import type { Cluster } from '../../encap/cluster.js';
import { tryParseInterfaceAddress } from '../../encap/prefix.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import type { FakeKernel, FakeKernelOptions } from '../../tunnel/fake-kernel.js';
import type { Rulesets } from '../../tunnel/guard/index.js';
import type { PlanReport } from '../../src/agent/plan-report.js';
import type { StatusReport } from '../../src/agent/status.js';
import { parseClusterFile } from '../../src/config/index.js';
import type { CheckResult } from '../../src/preflight/check.js';
import type { CloudFacts } from '../../src/preflight/facts.js';
import { Machine } from '../../src/preflight/machine.js';
import { readNode } from '../../src/preflight/read-node.js';
import { cloudChecks, nodeChecks } from '../../src/preflight/registry.js';
import { runChecks } from '../../src/preflight/run.js';

export const rack = `
version: 1
cluster: racks
overlay: { pools: [10.64.0.0/16, 'fd64::/48'] }
zones:
  - { name: rack, provider: onprem, subnets: [192.168.10.0/24], segment: row }
rules:
  - { name: all, mode: vxlan }
nodes:
  - { name: n1, address: 192.168.10.11/24, overlay: [10.64.1.0/24, 'fd64:0:0:1::/64'] }
  - { name: n2, address: 192.168.10.12/24, overlay: [10.64.2.0/24, 'fd64:0:0:2::/64'] }
  - { name: n3, address: 192.168.10.13/24, overlay: [10.64.3.0/24, 'fd64:0:0:3::/64'] }
`;

export function clusterOf(text: string): Cluster {
  const parsed = parseClusterFile({ text, file: 'cluster.yaml', revision: 1 });
  if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join('\n'));
  return parsed.cluster;
}

/** What an ordinary server has. */
const serverFiles: Readonly<Record<string, string>> = {
  'proc/self/status': 'Name:\tnode\nCapBnd:\t000001ffffffffff\nCapEff:\t000001ffffffffff\n',
  'proc/sys/kernel/osrelease': '6.1.0-28-amd64\n',
  'proc/sys/net/ipv4/ip_forward': '0\n',
  'proc/sys/net/ipv6/conf/all/forwarding': '0\n',
  'proc/sys/net/netfilter/nf_conntrack_count': '12\n',
  'proc/sys/net/netfilter/nf_conntrack_max': '262144\n',
  'proc/sys/net/ipv4/neigh/default/gc_thresh3': '1024\n',
  'proc/sys/fs/inotify/max_user_instances': '128\n',
  'proc/sys/fs/inotify/max_user_watches': '65536\n',
  'proc/net/udp': '  sl  local_address\n',
  'proc/net/unix': 'Num RefCount\n',
  'dev/net/tun': '',
  'run/systemd/timesync/synchronized': '',
  'etc/os-release': 'ID=debian\n',
  'var/lib/selvage/.keep': '',
  'run/selvage/.keep': '',
};

export interface World {
  readonly cluster?: Cluster;
  readonly node?: string;
  /** Null takes one of the server's away. */
  readonly files?: Readonly<Record<string, string | null>>;
  readonly kernel?: FakeKernelOptions;
  readonly spoil?: (kernel: FakeKernel) => void;
  readonly refused?: string;
  readonly guard?: 'nftables' | 'iptables' | 'none';
  readonly guardDifference?: string;
  readonly rulesets?: Rulesets;
  readonly agent?: { readonly status: Partial<StatusReport>; readonly plan?: Partial<PlanReport> };
  readonly rawSocket?: string;
  /** MACs that answer for the node's address. */
  readonly others?: readonly string[];
  readonly cloud?: CloudFacts;
  readonly prepare?: (root: string) => void;
}

export const nic = (address: string, mtu = 1500) => {
  const parsed = tryParseInterfaceAddress(address);
  if (typeof parsed === 'string') throw new SyntaxError(parsed);
  return { name: 'eth0', mtu, addresses: [parsed] };
};

export async function preflight(t: Test, world: World = {}): Promise<readonly CheckResult[]> {
  const root = mkdtempSync(join(tmpdir(), 'selvage-machine-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries({ ...serverFiles, ...world.files })) {
    if (text === null) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const path of ['run/selvage', 'var/lib/selvage']) chmodSync(join(root, path), 0o700);
  world.prepare?.(root);
  const cluster = world.cluster ?? clusterOf(rack);
  const kernel = createFakeKernel({
    nics: [nic('192.168.10.11/24')],
    sysctls: { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' },
    ...world.kernel,
  });
  world.spoil?.(kernel);
  const { guardDifference, agent } = world;
  const facts = await readNode({
    cluster,
    node: cluster.nodes.get(world.node ?? 'n1')!,
    machine: new Machine(root),
    paths: {
      clusterKeyFile: '/etc/selvage/cluster.key',
      runtimeDir: '/run/selvage',
      stateDir: '/var/lib/selvage',
    },
    kernel: world.refused ?? kernel,
    openGuard: () =>
      world.guard === 'none'
        ? Promise.reject(new Error('no guard, so no tunnel: nft is not installed'))
        : Promise.resolve({
            backend: world.guard ?? 'nftables',
            verify: () =>
              Promise.resolve({ ok: guardDifference === undefined, difference: guardDifference }),
          }),
    readRulesets: () => Promise.resolve(world.rulesets ?? {}),
    agent: agent && {
      status: { ready: true, pid: 7, problems: [], peers: [], ...agent.status } as StatusReport,
      plan: { changes: [], foreign: [], problems: [], ...agent.plan } as unknown as PlanReport,
    },
    programs: {
      addon: () => undefined,
      rawSocket: () => Promise.resolve(world.rawSocket),
      whoHas: (_, { text }) =>
        Promise.resolve(text === '192.168.10.11' ? (world.others ?? []) : []),
    },
    cloud: world.cloud ?? { absent: 'no cloud' },
    now: new Date('2026-11-22T12:00:00Z'),
  });
  return runChecks([...nodeChecks, ...cloudChecks], facts);
}

export async function one(t: Test, id: string, world: World = {}): Promise<CheckResult> {
  const found = (await preflight(t, world)).filter((result) => result.id === id);
  t.equal(found.length, 1, `${id}: ${JSON.stringify(found.map((result) => result.found))}`);
  return found[0]!;
}

export function problems(results: readonly CheckResult[]): readonly string[] {
  return results
    .filter(({ status }) => status === 'fail' || status === 'warn')
    .map(({ id, status }) => `${status} ${id}`);
}
