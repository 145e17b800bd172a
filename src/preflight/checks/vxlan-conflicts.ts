/**
 * Others on our VXLAN port. What the kernel says of it (tried on 6.18): a second device of the same
 * VNI and port is refused ("A VXLAN device with the specified VNI already exists"), also when the
 * first was moved to another network namespace, as Docker Swarm does; another VNI shares the port;
 * a device that collects metadata (`external`, Cilium) or an ordinary socket on the port, on
 * whatever address, keeps ours from coming up ("Address already in use").
 */
import { isOwnDeviceName } from '../../../routes/ownership.js';
import type { VxlanLink } from '../../../tunnel/kernel.js';
import { type Check, type Fix, type Outcome, fail, fix, ok, onKernel, warn } from '../check.js';
import type { KernelFacts, NodeFacts } from '../facts.js';
import { holderOf, udpSockets } from '../udp-sockets.js';

/** Whose device it is, by the name that its maker gives it. */
const makers: readonly (readonly [RegExp, string])[] = [
  [/^flannel/, 'flannel'],
  [/^(vxlan(-v6)?\.calico|calico)/, 'Calico'],
  [/^cilium/, 'Cilium'],
  [/^antrea/, 'Antrea'],
  [/^weave|^vxlan-6784/, 'Weave'],
  [/^(docker|vx-)/, 'Docker Swarm'],
];

function maker(device: string): string {
  const known = makers.find(([pattern]) => pattern.test(device))?.[1];
  return known === undefined ? device : `${device} (${known})`;
}

/** These share no socket with a device like ours. */
const otherSockets: readonly string[] = ['external', 'gbp', 'gpe', 'remcsum', 'vnifilter'];

function usesVxlan({ plan }: KernelFacts): boolean {
  return [...plan.desired.objects.values()].some(
    (object) => object.type === 'link' && object.kind === 'vxlan',
  );
}

function othersFix({ cluster }: NodeFacts): Fix {
  const { vni, port } = cluster.vxlan;
  return {
    text: 'remove the other, or give this cluster another VNI or port on all nodes',
    commands: [`# cluster file: overlay: { vxlan: { vni: ${vni + 10_000}, port: ${port} } }`],
  };
}

export const vxlanDevice: Check = onKernel(
  {
    id: 'vxlan-device',
    group: 'conflicts',
    title: 'VXLAN devices',
    about: 'no other VXLAN device has our VNI and port (flannel, Calico, Cilium, Docker Swarm)',
  },
  (kernel, facts) => {
    const { vni, port } = facts.cluster.vxlan;
    const others = kernel.state.links.filter(
      (link): link is VxlanLink => link.kind === 'vxlan' && !isOwnDeviceName(link.name),
    );
    const outcomes = others.flatMap((link): readonly Outcome[] => {
      if (link.port !== port) return [];
      const wanted = {
        found: `${maker(link.name)} has VNI ${link.vni} on port ${link.port}`,
        needed: `VNI ${vni} on port ${port} for this cluster alone`,
        fix: othersFix(facts),
      };
      const clashes =
        link.vni === vni ||
        (link.up && (link.extra ?? []).some((name) => otherSockets.includes(name)));
      return [
        clashes && usesVxlan(kernel)
          ? fail(wanted)
          : warn({ ...wanted, found: `${wanted.found}, beside ours` }),
      ];
    });
    if (outcomes.length > 0) return outcomes;
    const elsewhere = others.map((link) => `${maker(link.name)} on port ${link.port}`);
    return ok(
      `nobody else has VNI ${vni} on port ${port}${elsewhere.length > 0 ? `; ${elsewhere.join(', ')}` : ''}`,
    );
  },
);

export const vxlanPort: Check = onKernel(
  {
    id: 'vxlan-port',
    group: 'conflicts',
    title: 'VXLAN port',
    about: 'no process and no hidden device holds the UDP port of the tunnels',
  },
  (kernel, facts) => {
    const { machine, cluster } = facts;
    const { port } = cluster.vxlan;
    const held = udpSockets(machine).filter((socket) => socket.port === port);
    // The kernel's sockets of devices that can be seen.
    const known = kernel.state.links.filter(
      (link) => link.kind === 'vxlan' && link.port === port && link.up,
    );
    const outcomes: Outcome[] = [];
    let hidden = 0;
    for (const socket of held) {
      const holder = holderOf(machine, socket);
      if (holder === undefined) {
        hidden++;
        continue;
      }
      const wanted = {
        found: `process ${holder.name} (pid ${holder.pid}) has UDP port ${port}`,
        needed: `port ${port} for the kernel's VXLAN: no device comes up beside such a socket`,
        fix: fix(
          'stop it, or give the cluster another port on all nodes',
          `ss -ulpn 'sport = ${port}'`,
          `# cluster file: overlay: { vxlan: { vni: ${cluster.vxlan.vni}, port: 8472 } }`,
        ),
      };
      const stands = known.some((link) => isOwnDeviceName(link.name));
      outcomes.push(usesVxlan(kernel) && !stands ? fail(wanted) : warn(wanted));
    }
    if (outcomes.length > 0) return outcomes;
    if (hidden > 0 && known.length === 0)
      return warn({
        found: `the kernel has a socket on port ${port}, of a device in another network namespace (Docker Swarm keeps its there, with VNIs from 4096 up)`,
        needed: `a VNI that no such device has; ours is ${cluster.vxlan.vni}`,
        fix: {
          text: 'look for it, and take another VNI if it is the same',
          commands: [
            'for n in /run/docker/netns/*; do nsenter --net=$n ip -d link show type vxlan; done',
            ...othersFix(facts).commands,
          ],
        },
      });
    return ok(known.length > 0 ? `held by ${known.map(({ name }) => name).join(', ')}` : 'free');
  },
);
