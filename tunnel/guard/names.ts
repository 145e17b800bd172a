/**
 * Everything of ours that an operator meets in `nft list ruleset` or `iptables-save`, in one
 * place: the guard owns exactly what carries these names and touches nothing else.
 */

/** The nftables table, family `inet`. */
export const guardTable = 'selvage_guard';

/** Chains of ours in iptables' filter table start with this. */
export const iptablesPrefix = 'SELVAGE-';

/**
 * Why a packet was dropped; each reason has a counter of this name. The text completes "dropped:".
 */
export const dropReasons = {
  workload_tunnel: 'a tunnel packet from a device that is not a NIC of the underlay',
  tunnel_destination: 'a tunnel packet to an address that is not an underlay address of this node',
  outer_source: 'a tunnel packet from an address that is not a cluster node',
  outer_fragment: 'a fragment of a tunnel packet over IPv6',
  vxlan_flags: 'a VXLAN header without the I flag or with reserved bits set',
  inner_ethertype: 'a tunnelled frame that is neither IPv4 nor IPv6',
  inner_version: 'an inner header whose version contradicts the header before it',
  inner_source: 'an inner source that does not belong to the node that sent it',
  native_source: 'an overlay source on a NIC that no rule lets in without encapsulation',
  workload_source: "a workload's packet with an overlay source that is not this node's",
  decap_source: "a decapsulated packet with one of this node's own sources",
  metadata: "a packet to the cloud's metadata service",
  native_leak: "a packet to another node's workload that would leave without its tunnel",
} as const;

export type DropReason = keyof typeof dropReasons;
export const dropReasonNames = Object.keys(dropReasons) as DropReason[];

/** Link-local IPv4 address of every cloud's metadata service, and AWS's IPv6 one. */
export const metadataAddresses = { 4: '169.254.169.254', 6: 'fd00:ec2::254' } as const;

/** What is logged where the kernel cannot translate; the guard itself holds without. */
export const noMasquerade =
  'this kernel cannot masquerade, so workloads leave the overlay with their own addresses; ' +
  'load its NAT modules, or set overlay.masquerade to false';
