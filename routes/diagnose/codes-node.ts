/** Codes of what is decided so, and of what is wrong with the state of one node. */
import { codeEntry as code } from './code-entry.js';

export const nodeCodes = [
  // Decided so.
  code(
    'denied-by-rule',
    'BROKEN',
    'a rule denies the pair',
    'change the rule, if that is not meant',
  ),
  code(
    'outside-pools',
    'BROKEN',
    'the address is in no overlay pool',
    'ask for an overlay address, or add the pool',
  ),
  code(
    'underlay-address',
    'BROKEN',
    "the address is a node's own on the underlay",
    'ask for an overlay address',
  ),
  code('unowned', 'BROKEN', 'no node owns the address', 'give a node a prefix that holds it'),
  code(
    'withdrawn',
    'BROKEN',
    'the owner has left the cluster',
    'bring the node back, or move the workload',
  ),
  code(
    'no-common-address',
    'BROKEN',
    'the two nodes have no underlay addresses of one family',
    'give both an address of one family, or allow public ones on the link',
  ),
  code(
    'no-mode',
    'BROKEN',
    'no mode is left that both ends and the way between them carry',
    'see what excludes each mode, and the smallest change that lets one through',
  ),
  code(
    'no-underlay-route',
    'BROKEN',
    "the kernel has no route to the owner's underlay address",
    'add the route',
  ),
  code(
    'no-data-plane',
    'BROKEN',
    'this kernel has no device for the decided mode',
    'load the module, or declare what the node accepts',
  ),
  // The host.
  code(
    'forwarding-off',
    'BROKEN',
    'the node does not forward packets between its workloads and its tunnels',
    'switch forwarding on',
  ),
  code(
    'host-setting-differs',
    'DEGRADED',
    'a setting of the host is not as forwarding needs it',
    'write the setting',
  ),
  code(
    'conntrack-full',
    'DEGRADED',
    'the connection tracking table is full: new flows are dropped',
    'raise its limit, or find who fills it',
  ),
  code(
    'echo-ignored',
    'DEGRADED',
    'the node is told to ignore echo requests: only probes suffer',
    'let it answer echo requests',
  ),
  // Routing.
  code(
    'policy-rule-diverts',
    'BROKEN',
    'a policy rule of somebody else leads our packets to another table',
    'delete the rule, or let it pass the overlay by',
  ),
  code(
    'policy-rule-missing',
    'BROKEN',
    'no policy rule leads to the main table',
    'put the rule back',
  ),
  code(
    'route-missing',
    'BROKEN',
    "the route to the peer's prefix is missing",
    'let the agent write it again',
  ),
  code(
    'route-differs',
    'BROKEN',
    "the route to the peer's prefix is not as decided",
    'let the agent write it again',
  ),
  code(
    'route-foreign',
    'BROKEN',
    'somebody else holds the place of our route',
    'delete the foreign route',
  ),
  code(
    'route-shadowed',
    'BROKEN',
    'a route of somebody else wins over ours',
    'delete the foreign route, or give it another prefix',
  ),
  // Our devices and entries.
  code('device-missing', 'BROKEN', 'the tunnel device is missing', 'let the agent make it again'),
  code('device-down', 'BROKEN', 'the tunnel device is down', 'bring it up'),
  code(
    'device-differs',
    'DEGRADED',
    'an attribute of the tunnel device is not as decided',
    'let the agent repair it',
  ),
  code(
    'device-foreign',
    'BROKEN',
    'a device of another kind has the name of our tunnel device',
    'remove or rename the foreign device',
  ),
  code(
    'tunnel-address-missing',
    'BROKEN',
    'the tunnel device has no tunnel address: the kernel drops asymmetric arrivals and our routes lose their source',
    'let the agent put it back',
  ),
  code(
    'address-duplicate',
    'BROKEN',
    'an overlay address of the peer is also on this node',
    'remove the address here',
  ),
  code('ipv6-disabled', 'BROKEN', 'IPv6 is switched off on the device', 'switch it on'),
  code(
    'neighbour-missing',
    'BROKEN',
    "the neighbour entry (next hop → the peer's MAC) is missing",
    'let the agent write it again',
  ),
  code(
    'neighbour-wrong',
    'BROKEN',
    'the neighbour entry has a wrong MAC: the peer drops such frames',
    'let the agent write it again',
  ),
  code(
    'fdb-missing',
    'BROKEN',
    "the forwarding entry (MAC → the peer's outer address) is missing",
    'let the agent write it again',
  ),
  code(
    'fdb-wrong',
    'BROKEN',
    'the forwarding entry is stale: frames go to another outer address',
    'let the agent write it again',
  ),
  code(
    'fdb-foreign',
    'DEGRADED',
    'a forwarding entry of somebody else copies or diverts frames',
    'delete the entry',
  ),
  code(
    'reverse-path-strict',
    'BROKEN',
    'a strict reverse-path filter drops what arrives another way than it would leave',
    'make the filter loose',
  ),
  code(
    'reverse-path-differs',
    'DEGRADED',
    'a reverse-path filter is not as decided',
    'let the agent write it again',
  ),
  // Packet filters.
  code(
    'guard-differs',
    'BROKEN',
    'the rules of our own guard are not those that the configuration asks for',
    'let the agent write them again',
  ),
  code(
    'filter-drops-tunnel',
    'BROKEN',
    "somebody else's packet filter drops tunnel packets",
    'admit them there',
  ),
  code(
    'filter-drops-overlay',
    'BROKEN',
    "somebody else's packet filter drops overlay packets",
    'admit them there',
  ),
  code(
    'masquerade-hits-overlay',
    'DEGRADED',
    "somebody else's masquerade rule rewrites overlay packets: peers see another source, or their guards drop them",
    'exclude the overlay from it',
  ),
] as const;
