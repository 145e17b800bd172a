/** Changes of our own nftables table, as the kernel announces them. */
import { readAttributes, text } from '../netlink/attributes.js';
import { NETLINK, NFNL, NFTA_TABLE } from '../netlink/constants.js';
import { openEventSocket } from '../netlink/transport.js';
import { guardTable } from './names.js';

/** One call back for all changes of a wake-up; also when announcements were lost. */
export function watchGuardTable(
  netns: string | undefined,
  listener: () => void,
): { close(): void } {
  let changed = false;
  return openEventSocket({
    netns,
    protocol: NETLINK.NETFILTER,
    groups: [NFNL.GROUP_NFTABLES],
    onMessage({ type, bytes, start, end }) {
      // The subsystem is the upper byte; generation messages name no table.
      if (changed || type >> 8 !== NFNL.SUBSYS_NFTABLES) return;
      const attributes = readAttributes(bytes, start + NFNL.NFGENMSG_BYTES, end);
      changed = text(attributes, NFTA_TABLE) === guardTable;
    },
    onBatchEnd() {
      if (changed) listener();
      changed = false;
    },
    onLost: listener,
  });
}
