/** Faults of a node's own kernel: what the agent made, spoilt; and what somebody else put beside it. */
import type { Fault, FaultSite, FaultSteps } from './fault.js';
import { addressOf, ip, nft, sysctl } from './fault.js';

/** A fault of an object that the agent owns: it puts it right itself once it may. */
function spoilt(inject: FaultSteps['inject']): FaultSteps {
  return { inject, undo: [] };
}

function onlyFor(
  mode: FaultSite['mode'],
  steps: (site: FaultSite) => FaultSteps,
): (site: FaultSite) => FaultSteps | string {
  return (site) =>
    site.mode === mode ? steps(site) : `the pair must use ${mode}, and uses ${site.mode}`;
}

const tunnelled =
  (steps: (site: FaultSite) => FaultSteps): Fault['steps'] =>
  (site) =>
    site.mode === 'native' ? 'the pair must be tunnelled, and is native' : steps(site);

const shell = (site: FaultSite, script: string) =>
  ({ namespace: site.at.namespace, argv: ['sh', '-ec', script] }) as const;

const foreignTable = 'somebody_elses';

export const nodeFaults: readonly Fault[] = [
  {
    name: 'wrong-vni',
    summary: 'the VXLAN device has another VNI',
    kind: 'state',
    steps: onlyFor('vxlan', (site) =>
      spoilt([
        shell(
          site,
          `d=$(ip -o -d link show ${site.device}); ` +
            `mac=$(echo "$d" | sed 's/.*link\\/ether \\([^ ]*\\).*/\\1/'); ` +
            `addresses=$(ip -o address show dev ${site.device} | awk '{print $4}'); ` +
            `ip link delete ${site.device}; ` +
            `ip link add ${site.device} address $mac type vxlan id ${site.vni + 1} dstport ${site.vxlanPort} local ${addressOf(site.at)} dev eth0 nolearning df set; ` +
            `ip link set ${site.device} up; ` +
            `for a in $addresses; do ip address replace $a dev ${site.device}; done; ` +
            `ip route replace ${site.prefix.text} dev ${site.device} proto 83 metric 600`,
        ),
      ]),
    ),
  },
  {
    name: 'stale-fdb',
    summary: "the forwarding entry leads to a node's former address",
    kind: 'state',
    steps: onlyFor('vxlan', (site) =>
      spoilt([
        shell(
          site,
          `mac=$(bridge fdb show dev ${site.device} | awk '/dst ${addressOf(site.peer)} /{print $1; exit}'); ` +
            `bridge fdb replace $mac dev ${site.device} dst 192.0.2.77 self permanent`,
        ),
      ]),
    ),
  },
  {
    name: 'stale-neighbour',
    summary: 'the neighbour entry names a MAC that nobody has',
    kind: 'state',
    steps: onlyFor('vxlan', (site) =>
      spoilt([
        shell(
          site,
          `via=$(ip route show ${site.prefix.text} proto 83 | sed 's/.* via \\([^ ]*\\) .*/\\1/' | head -1); ` +
            `ip neighbour replace $via lladdr 02:00:00:00:00:77 dev ${site.device} nud permanent`,
        ),
      ]),
    ),
  },
  {
    name: 'device-down',
    summary: 'the tunnel device is down',
    kind: 'state',
    steps: tunnelled(({ at, device }) => spoilt([ip(at, 'link', 'set', device, 'down')])),
  },
  {
    name: 'device-missing',
    summary: 'the tunnel device is gone',
    kind: 'state',
    steps: tunnelled(({ at, device }) => spoilt([ip(at, 'link', 'delete', device)])),
  },
  {
    name: 'device-without-address',
    summary: 'the tunnel device has lost its address',
    kind: 'state',
    steps: tunnelled(({ at, device }) => spoilt([ip(at, 'address', 'flush', 'dev', device)])),
  },
  {
    name: 'device-mtu',
    summary: 'the tunnel device has an MTU of 1300',
    kind: 'state',
    steps: tunnelled(({ at, device }) => spoilt([ip(at, 'link', 'set', device, 'mtu', '1300')])),
  },
  {
    name: 'route-missing',
    summary: "the route to the peer's prefix is gone",
    kind: 'state',
    steps: ({ at, prefix }) => spoilt([ip(at, 'route', 'delete', prefix.text, 'proto', '83')]),
  },
  {
    name: 'forwarding-off',
    summary: 'the node does not forward IPv4',
    kind: 'state',
    steps: ({ at }) => spoilt([sysctl(at, 'net.ipv4.ip_forward', '0')]),
  },
  {
    name: 'reverse-path-strict',
    summary: 'the reverse-path filter of the tunnel device is strict',
    kind: 'state',
    steps: ({ at, device }) => spoilt([sysctl(at, `net.ipv4.conf.${device}.rp_filter`, '1')]),
  },
  {
    name: 'guard-misses-node',
    summary: 'the guard does not know the peer',
    kind: 'state',
    steps: (site) =>
      spoilt([
        shell(
          site,
          `for set in outer4 outer4_; do ` +
            `nft delete element inet selvage_guard $set '{ ${addressOf(site.peer)} }' 2>/dev/null && exit 0; ` +
            `done; exit 1`,
        ),
      ]),
  },
  {
    name: 'guard-missing',
    summary: "the guard's table is gone",
    kind: 'state',
    steps: ({ at }) =>
      spoilt([
        { namespace: at.namespace, argv: ['nft', 'delete', 'table', 'inet', 'selvage_guard'] },
      ]),
  },
  {
    name: 'foreign-route',
    summary: "somebody's more specific route leads away",
    kind: 'foreign',
    steps: ({ at, prefix }) => {
      const half = `${prefix.text.replace(/\/.*/, '')}/${prefix.length + 1}`;
      return {
        inject: [ip(at, 'route', 'add', half, 'dev', 'wl0', 'proto', 'static')],
        undo: [ip(at, 'route', 'delete', half, 'dev', 'wl0', 'proto', 'static')],
      };
    },
  },
  {
    name: 'foreign-rule',
    summary: "somebody's policy rule sends the prefix to another table",
    kind: 'foreign',
    steps: ({ at, prefix }) => ({
      inject: [
        ip(at, 'route', 'add', 'blackhole', 'default', 'table', '77'),
        ip(at, 'rule', 'add', 'to', prefix.text, 'lookup', '77', 'priority', '77'),
      ],
      undo: [ip(at, 'rule', 'delete', 'priority', '77'), ip(at, 'route', 'flush', 'table', '77')],
    }),
  },
  {
    name: 'foreign-firewall',
    summary: "somebody's firewall drops what the tunnel brings",
    kind: 'foreign',
    steps: (site) => {
      const match = {
        vxlan: `udp dport ${site.vxlanPort}`,
        ipip: 'ip protocol 4',
        native: `ip saddr ${site.prefix.text}`,
      }[site.mode];
      // Bare packets are for workloads: they go through.
      const hooks = site.mode === 'native' ? ['input', 'forward'] : ['input'];
      const chains = hooks.map(
        (hook) =>
          `chain ${hook} { type filter hook ${hook} priority 0; policy accept; ${match} drop; };`,
      );
      const table = `table inet ${foreignTable}`;
      return {
        inject: [nft(site.at.namespace, `${table} { ${chains.join(' ')} }`)],
        undo: [nft(site.at.namespace, `delete ${table}`)],
      };
    },
  },
  {
    name: 'foreign-forward-drop',
    summary: "somebody's firewall forwards nothing",
    kind: 'foreign',
    steps: ({ at }) => ({
      inject: [
        nft(
          at.namespace,
          `table inet ${foreignTable} { chain forward { type filter hook forward priority 0; policy drop; }; }`,
        ),
      ],
      undo: [nft(at.namespace, `delete table inet ${foreignTable}`)],
    }),
  },
  {
    name: 'foreign-masquerade',
    summary: "somebody's masquerade rewrites what goes to other nodes' workloads",
    kind: 'foreign',
    steps: ({ at, device }) => ({
      inject: [
        nft(
          at.namespace,
          `table ip ${foreignTable} { chain out { type nat hook postrouting priority 90; oifname { "${device}", "eth0" } masquerade; }; }`,
        ),
      ],
      undo: [nft(at.namespace, `delete table ip ${foreignTable}`)],
    }),
  },
  {
    name: 'underlay-route-missing',
    summary: 'the node has no route to the peer on the underlay',
    kind: 'foreign',
    steps: ({ at, peer }) => ({
      inject: [ip(at, 'route', 'add', 'unreachable', `${addressOf(peer)}/32`)],
      undo: [ip(at, 'route', 'delete', 'unreachable', `${addressOf(peer)}/32`)],
    }),
  },
  {
    name: 'nic-mtu',
    summary: "the node's NIC has an MTU of 1300",
    kind: 'state',
    steps: ({ at }) => ({
      inject: [ip(at, 'link', 'set', 'eth0', 'mtu', '1300')],
      undo: [ip(at, 'link', 'set', 'eth0', 'mtu', String(at.nicMtu))],
    }),
  },
];
