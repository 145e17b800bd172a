/**
 * Damages that somebody with root does by hand to what the agent owns. Each says whose packets it
 * necessarily costs until the repair: those of one peer, those of the whole node, or nobody's.
 */
import { linkLocalOf, vtepMac } from '../../routes/vtep.js';
import type { SoakNode } from './soak-cluster.js';
import { overlayPrefix } from './soak-cluster.js';
import type { World } from './soak-world.js';

export interface Drift {
  readonly kind: string;
  readonly costs: 'peer' | 'node' | 'nobody';
  readonly family: 4 | 6;
  /** Returns whether there was something to damage. */
  damage(world: World, target: Target): Promise<boolean>;
}

export interface Target {
  readonly node: SoakNode;
  readonly peer: SoakNode;
  readonly device: string;
}

/** A command with words for the target's names; the words hold no blanks. */
function drift(
  kind: string,
  options: { readonly costs: Drift['costs']; readonly family?: 4 | 6 },
  argv: (target: Target) => string,
): Drift {
  return {
    kind,
    costs: options.costs,
    family: options.family ?? 4,
    damage: async (world, target) =>
      (await world.run(target.node, ...argv(target).split(' '))).status === 0,
  };
}

const macOf = (node: SoakNode): string => vtepMac('soak', node.name);
const tunnelOf = (node: SoakNode): string => `10.64.${node.index}.0`;
const outerOf = (node: SoakNode): string => node.address.split('/')[0]!;
const sysctl = (path: string, value: string): string => `sysctl -qw ${path}=${value}`;

const nicDownAndUp = `
saved=$(ip -4 route show dev eth0 | grep -v -e 'proto 83' -e 'proto kernel' | tac)
ip link set eth0 down
sleep 0.1
ip link set eth0 up
until ip -o link show eth0 | grep -q 'state UP'; do sleep 0.05; done
echo "$saved" | while read -r line; do [ -z "$line" ] || ip route add $line dev eth0; done
`;

export const drifts: readonly Drift[] = [
  drift(
    'delete a route',
    { costs: 'peer' },
    ({ peer }) => `ip route del ${overlayPrefix(peer, 4)} proto 83`,
  ),
  drift(
    'delete an IPv6 route',
    { costs: 'peer', family: 6 },
    ({ peer }) => `ip -6 route del ${overlayPrefix(peer, 6)} proto 83`,
  ),
  {
    kind: "edit a route's MTU",
    costs: 'peer',
    family: 4,
    damage: async (world, { node, peer }) => {
      const text = await world.read(
        node,
        'ip',
        'route',
        'show',
        overlayPrefix(peer, 4),
        'proto',
        '83',
      );
      const edited = text.trim().replace(/mtu \d+/, 'mtu 1000');
      if (edited === text.trim()) return false;
      return (
        (await world.run(node, 'ip', 'route', 'replace', ...edited.split(/\s+/), 'proto', '83'))
          .status === 0
      );
    },
  },
  drift(
    'delete an FDB entry',
    { costs: 'peer', family: 6 },
    ({ peer, device }) => `bridge fdb del ${macOf(peer)} dev ${device} self`,
  ),
  drift(
    'redirect an FDB entry',
    { costs: 'peer', family: 6 },
    ({ node, peer, device }) =>
      `bridge fdb replace ${macOf(peer)} dev ${device} dst ${outerOf(node)} self`,
  ),
  drift(
    'delete a neighbour',
    { costs: 'peer' },
    ({ peer, device }) => `ip neigh del ${tunnelOf(peer)} dev ${device}`,
  ),
  drift(
    'delete an IPv6 neighbour',
    { costs: 'peer', family: 6 },
    ({ peer, device }) => `ip -6 neigh del ${linkLocalOf(macOf(peer)).text} dev ${device}`,
  ),
  drift(
    "edit a neighbour's MAC",
    { costs: 'peer' },
    ({ peer, device }) =>
      `ip neigh change ${tunnelOf(peer)} lladdr 02:00:00:00:00:99 nud permanent dev ${device}`,
  ),
  drift(
    'delete the tunnel address',
    { costs: 'node' },
    ({ node, device }) => `ip addr del ${tunnelOf(node)}/32 dev ${device}`,
  ),
  drift(
    "edit the device's MTU",
    { costs: 'node' },
    ({ device }) => `ip link set ${device} mtu 1280`,
  ),
  drift(
    "edit the device's MAC",
    { costs: 'node' },
    ({ device }) => `ip link set ${device} address 02:00:00:00:00:01`,
  ),
  drift('take the device down', { costs: 'node' }, ({ device }) => `ip link set ${device} down`),
  drift('delete the device', { costs: 'node' }, ({ device }) => `ip link del ${device}`),
  drift('flush all routes', { costs: 'node' }, () => 'ip route flush proto 83'),
  {
    kind: 'take the NIC down and up',
    costs: 'node',
    family: 4,
    // Whoever configured the NIC gives it back the routes that it loses.
    damage: async (world, { node }) =>
      (await world.run(node, 'sh', '-ec', nicDownAndUp)).status === 0,
  },
  {
    kind: 'kill the userspace plane',
    costs: 'node',
    family: 4,
    damage: async (world, { node }) => {
      const [plane] = (await world.status(node)).planes;
      if (plane?.pid === undefined) return false;
      process.kill(plane.pid, 'SIGKILL');
      return true;
    },
  },
  drift('turn forwarding off', { costs: 'node' }, () => sysctl('net.ipv4.ip_forward', '0')),
  drift("edit the device's rp_filter", { costs: 'node' }, ({ device }) =>
    sysctl(`net.ipv4.conf.${device}.rp_filter`, '1'),
  ),
  drift(
    'delete the own blackhole',
    { costs: 'nobody' },
    ({ node }) => `ip route del blackhole ${overlayPrefix(node, 4)} metric 4096`,
  ),
  drift(
    'delete the unreachable pool',
    { costs: 'nobody' },
    () => 'ip route del unreachable 10.64.0.0/16 metric 8192',
  ),
  drift(
    'add a route as ours',
    { costs: 'nobody' },
    ({ device }) => `ip route add 10.64.200.0/24 dev ${device} proto 83 metric 600`,
  ),
  drift(
    'add an FDB entry',
    { costs: 'nobody' },
    ({ node, device }) =>
      `bridge fdb append 02:00:00:00:00:77 dev ${device} dst ${outerOf(node)} self permanent`,
  ),
  drift(
    'add an address',
    { costs: 'nobody' },
    ({ device }) => `ip addr add 10.64.250.1/32 dev ${device}`,
  ),
  drift("flush the guard's rules", { costs: 'nobody' }, () => 'nft flush table inet selvage_guard'),
  drift(
    "delete the guard's table",
    { costs: 'nobody' },
    () => 'nft delete table inet selvage_guard',
  ),
];
