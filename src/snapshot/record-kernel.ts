/**
 * The kernel of a node written down: its tables, the settings that packets depend on, and its own
 * answers for the ways to the peers.
 */
import type { Address } from '../../encap/address.js';
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { tunnelAddress } from '../../routes/vtep.js';
import type { Kernel, KernelState } from '../../tunnel/kernel.js';
import type { NodeReading } from '../explain/node-reading.js';
import type { KernelRecord, LookupRecord } from './bundle.js';

/** Every setting that may go in; some below /proc/sys/net are secrets (`stable_secret`). */
const hostSettings = [
  'net/ipv4/ip_forward',
  'net/ipv4/icmp_echo_ignore_all',
  'net/ipv6/icmp/echo_ignore_all',
  'net/netfilter/nf_conntrack_count',
  'net/netfilter/nf_conntrack_max',
  'net/ipv4/ip_default_ttl',
  'net/ipv4/fib_multipath_hash_policy',
  'net/ipv4/tcp_mtu_probing',
  'net/core/netdev_max_backlog',
];
const deviceSettings = [
  'net/ipv4/conf/*/forwarding',
  'net/ipv4/conf/*/rp_filter',
  'net/ipv4/conf/*/accept_local',
  'net/ipv4/conf/*/src_valid_mark',
  'net/ipv4/conf/*/arp_ignore',
  'net/ipv4/conf/*/arp_announce',
  'net/ipv6/conf/*/forwarding',
  'net/ipv6/conf/*/disable_ipv6',
  'net/ipv6/conf/*/accept_ra',
  'net/ipv6/conf/*/addr_gen_mode',
];
/** Workloads have a device each; beyond this many the rest are left out. */
const maxDevices = 2_000;
/** Each is a question to the kernel; the tables answer for further peers. */
const maxPeersLookedUp = 2_000;

export async function recordKernel(
  reading: Pick<NodeReading, 'kernel' | 'node' | 'snapshot' | 'desired'>,
  state: KernelState,
): Promise<KernelRecord> {
  const { kernel, node, snapshot } = reading;
  const paths = [
    ...hostSettings,
    ...[...reading.desired.objects.values()].flatMap((object) =>
      object.type === 'sysctl' ? [object.path] : [],
    ),
    ...['all', 'default', ...state.links.slice(0, maxDevices).map(({ name }) => name)].flatMap(
      (device) => deviceSettings.map((path) => path.replace('*', device)),
    ),
  ];
  const sysctls: Record<string, string> = {};
  for (const path of new Set(paths)) {
    const value = kernel.readSysctl(path);
    if (value !== undefined) sysctls[path] = value;
  }
  return {
    state,
    details: await kernel.details(),
    sysctls,
    lookups: await recordLookups(kernel, { cluster: snapshot.cluster, node, state }),
    kinds: [...(await kernel.probeKinds())],
  };
}

async function recordLookups(
  kernel: Kernel,
  of: { readonly cluster: Cluster; readonly node: string; readonly state: KernelState },
): Promise<readonly LookupRecord[]> {
  const self = of.cluster.nodes.get(of.node);
  if (self === undefined) return [];
  const own = new Set(of.state.addresses.map(({ address }) => address.address.text));
  const found: LookupRecord[] = [];
  let peers = 0;
  for (const peer of of.cluster.nodes.values()) {
    if (peer.name === self.name) continue;
    if (++peers > maxPeersLookedUp) break;
    for (const { to, from } of waysBetween(self, peer))
      for (const source of from !== undefined && own.has(from.text)
        ? [undefined, from]
        : [undefined])
        found.push({
          to: to.text,
          from: source?.text ?? null,
          found: (await kernel.lookup(to, source === undefined ? {} : { from: source })) ?? null,
        });
  }
  return found;
}

/** Inner and outer ends of what the two may send each other, of both families. */
function* waysBetween(
  self: ClusterNode,
  peer: ClusterNode,
): Generator<{ readonly to: Address; readonly from: Address | undefined }> {
  for (const family of [4, 6] as const) {
    const to = tunnelAddress(peer, family);
    if (to !== undefined) yield { to, from: tunnelAddress(self, family) };
    const from = self.underlay.find(({ address }) => address.family === family)?.address;
    for (const { address } of peer.underlay)
      if (address.family === family) yield { to: address, from };
    for (const address of peer.publicAddresses)
      if (address.family === family) yield { to: address, from };
  }
}
