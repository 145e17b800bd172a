/**
 * What this machine can do, found by trying it, so that a test that cannot run is skipped with the
 * reason in sight. With `SELVAGE_REQUIRE_ALL=1` (continuous integration) a missing capability is an
 * error instead: there a skip would hide an untested product. Features of the kernel itself are
 * the exception, where a machine cannot be set up to have them and another suite covers them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

interface Probe {
  readonly present: () => boolean;
  /** What to do about it, for the skip's text. */
  readonly remedy: string;
  /** The suite that covers what a kernel without this feature cannot test. */
  readonly coveredBy?: string;
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 20_000 }).status === 0;
}

function onPath(command: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(':')
    .some((folder) => folder !== '' && existsSync(`${folder}/${command}`));
}

/** Tries a command in a network namespace of its own, which vanishes with the command. */
function succeedsInNamespace(...command: readonly string[]): boolean {
  return succeeds('unshare', ['--net', '--', ...command]);
}

const isRoot = (): boolean => process.getuid?.() === 0;

const probes = {
  root: { present: isRoot, remedy: 'run as root' },
  netns: {
    present: () => isRoot() && onPath('ip') && succeedsInNamespace('ip', 'link', 'set', 'lo', 'up'),
    remedy: 'run as root, with iproute2, where network namespaces may be created',
  },
  nft: {
    present: () => isRoot() && succeedsInNamespace('nft', 'list', 'ruleset'),
    remedy: 'install nftables',
  },
  iptables: {
    present: () => isRoot() && succeedsInNamespace('iptables', '-S'),
    remedy: 'install iptables',
  },
  ping: { present: () => onPath('ping'), remedy: 'install iputils-ping' },
  tcpdump: { present: () => onPath('tcpdump'), remedy: 'install tcpdump' },
  tshark: { present: () => onPath('tshark'), remedy: 'install tshark' },
  shellcheck: { present: () => onPath('shellcheck'), remedy: 'install shellcheck' },
  aws: { present: () => existsSync('/usr/bin/aws'), remedy: 'install awscli' },
  systemd: { present: () => onPath('systemd-analyze'), remedy: 'install systemd' },
  etcd: {
    present: () => onPath('etcd') && onPath('etcdctl'),
    remedy: 'install etcd-server and etcd-client',
  },
  scapy: {
    present: () =>
      succeeds('/usr/bin/python3', [
        '-c',
        'import importlib.util, sys; sys.exit(importlib.util.find_spec("scapy") is None)',
      ]),
    remedy: 'install python3-scapy',
  },
  uml: {
    present: () => onPath('linux.uml') && existsSync('/usr/lib/uml/modules'),
    remedy: 'install user-mode-linux',
  },
  'kernel-vxlan': {
    present: () =>
      isRoot() &&
      succeedsInNamespace('ip', 'link', 'add', 'v', 'type', 'vxlan', 'id', '1', 'dstport', '4789'),
    remedy: 'use a kernel with vxlan',
    coveredBy: 'test/uml',
  },
  'kernel-ipip': {
    present: () =>
      isRoot() &&
      succeedsInNamespace('ip', 'link', 'add', 'i', 'type', 'ipip', 'local', '127.0.0.1'),
    remedy: 'use a kernel with ipip',
    coveredBy: 'test/uml',
  },
} satisfies Record<string, Probe>;

export type Capability = keyof typeof probes;

const known = new Map<Capability, boolean>();

export function hasCapability(capability: Capability): boolean {
  let present = known.get(capability);
  if (present === undefined) known.set(capability, (present = probes[capability].present()));
  return present;
}

/** For tap's `skip` option: false when everything needed is there, else the reason to skip. */
export function skipReason(...needed: readonly Capability[]): string | false {
  const missing = needed.filter((capability) => !hasCapability(capability));
  if (missing.length === 0) return false;
  const reason = missing
    .map((capability) => {
      const probe: Probe = probes[capability];
      const covered = probe.coveredBy === undefined ? '' : ` (covered by ${probe.coveredBy})`;
      return `${capability} is missing: ${probe.remedy}${covered}`;
    })
    .join('; ');
  const excused = missing.every((capability) => (probes[capability] as Probe).coveredBy);
  if (process.env['SELVAGE_REQUIRE_ALL'] === '1' && !excused)
    throw new Error(`nothing may be skipped here (SELVAGE_REQUIRE_ALL=1), but ${reason}`);
  return reason;
}
