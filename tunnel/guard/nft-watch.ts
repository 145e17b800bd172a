/** Changes of our own nftables table, as the kernel announces them. */
import { readAttributes, text } from '../netlink/attributes.js';
import { NETLINK, NFNL, NFTA_GEN_ID, NFTA_TABLE, NFT_MSG } from '../netlink/constants.js';
import { openEventSocket } from '../netlink/transport.js';
import { guardTable } from './names.js';

export interface GuardTableWatch {
  readonly netns: string | undefined;
  readonly listener: () => void;
  /** Is this generation of the ruleset one that we know the content of? */
  readonly isKnown: (generation: number) => boolean;
  /** Announcements were lost. */
  readonly onLost: () => void;
}

/** The generation comes last of a transaction's messages; without it, so long after them. */
const patienceMs = 20;

/** One call back for all changes of a wake-up. */
export function watchGuardTable(watch: GuardTableWatch): { close(): void } {
  const { netns, listener, isKnown, onLost } = watch;
  /** In the transaction whose messages are coming in. */
  let touched = false;
  let changed = false;
  let timer: NodeJS.Timeout | undefined;
  const forget = (): void => {
    clearTimeout(timer);
    timer = undefined;
    [touched, changed] = [false, false];
  };
  const tell = (): void => {
    forget();
    listener();
  };
  const socket = openEventSocket({
    netns,
    protocol: NETLINK.NETFILTER,
    groups: [NFNL.GROUP_NFTABLES],
    onMessage({ type, bytes, start, end }) {
      // The subsystem is the upper byte.
      if (changed || type >> 8 !== NFNL.SUBSYS_NFTABLES) return;
      const isGeneration = (type & 0xff) === NFT_MSG.NEWGEN;
      if (touched && !isGeneration) return;
      const attributes = readAttributes(bytes, start + NFNL.NFGENMSG_BYTES, end);
      if (isGeneration) {
        const generation = attributes.get(NFTA_GEN_ID);
        changed = touched && !(generation?.length === 4 && isKnown(readU32be(generation)));
        touched = false;
      } else touched = text(attributes, NFTA_TABLE) === guardTable;
    },
    onBatchEnd() {
      clearTimeout(timer);
      timer = undefined;
      if (changed) tell();
      // A large transaction takes many wake-ups.
      else if (touched) timer = setTimeout(() => touched && tell(), patienceMs);
    },
    onLost() {
      forget();
      onLost();
    },
  });
  return {
    close() {
      clearTimeout(timer);
      socket.close();
    },
  };
}

function readU32be(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0);
}
