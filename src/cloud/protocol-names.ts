/**
 * Names of IP protocols as firewall APIs write them, and their IANA numbers.
 *
 * Two names are traps. `ipip` is 4 at GCE and in Neutron since its number was corrected, while
 * IANA's list has IPIP as 94 (a protocol that nobody speaks); `ipv6-encap` is Neutron's old word
 * for 41. A number is always taken as it is, so that a rule with 94 stays one.
 */
const numbers: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  ipencap: 4,
  'ip-in-ip': 4,
  tcp: 6,
  egp: 8,
  udp: 17,
  dccp: 33,
  ipv6: 41,
  'ipv6-encap': 41,
  'ipv6-route': 43,
  'ipv6-frag': 44,
  rsvp: 46,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  'ipv6-icmp': 58,
  'ipv6-nonxt': 59,
  'ipv6-opts': 60,
  ospf: 89,
  pgm: 113,
  vrrp: 112,
  sctp: 132,
  udplite: 136,
};

/** Undefined: a word that is not known, which must not be taken for any protocol. */
export function protocolNumber(text: string): number | 'all' | undefined {
  const name = text.trim().toLowerCase();
  if (name === 'all' || name === 'any' || name === '*' || name === '-1') return 'all';
  if (/^\d{1,3}$/.test(name)) {
    const number = Number(name);
    return number <= 255 ? number : undefined;
  }
  return Object.hasOwn(numbers, name) ? numbers[name] : undefined;
}

/** `80` or `4789-4800` → the range; undefined: not one. */
export function portRange(
  text: string,
): { readonly from: number; readonly to: number } | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text.trim());
  if (match === null) return undefined;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  return from <= to && to <= 65_535 ? { from, to } : undefined;
}
