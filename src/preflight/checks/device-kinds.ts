/**
 * The kinds of tunnel device that this kernel makes, asked and not guessed, against those that the
 * rules may ask for: of this node as a sender, and of its peers, whose packets have to be received.
 */
import type { CarriageKey } from '../../../encap/mode.js';
import { carriageKey } from '../../../encap/mode.js';
import { receivable } from '../../../routes/receive.js';
import type { Check, Outcome } from '../check.js';
import { fail, ok, onKernel, skip, warn } from '../check.js';
import type { KernelFacts } from '../facts.js';
import type { Machine } from '../machine.js';
import { someOf } from '../peer-list.js';
import { isRedHatLike } from './kernel-access.js';

type Kind = 'vxlan' | 'ipip' | 'sit' | 'ip6tnl';

interface KindFacts {
  readonly kind: Kind;
  /** What travels through it. */
  readonly what: string;
  readonly module: string;
  readonly carriages: readonly CarriageKey[];
}

const kinds: readonly KindFacts[] = [
  {
    kind: 'vxlan',
    what: 'VXLAN',
    module: 'vxlan',
    carriages: ['vxlan:4:4', 'vxlan:4:6', 'vxlan:6:4', 'vxlan:6:6'],
  },
  { kind: 'ipip', what: 'IPv4 in IPv4', module: 'ipip', carriages: ['ipip:4:4'] },
  { kind: 'sit', what: 'IPv6 in IPv4', module: 'sit', carriages: ['ipip:4:6'] },
  {
    kind: 'ip6tnl',
    what: 'IP in IPv6',
    module: 'ip6_tunnel',
    carriages: ['ipip:6:4', 'ipip:6:6'],
  },
];

export const kindChecks: readonly Check[] = kinds.map((of) =>
  onKernel(
    {
      id: `kernel-${of.kind}`,
      group: 'kernel',
      title: `${of.kind} devices`,
      about: `the kernel makes ${of.kind} devices (${of.what}), where the rules may ask for them`,
    },
    (kernel, { machine, node }) => {
      if (kernel.kinds.has(of.kind)) return ok('the kernel makes them');
      const used = usedBy(kernel, of.carriages);
      const needed = `a kernel with the module ${of.module}, as ${used.why}`;
      if (used.why === '')
        return skip(`this kernel makes none, and nothing here asks for ${of.what}`);
      const fix = moduleFix(machine, of.module, {
        otherwise:
          of.kind === 'ipip'
            ? ['ipip: userspace']
            : of.carriages.map((key) => `${key.replace(/:/g, '/')}: none`),
        node: node.name,
      });
      if (of.kind === 'ipip' && machine.exists('dev/net/tun'))
        return warn({
          found:
            'this kernel makes none: a userspace process carries it, at a fraction of the speed',
          needed,
          fix,
        });
      const outcome = {
        found: 'this kernel makes none, and no other plane carries it',
        needed,
        fix,
      };
      return used.certain ? fail(outcome) : warn(outcome);
    },
  ),
);

/** `certain`: decided so today; else only some rule could ask for it. */
function usedBy(
  kernel: KernelFacts,
  carriages: readonly CarriageKey[],
): { readonly why: string; readonly certain: boolean } {
  const senders = new Set<string>();
  const receivers = new Set<string>();
  for (const { peer, out, back } of kernel.ways) {
    if (uses(out, carriages)) receivers.add(peer.name);
    if (back !== undefined && uses(back, carriages)) senders.add(peer.name);
  }
  if (receivers.size > 0) return { why: `packets to ${someOf(receivers)} go so`, certain: true };
  if (senders.size > 0) return { why: `${someOf(senders)} send so to this node`, certain: true };
  const { snapshot, rib } = kernel.plan;
  const asked = receivable(snapshot.cluster, rib);
  return carriages.some((key) => asked.has(key))
    ? { why: 'some rule could ask for it', certain: false }
    : { why: '', certain: false };
}

function uses(
  { verdict }: KernelFacts['ways'][number]['out'],
  carriages: readonly CarriageKey[],
): boolean {
  return verdict.kind === 'forward' && carriages.includes(carriageKey(verdict.carriage));
}

function moduleFix(
  machine: Machine,
  module: string,
  or: { readonly otherwise: readonly string[]; readonly node: string },
): NonNullable<Outcome['fix']> {
  const release = machine.read('proc/sys/kernel/osrelease')?.trim() ?? '';
  const known = machine.read(`lib/modules/${release}/modules.dep`) ?? '';
  const declare = `or declare for node ${or.node} "accepts: { ${or.otherwise.join(', ')} }", so that auto passes it over`;
  const load = [
    `modprobe ${module}`,
    `echo ${module} > /etc/modules-load.d/selvage-${module}.conf`,
  ];
  if (new RegExp(`/${module}\\.ko`, 'm').test(known))
    return { text: `load the module, and at every start; ${declare}`, commands: load };
  const packages = isRedHatLike(machine)
    ? `dnf install kernel-modules-extra-${release}`
    : `apt-get install linux-modules-extra-${release}   # Debian: a kernel that is not the "cloud" one, linux-image-amd64`;
  return {
    text: `install the kernel's further modules and load it; ${declare}`,
    commands: [packages, ...load],
  };
}

export const tunDevice: Check = onKernel(
  {
    id: 'tun',
    group: 'kernel',
    title: 'TUN device',
    about: '/dev/net/tun, for the userspace plane where the kernel lacks ipip',
  },
  (kernel, { machine }) => {
    const there = machine.stat('dev/net/tun');
    const { userspace } = kernel.plan.desired;
    if (there !== undefined) return ok('/dev/net/tun');
    if (userspace.length === 0) return skip('no /dev/net/tun, and no userspace plane is needed');
    return fail({
      found: 'no /dev/net/tun',
      needed: 'a TUN device for the userspace plane that carries ipip here',
      fix: {
        text: 'load the module; a container needs the device handed in',
        commands: ['modprobe tun', 'docker run --device /dev/net/tun …'],
      },
    });
  },
);

export const rawSocket: Check = {
  id: 'raw-socket',
  group: 'kernel',
  title: 'raw sockets',
  about: 'the raw-socket package loads: probes and the userspace plane use it',
  run: async ({ programs, kernel }) => {
    const problem = await programs.rawSocket();
    if (problem === undefined) return ok('the package loads');
    if (problem.includes('CAP_NET_RAW'))
      return skip('it loads, and may not be used: see capabilities');
    const plane = 'problem' in kernel ? [] : kernel.plan.desired.userspace;
    const outcome = {
      found: problem,
      needed: 'the npm package raw-socket, which is compiled when it is installed',
      fix: {
        text: 'install a compiler and the package anew',
        commands: ['apt-get install g++ make python3', 'npm rebuild raw-socket'],
      },
    };
    return plane.length > 0 ? fail(outcome) : warn(outcome);
  },
};
