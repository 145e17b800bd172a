/** Can this program speak with this kernel at all: its addon, its privileges, its release. */
import { type Check, fail, fix, ok, skip, warn } from '../check.js';
import type { Machine } from '../machine.js';

export const kernelAccess: Check = {
  id: 'kernel-access',
  group: 'kernel',
  title: 'kernel access',
  about: "the native addon loads, and the kernel's routing tables can be read",
  run: ({ kernel, programs }) => {
    const addon = programs.addon();
    if (addon !== undefined)
      return fail({
        found: addon,
        needed: 'the native addon of this package, for netlink and TUN devices',
        fix: fix('install the package anew, or build the addon', 'npm rebuild selvage'),
      });
    if ('problem' in kernel)
      // Says nothing of the agent, which is given what it needs; see `capabilities`.
      return warn({
        found: kernel.problem,
        needed: 'to read routes, devices and neighbours of this network namespace',
        fix: fix('run it as root, in the network namespace of the host', 'sudo selvage preflight'),
      });
    return ok('routes, devices and neighbours can be read');
  },
};

/** linux/capability.h */
const capabilities = { CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n } as const;

export const capabilitiesCheck: Check = {
  id: 'capabilities',
  group: 'kernel',
  title: 'capabilities',
  about: 'CAP_NET_ADMIN (devices, routes, filters) and CAP_NET_RAW (probes, userspace plane)',
  run: ({ machine }) => {
    const effective = capabilitySet(machine, 'CapEff');
    const bounding = capabilitySet(machine, 'CapBnd');
    if (effective === undefined || bounding === undefined)
      return skip('/proc/self/status does not say which this process has');
    const lacking = (set: bigint): readonly string[] =>
      Object.entries(capabilities).flatMap(([name, bit]) =>
        ((set >> bit) & 1n) === 1n ? [] : [name],
      );
    const never = lacking(bounding);
    const needed = 'CAP_NET_ADMIN and CAP_NET_RAW; nothing else, not even CAP_SYS_ADMIN';
    if (never.length > 0)
      return fail({
        found: `${never.join(' and ')} cannot be had in this container or service`,
        needed,
        fix: {
          ...fix('give them to the container or to the unit'),
          commands: [
            'docker run --network host --cap-add NET_ADMIN --cap-add NET_RAW …',
            'systemctl edit selvage-agent   # CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW',
          ],
        },
      });
    const now = lacking(effective);
    if (now.length > 0)
      return warn({
        found: `this process lacks ${now.join(' and ')}; the systemd unit gives both to the agent`,
        needed,
        fix: fix('run preflight as root to see the rest', 'sudo selvage preflight'),
      });
    return ok('CAP_NET_ADMIN, CAP_NET_RAW');
  },
};

function capabilitySet(machine: Machine, name: string): bigint | undefined {
  const status = machine.read('proc/self/status') ?? '';
  const hex = new RegExp(`^${name}:\\t([0-9a-f]+)$`, 'm').exec(status)?.[1];
  return hex === undefined ? undefined : BigInt(`0x${hex}`);
}

/**
 * 5.0 is the first with `df` on VXLAN devices, and without it full packets cross small links as
 * fragments, which clouds drop.
 */
const oldestMajor = 5;

export const kernelVersion: Check = {
  id: 'kernel-version',
  group: 'kernel',
  title: 'kernel release',
  about: `Linux ${oldestMajor}.0 or newer (don't-fragment on VXLAN devices)`,
  run: ({ machine }) => {
    const release = machine.read('proc/sys/kernel/osrelease')?.trim();
    const major = /^(\d+)\./.exec(release ?? '')?.[1];
    if (release === undefined || major === undefined) return skip('/proc does not say which');
    const isOld = Number(major) < oldestMajor;
    if (!isOld) return ok(`Linux ${release}`);
    return warn({
      found: `Linux ${release}`,
      needed: `Linux ${oldestMajor}.0: before it VXLAN devices cannot set don't-fragment, and path MTU discovery does not see small links`,
      fix: fix('install a newer kernel', ...newerKernel(machine)),
    });
  },
};

function newerKernel(machine: Machine): readonly string[] {
  return isRedHatLike(machine) ? ['dnf upgrade kernel'] : ['apt-get install linux-image-generic'];
}

export function isRedHatLike(machine: Machine): boolean {
  const text = machine.read('etc/os-release') ?? '';
  return /^ID(_LIKE)?=.*\b(rhel|fedora|centos)\b/m.test(text);
}
