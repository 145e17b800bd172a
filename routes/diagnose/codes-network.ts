/** Codes of what the two nodes disagree about, of their agents, and of what lies between them. */
import { codeEntry as code } from './code-entry.js';

export const networkCodes = [
  // The agents and what they were told.
  code(
    'agent-not-running',
    'DEGRADED',
    'no agent runs on the node: what breaks there stays broken',
    'start the agent',
  ),
  code(
    'peer-agent-not-running',
    'DEGRADED',
    'the peer is there, but nothing listens on its control port',
    'start the agent of the peer',
  ),
  code(
    'peer-agent-silent',
    'DEGRADED',
    'the agent of the peer does not answer: it hangs, or a filter drops its control port',
    'look at the agent of the peer, then at the filters between the two',
  ),
  code(
    'control-port-blocked',
    'DEGRADED',
    'a filter between the agents drops their control port',
    'admit the control port between the nodes',
  ),
  code(
    'config-differs',
    'DEGRADED',
    'the two nodes work from different configurations',
    'give both nodes the same cluster file',
  ),
  code(
    'vni-differs',
    'BROKEN',
    'the VXLAN network identifier is not the same at both ends',
    'give both ends the VNI of the cluster file',
  ),
  code(
    'vxlan-port-differs',
    'BROKEN',
    'the VXLAN port is not the same at both ends',
    'give both ends the port of the cluster file',
  ),
  code(
    'asymmetric-modes',
    'DEGRADED',
    'packets travel one way in one mode and come back in another',
    'make the rule hold for both directions (between: instead of from: and to:)',
  ),
  code(
    'probe-avoids',
    'DEGRADED',
    'probes were lost on the way that would be taken, and another one is taken',
    'find out why it is lost; it is taken again by itself when probes pass',
  ),
  code('no-way-back', 'BROKEN', 'the peer has no way back', 'look at the decision of the peer'),
  // The underlay as this node has it.
  code(
    'underlay-route-missing',
    'BROKEN',
    "the kernel has no route to the peer's underlay address",
    'add the route',
  ),
  code(
    'underlay-route-foreign',
    'BROKEN',
    "a route of somebody else drops packets to the peer's underlay address",
    'delete the route',
  ),
  code(
    'underlay-route-recursive',
    'BROKEN',
    "the way to the peer's underlay address leads through our own tunnel",
    'delete the route that does so',
  ),
  code(
    'underlay-route-elsewhere',
    'BROKEN',
    "packets to the peer's underlay address leave by another device than the one with our address",
    'correct the route',
  ),
  code(
    'underlay-neighbour-unresolved',
    'BROKEN',
    'nobody on the link answers for the next hop',
    'look at the next hop, the cable and the VLAN',
  ),
  code(
    'underlay-neighbour-static',
    'BROKEN',
    'the MAC of the next hop is written by hand, and packets are lost there',
    'delete the entry',
  ),
  code(
    'duplicate-node-address',
    'BROKEN',
    "a node's underlay address is in use twice",
    'take the address away from the other host',
  ),
  code(
    'path-mtu-learned',
    'DEGRADED',
    'the kernel holds a smaller path MTU towards the peer than the decision counts on',
    'correct the MTU of the link in the cluster file, or clear the entry',
  ),
  code(
    'underlay-address-missing',
    'BROKEN',
    "no device of the node has the node's underlay address",
    'put the address back, or correct the cluster file',
  ),
  code('nic-missing', 'BROKEN', 'the NIC is gone', 'bring it back'),
  code('nic-down', 'BROKEN', 'the NIC is down', 'bring it up'),
  code(
    'nic-no-carrier',
    'BROKEN',
    'the NIC has no carrier',
    'look at the cable, the switch port, the virtual link',
  ),
  code('nic-arp-off', 'BROKEN', 'the NIC neither sends nor answers ARP requests', 'switch ARP on'),
  code(
    'nic-mtu-small',
    'DEGRADED',
    "the NIC's MTU is smaller than the decision counts on",
    'raise it, or declare it in the cluster file',
  ),
  code(
    'nic-hook',
    'BROKEN',
    'a program or bridge takes packets at the NIC before anything of ours sees them, and packets are lost there',
    'take it off the NIC, or let it pass tunnel packets',
  ),
  // The underlay between the nodes.
  code(
    'underlay-unreachable',
    'BROKEN',
    'nothing of the peer answers on the underlay',
    'look at the peer itself and at the network between',
  ),
  code(
    'underlay-lossy',
    'DEGRADED',
    'some packets are lost on the underlay',
    'look at the links between: load, errors, one of several paths',
  ),
  code(
    'underlay-drops-icmp',
    'DEGRADED',
    'the underlay drops ICMP between the nodes: traffic passes, path MTU discovery does not work',
    'admit ICMP between the nodes, "fragmentation needed" above all',
  ),
  code(
    'underlay-drops-ipip',
    'BROKEN',
    'the underlay passes other packets and drops IP protocol 4',
    'admit protocol 4 (security group, firewall), or use VXLAN',
  ),
  code(
    'underlay-drops-ipv6-in-ipv4',
    'BROKEN',
    'the underlay passes other packets and drops IP protocol 41',
    'admit protocol 41, or use VXLAN',
  ),
  code(
    'underlay-drops-vxlan',
    'BROKEN',
    'the underlay passes other packets and drops the UDP port of VXLAN',
    'admit the port (security group, firewall), use another port, or another mode',
  ),
  code(
    'underlay-drops-native',
    'BROKEN',
    "the underlay passes the nodes' own addresses and drops overlay addresses",
    'switch the source/destination check off and give the fabric the routes, or encapsulate',
  ),
  code(
    'source-destination-check',
    'BROKEN',
    'the underlay drops packets whose addresses are not the NIC’s own',
    'switch the check off, or encapsulate',
  ),
  code(
    'fabric-without-route',
    'BROKEN',
    'a router of the underlay does not know the overlay prefix',
    'give the fabric the route, or encapsulate',
  ),
  code(
    'path-mtu-black-hole',
    'BROKEN',
    'large packets vanish without a word',
    'declare the real MTU of the link, or let ICMP "fragmentation needed" pass',
  ),
  code(
    'path-mtu-smaller',
    'DEGRADED',
    'the path carries smaller packets than the decision counts on',
    'declare the real MTU of the link',
  ),
  // Known to be lost, and not yet why.
  code(
    'lost-in-sender',
    'UNDETERMINED',
    'packets vanish inside of the sender, and all its state is as it should be',
    'follow one packet on the sender',
  ),
  code(
    'lost-in-receiver',
    'UNDETERMINED',
    'packets reach the receiver and vanish there, and all its state is as it should be',
    'follow one packet on the receiver',
  ),
  code(
    'lost-on-the-way',
    'UNDETERMINED',
    'packets are lost somewhere between the two nodes',
    'probe from the other node too',
  ),
  code(
    'echo-lost',
    'UNDETERMINED',
    'packets pass both ways, and echo requests stay without an answer',
    'look at what filters ICMP on the two nodes',
  ),
] as const;
