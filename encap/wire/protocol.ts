/**
 * Protocol numbers of the headers decoded here: the IPv4 protocol field and the IPv6 next header
 * share one registry (IANA "Assigned Internet Protocol Numbers").
 */
export const ipProtocol = Object.freeze({
  hopByHop: 0,
  icmp: 1,
  /** IPv4 in IP: RFC 2003. */
  ipv4: 4,
  tcp: 6,
  udp: 17,
  /** IPv6 in IP: RFC 4213 section 3, RFC 2473. */
  ipv6: 41,
  routing: 43,
  fragment: 44,
  icmpv6: 58,
  noNextHeader: 59,
  destinationOptions: 60,
});

/** IEEE 802 EtherTypes. */
export const etherType = Object.freeze({
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ipv6: 0x86dd,
  serviceVlan: 0x88a8,
});

export function isIpEtherType(type: number): boolean {
  return type === etherType.ipv4 || type === etherType.ipv6;
}
