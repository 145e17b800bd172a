/**
 * What of a kernel a question is about. Devices, addresses and policy rules are few; of what there is one
 * a peer a question about one pair needs a handful, and the rest is passed over unread.
 */
import type { Address } from '../encap/address.js';
import type { Prefix } from '../encap/prefix.js';

export interface KernelInterest {
  /** Routes to these, in any table; on VXLAN devices the neighbours that have one of them. */
  readonly addresses: readonly Address[];
  /** Routes inside of these too. */
  readonly within: readonly Prefix[];
  /** Forwarding entries of these MACs, and those for every MAC. */
  readonly macs: readonly string[];
}

/** An entry for frames whose MAC nobody knows. */
export const everyMac = '00:00:00:00:00:00';
