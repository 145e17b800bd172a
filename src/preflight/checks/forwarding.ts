/**
 * Does the node pass packets on between its workloads and its tunnels? The agent switches it on
 * itself, so that an `off` counts where no agent will, or can.
 */
import { type Check, type Outcome, fail, fix, ok, onKernel, skip, warn } from '../check.js';
import type { KernelFacts, NodeFacts } from '../facts.js';

const settings = { 4: 'net/ipv4/ip_forward', 6: 'net/ipv6/conf/all/forwarding' } as const;

export const forwardingChecks: readonly Check[] = ([4, 6] as const).map((family) =>
  onKernel(
    {
      id: `forwarding-ipv${family}`,
      group: 'host',
      title: `IPv${family} forwarding`,
      about: `${settings[family]} is on, or can be switched on by the agent`,
    },
    (kernel, facts) => {
      if (!facts.node.overlay.some((prefix) => prefix.family === family))
        return skip(`this node has no IPv${family} overlay prefix`);
      return forwarding(kernel, facts, settings[family]);
    },
  ),
);

function forwarding(
  { kernel }: KernelFacts,
  { keeper, machine }: NodeFacts,
  path: (typeof settings)[keyof typeof settings],
): Outcome {
  const value = kernel.readSysctl(path);
  const name = path.replaceAll('/', '.');
  if (value === '1') return ok('on');
  if (value === undefined)
    return fail({
      found: `this kernel has no ${name}`,
      needed: 'a kernel that speaks this family',
      fix: fix(
        'take ipv6.disable=1 away from the kernel command line, or the IPv6 prefixes out of the cluster file',
      ),
    });
  const wanted = {
    found: `off (${name} = ${value})`,
    needed: `${name} = 1`,
    fix: fix('switch it on', `sysctl -w ${name}=1`),
  };
  if (machine.stat(`proc/sys/${path}`)?.writable === false)
    return fail({
      ...wanted,
      found: `off, and /proc/sys/${path} cannot be written here`,
      fix: fix(
        'switch it on where the container is started, or outside of it',
        ...wanted.fix.commands,
      ),
    });
  switch (keeper.kind) {
    case 'absent':
      return ok('off; the agent switches it on when it starts');
    case 'running':
      return warn({ ...wanted, found: `${wanted.found}; the agent is about to switch it on` });
    case 'frozen':
    case 'dead':
      return fail(wanted);
  }
}
