/**
 * Small questions about the packet filter, asked of the kernel itself: `nft` lists sets of ten thousand
 * elements on its way to a counter, and a process is dear besides.
 *
 * A message is a struct nfgenmsg (linux/netfilter/nfnetlink.h) and its attributes:
 *
 *      0       1       2               4
 *     +-------+-------+---------------+
 *     | family|version| resource id   |
 *     +-------+-------+---------------+
 */
import { nested, readAttributes, text } from '../netlink/attributes.js';
import type { Attributes } from '../netlink/attributes.js';
import {
  NETLINK,
  NFNL,
  NFTA_COUNTER_PACKETS,
  NFTA_GEN_ID,
  NFTA_OBJ,
  NFTA_TABLE,
  NFT_MSG,
  NFT_OBJECT_COUNTER,
  NLM_F,
} from '../netlink/constants.js';
import { KernelError } from '../netlink/error.js';
import type { Message } from '../netlink/message.js';
import type { RequestSocket } from '../netlink/transport.js';
import { openRequestSocket } from '../netlink/transport.js';
import type { MessageWriter } from '../netlink/writer.js';

/** Answers of a few kilobytes. */
const receiveBufferBytes = 1 << 18;
/** linux/netfilter.h: NFPROTO_*, in nft's words. */
const families = new Map([
  [1, 'inet'],
  [2, 'ip'],
  [3, 'arp'],
  [5, 'netdev'],
  [7, 'bridge'],
  [10, 'ip6'],
]);

/**
 * The number of the ruleset. The kernel raises it with every transaction of anybody, those of
 * `iptables-nft` included (nf_tables_commit): as long as it stays, what was read of the rules is what
 * is there; only counters move without it. Undefined where the kernel does not tell.
 */
export async function rulesetGeneration(netns: string | undefined): Promise<number | undefined> {
  let generation: number | undefined;
  await ask(netns, (socket) =>
    socket.request('ask for the generation of the packet filter', {
      write: (writer, sequence) => write(writer, { sequence, type: NFT_MSG.GETGEN, flags: 0 }),
      onMessage: (message) => (generation = u32be(attributesOf(message).get(NFTA_GEN_ID))),
    }),
  );
  return generation;
}

/** `inet filter` and the like; undefined where the kernel does not tell. */
export async function tableNames(
  netns: string | undefined,
): Promise<readonly string[] | undefined> {
  return ask(netns, (socket) =>
    socket.dump('list the tables of the packet filter', {
      write: (writer, sequence) =>
        write(writer, { sequence, type: NFT_MSG.GETTABLE, flags: NLM_F.DUMP }),
      collect(message) {
        const family = families.get(message.bytes[message.start]!);
        const name = text(attributesOf(message), NFTA_TABLE);
        return family === undefined || name === undefined ? undefined : `${family} ${name}`;
      },
    }),
  );
}

/** Packets by counter of a table of the `inet` family; none where there is no such table. */
export async function tableCounters(
  table: string,
  netns: string | undefined,
): Promise<Readonly<Record<string, number>> | undefined> {
  const found = await ask(netns, (socket) =>
    socket.dump('read the counters of the packet filter', {
      write: (writer, sequence) =>
        write(writer, { sequence, type: NFT_MSG.GETOBJ, flags: NLM_F.DUMP }),
      collect(message) {
        const attributes = attributesOf(message);
        const name = text(attributes, NFTA_OBJ.NAME);
        const packets = nested(attributes, NFTA_OBJ.DATA)?.get(NFTA_COUNTER_PACKETS);
        if (families.get(message.bytes[message.start]!) !== 'inet') return undefined;
        if (text(attributes, NFTA_OBJ.TABLE) !== table || name === undefined) return undefined;
        if (u32be(attributes.get(NFTA_OBJ.TYPE)) !== NFT_OBJECT_COUNTER || packets?.length !== 8)
          return undefined;
        return [name, Number(view(packets).getBigUint64(0))] as const;
      },
    }),
  );
  return found && Object.fromEntries(found);
}

/** Undefined for a kernel without nf_tables, and for a process without the right to ask. */
async function ask<T>(
  netns: string | undefined,
  question: (socket: RequestSocket) => Promise<T>,
): Promise<T | undefined> {
  const options = { netns, protocol: NETLINK.NETFILTER, receiveBufferBytes };
  let socket: RequestSocket;
  try {
    socket = openRequestSocket(options);
  } catch {
    return undefined;
  }
  try {
    return await question(socket);
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  } finally {
    socket.close();
  }
}

function write(
  writer: MessageWriter,
  of: { readonly sequence: number; readonly type: number; readonly flags: number },
): void {
  const { type, ...options } = of;
  writer.begin((NFNL.SUBSYS_NFTABLES << 8) | type, { ...options, bodyBytes: NFNL.NFGENMSG_BYTES });
  writer.end();
}

function attributesOf({ bytes, start, end }: Message): Attributes {
  return readAttributes(bytes, start + NFNL.NFGENMSG_BYTES, end);
}

function u32be(value: Uint8Array | undefined): number | undefined {
  return value?.length === 4 ? view(value).getUint32(0) : undefined;
}

function view(value: Uint8Array): DataView {
  return new DataView(value.buffer, value.byteOffset, value.byteLength);
}
