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
  /** What takes it back, once the agent has come to terms with it. */
  undo?(world: World, target: Target): Promise<boolean>;
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

/** The other device's routes of others, kept in a variable, and put onto this one. */
const savedOf = (nic: string): string =>
  `saved=$(ip -4 route show dev ${nic} | grep -v -e 'proto 83' -e 'proto kernel' | sed 's/ linkdown//' | tac)`;
const restoredTo = (nic: string): string =>
  `until ip -o link show ${nic} | grep -q 'state UP'; do sleep 0.05; done
echo "$saved" | while read -r line; do [ -z "$line" ] || ip route add $line dev ${nic}; done`;

/** A script of the machine's administrator; whoever configures a NIC restores its routes. */
const script =
  (text: string): Drift['damage'] =>
  async (world, { node }) => {
    const { status, stderr } = await world.run(node, 'sh', '-ec', text);
    if (status !== 0) throw new Error(`${node.name}: ${stderr}`);
    return true;
  };

const renamed = (from: string, to: string): string => `
${savedOf(from)}
ip link set ${from} down
ip link set ${from} name ${to}
ip link set ${to} up
${restoredTo(to)}
`;

/** What a hypervisor host does: the NIC becomes a port of a bridge that takes its address. */
const ontoBridge = `
${savedOf('eth0')}
address=$(ip -4 -o addr show dev eth0 | awk '{ print $4; exit }')
mac=$(ip -o link show eth0 | sed 's/.*link.ether \\([^ ]*\\).*/\\1/')
mtu=$(ip -o link show eth0 | sed 's/.* mtu \\([0-9]*\\) .*/\\1/')
ip link add sbr0 address $mac mtu $mtu type bridge
ip link set eth0 master sbr0
ip link set sbr0 up
ip addr del $address dev eth0
ip addr add $address dev sbr0
${restoredTo('sbr0')}
`;
const backFromBridge = `
${savedOf('sbr0')}
address=$(ip -4 -o addr show dev sbr0 | awk '{ print $4; exit }')
ip link set eth0 nomaster
ip link del sbr0
ip addr add $address dev eth0
${restoredTo('eth0')}
`;

const allRoutesDeleted = `
saved=$(ip -4 route show table main | grep -v 'proto 83')
ip route flush table main
ip -6 route flush proto 83
echo "$saved" | grep 'scope link' | while read -r line; do ip route add $line; done
echo "$saved" | grep -v 'scope link' | while read -r line; do [ -z "$line" ] || ip route add $line; done
`;

/** By node. */
const mtuBefore = new Map<string, string>();
const setNicMtu = async (world: World, node: SoakNode, mtu: string): Promise<boolean> =>
  (await world.run(node, 'ip', 'link', 'set', 'eth0', 'mtu', mtu)).status === 0;

export const nicDamages: readonly Drift[] = [
  {
    kind: 'take the NIC down and up',
    costs: 'node',
    family: 4,
    damage: script(`
${savedOf('eth0')}
ip link set eth0 down
sleep 0.1
ip link set eth0 up
${restoredTo('eth0')}
`),
  },
  {
    kind: 'rename the NIC, and back',
    costs: 'node',
    family: 4,
    damage: script(renamed('eth0', 'wan0')),
    undo: script(renamed('wan0', 'eth0')),
  },
  {
    kind: "move the NIC's address to a bridge, and back",
    costs: 'node',
    family: 4,
    damage: script(ontoBridge),
    undo: script(backFromBridge),
  },
  {
    // Every stream's packets fit, so nobody may lose one.
    kind: "edit the NIC's MTU, and back",
    costs: 'nobody',
    family: 4,
    damage: async (world, { node }) => {
      const text = await world.read(node, 'ip', '-o', 'link', 'show', 'eth0');
      mtuBefore.set(node.name, / mtu (\d+)/.exec(text)![1]!);
      return setNicMtu(world, node, '1400');
    },
    undo: (world, { node }) => setNicMtu(world, node, mtuBefore.get(node.name)!),
  },
  { kind: 'delete all routes', costs: 'node', family: 4, damage: script(allRoutesDeleted) },
];

const nft = (what: string, statement: string): Drift => ({
  kind: `guard: ${what}`,
  costs: 'nobody',
  family: 4,
  damage: async (world, { node }) => (await world.run(node, 'nft', statement)).status === 0,
});

export const guardDamages: readonly Drift[] = [
  nft('flush the rules', 'flush table inet selvage_guard'),
  nft('delete the table', 'delete table inet selvage_guard'),
  nft('flush everything', 'flush ruleset'),
  nft('flush a chain', 'flush chain inet selvage_guard outer'),
  nft('insert a rule', 'insert rule inet selvage_guard input accept'),
];

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
];
