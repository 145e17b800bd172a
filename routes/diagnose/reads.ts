/**
 * What must be asked of the kernel about one pair besides a dump: its own answers for the packets
 * of the pair, and settings that nobody desires but that packets depend on.
 */
import type { Address } from '../../encap/address.js';
import type { KernelDetails } from '../../tunnel/kernel-details.js';
import type { KernelInterest } from '../../tunnel/kernel-interest.js';
import type { Kernel, RouteLookup } from '../../tunnel/kernel.js';

export interface PairReads {
  readonly details: KernelDetails;
  /** The kernel's answers by destination, for packets that this node sends itself. */
  readonly lookups: ReadonlyMap<string, RouteLookup | undefined>;
  /** Settings by path; a missing path does not exist. */
  readonly sysctls: ReadonlyMap<string, string>;
}

export interface PairReadsQuestion {
  /** Each with the source that its packets have, where this node has it. */
  readonly destinations: readonly {
    readonly to: Address;
    readonly from: Address | undefined;
  }[];
  readonly devices: readonly string[];
  /** Of the tables; all of them without. */
  readonly interest?: KernelInterest | undefined;
  /** Where they were read just now. */
  readonly details?: KernelDetails | undefined;
}

const hostSettings = [
  'net/ipv4/ip_forward',
  'net/ipv4/conf/all/forwarding',
  'net/ipv6/conf/all/forwarding',
  'net/ipv4/conf/all/rp_filter',
  'net/ipv4/icmp_echo_ignore_all',
  'net/ipv6/icmp/echo_ignore_all',
  'net/netfilter/nf_conntrack_count',
  'net/netfilter/nf_conntrack_max',
];

export async function readPair(kernel: Kernel, question: PairReadsQuestion): Promise<PairReads> {
  const details = question.details ?? (await kernel.details(question.interest));
  const lookups = new Map<string, RouteLookup | undefined>();
  for (const { to, from } of question.destinations) {
    const own =
      from !== undefined && details.addresses.some(({ address }) => address.text === from.text);
    lookups.set(to.text, await kernel.lookup(to, own ? { from } : {}));
  }
  const sysctls = new Map<string, string>();
  const paths = [
    ...hostSettings,
    ...question.devices.flatMap((device) => [
      `net/ipv4/conf/${device}/rp_filter`,
      `net/ipv4/conf/${device}/forwarding`,
      `net/ipv6/conf/${device}/forwarding`,
      `net/ipv6/conf/${device}/disable_ipv6`,
    ]),
  ];
  for (const path of paths) {
    const value = kernel.readSysctl(path);
    if (value !== undefined) sysctls.set(path, value);
  }
  return { details, lookups, sysctls };
}
