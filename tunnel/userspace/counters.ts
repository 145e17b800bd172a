/**
 * What the data plane counts, by the reason; `status` shows all of them and none is ever reset.
 */
export const counterNames = [
  // Towards the underlay: from the TUN device, in the order of the checks.
  'sent',
  'tun-malformed',
  'tun-not-ipv4',
  'tun-ttl-expired',
  /** No route but a multicast or broadcast destination: nobody is told. */
  'tun-not-unicast',
  'tun-no-peer',
  /** Our own outer packet came back: the route to the peer leads into its own tunnel. */
  'tun-loop',
  'tun-too-big',
  /** Packets cut to fit, and the pieces that were made of them. */
  'tun-fragmented',
  'tun-fragments',

  // From the underlay, in the order of the checks.
  'received',
  'outer-malformed',
  'outer-not-local',
  'outer-foreign-source',
  'inner-malformed',
  'inner-not-ipv4',
  'inner-foreign-source',
  'inner-ttl-expired',
  /** Congestion met by a packet that cannot show it (RFC 6040). */
  'ecn-dropped',
  /** TCP packets that the NIC had merged, cut again, and their checksum put right. */
  'inner-checksum-completed',
  'inner-unmerged',

  // ICMP errors.
  'icmp-sent',
  'icmp-rate-limited',
  'icmp-received',
  'icmp-ignored',
  'icmp-relayed',
  'path-mtu-lowered',

  // The system calls.
  'send-failed',
  'send-queue-full',
  'send-too-big',
  'tun-write-failed',
] as const;

export type CounterName = (typeof counterNames)[number];
export type Counters = Record<CounterName, number>;

export function newCounters(): Counters {
  return Object.fromEntries(counterNames.map((name) => [name, 0])) as Counters;
}
