/**
 * A few elements of the guard's sets come and go: one transaction of our own making, as a process
 * that reads ten thousand elements on its way to one is dear (linux/netfilter/nf_tables.h, nfnetlink.h).
 *
 * A transaction is a run of messages between BATCH_BEGIN and BATCH_END. The first names the
 * generation of the ruleset that it is meant for: where anybody has written since, the kernel refuses
 * it (ERESTART), so what was read of the rules is still so afterwards, but for these elements.
 *
 * The key of an element of a concatenated interval set is its first values one behind the other,
 * and the last ones are a key of their own. A plain interval set has an element where an interval
 * begins, and one with a flag where it has ended.
 */
import type { Address } from '../../encap/address.js';
import type { Prefix } from '../../encap/prefix.js';
import { firstAddress, lastAddress } from '../../encap/prefix.js';
import {
  NETLINK,
  NFNL,
  NFNL_BATCH_GENID,
  NFNL_MSG,
  NFPROTO_INET,
  NFTA_DATA_VALUE,
  NFTA_LIST_ELEM,
  NFTA_SET_ELEM,
  NFTA_SET_ELEM_LIST,
  NFT_MSG,
  NFT_SET_ELEM_INTERVAL_END,
  NLM_F,
} from '../netlink/constants.js';
import { KernelError } from '../netlink/error.js';
import { openRequestSocket } from '../netlink/transport.js';
import type { MessageWriter } from '../netlink/writer.js';
import type { Exchange, GuardDelta } from './guard.js';
import { guardTable } from './names.js';
import { nativeToSet, pairElement, prefixElement } from './nft-program.js';

export interface SetElement {
  /** As the program and a listing have it. */
  readonly text: string;
  /** As the kernel has it: keys, and where they end. */
  readonly keys: readonly ElementKey[];
}

interface ElementKey {
  readonly key: Uint8Array;
  readonly last?: Uint8Array;
  readonly isEnd?: true;
}

export interface SetExchange extends Exchange<SetElement> {
  /** By its first name, see nft-renewal.ts. */
  readonly set: string;
}

/** The elements that a delta is; sets in which nothing changes are left out. */
export function setExchanges(delta: GuardDelta): readonly SetExchange[] {
  const { pairs, outers, nodes, native, nativeTo } = delta;
  const found: SetExchange[] = [];
  const note = <T>(
    set: string,
    { gone, come }: Exchange<T>,
    of: { readonly wanted: (item: T) => boolean; readonly element: (item: T) => SetElement },
  ): void => {
    const elements = (items: readonly T[]): SetElement[] => items.filter(of.wanted).map(of.element);
    const exchange = { set, gone: elements(gone), come: elements(come) };
    if (exchange.gone.length + exchange.come.length > 0) found.push(exchange);
  };
  for (const family of [4, 6] as const) {
    for (const inner of [4, 6] as const)
      note(`pair${family}${inner}`, pairs, {
        wanted: (pair) => pair.outer.family === family && pair.inner.family === inner,
        element: (pair) => ({
          text: pairElement(pair),
          keys: [
            {
              key: Buffer.concat([pair.outer.bytes, firstAddress(pair.inner).bytes]),
              last: Buffer.concat([pair.outer.bytes, lastAddress(pair.inner).bytes]),
            },
          ],
        }),
      });
    const ofFamily = { wanted: (item: Address | Prefix) => item.family === family };
    const address = ({ text, bytes }: Address): SetElement => ({ text, keys: [{ key: bytes }] });
    note(`outer${family}`, outers, { ...ofFamily, element: address });
    note(`node${family}`, nodes, { ...ofFamily, element: address });
    note(`native${family}`, native, { ...ofFamily, element: interval });
    note(`${nativeToSet}${family}`, nativeTo, { ...ofFamily, element: interval });
  }
  return found;
}

function interval(prefix: Prefix): SetElement {
  const end = after(lastAddress(prefix).bytes);
  return {
    text: prefixElement(prefix),
    keys: [
      { key: firstAddress(prefix).bytes },
      ...(end === undefined ? [] : [{ key: end, isEnd: true as const }]),
    ],
  };
}

/** The next address; undefined behind the last one. */
function after(bytes: Uint8Array): Uint8Array | undefined {
  const next = Uint8Array.from(bytes);
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = (next[i]! + 1) & 0xff;
    if (next[i] !== 0) return next;
  }
  return undefined;
}

/** More than these are the business of a whole transaction. */
export const exchangedElementsMax = 400;

/** False where the kernel refuses it, and then nothing was changed. */
export async function exchangeElements(
  exchanges: readonly SetExchange[],
  options: { readonly netns: string | undefined; readonly generation: number },
): Promise<boolean> {
  const { netns, generation } = options;
  const protocol = NETLINK.NETFILTER;
  const socket = openRequestSocket({ netns, protocol, receiveBufferBytes: 1 << 18 });
  try {
    await socket.request('change elements of the guard', {
      write(writer, sequence) {
        batchEdge(writer, { type: NFNL_MSG.BATCH_BEGIN, sequence, generation });
        const messages = exchanges.flatMap(({ set, gone, come }) => [
          // Deletions first: a prefix may be replaced by one that overlaps it.
          ...(gone.length === 0 ? [] : [{ set, elements: gone, verb: 'delete' as const }]),
          ...(come.length === 0 ? [] : [{ set, elements: come, verb: 'add' as const }]),
        ]);
        // The acknowledgement of the last one ends the exchange, whatever a kernel does at the edge.
        for (const [i, message] of messages.entries())
          elementMessage(writer, { ...message, sequence, acknowledge: i + 1 === messages.length });
        batchEdge(writer, { type: NFNL_MSG.BATCH_END, sequence });
      },
    });
    return true;
  } catch (error) {
    if (error instanceof KernelError) return false;
    throw error;
  } finally {
    socket.close();
  }
}

function batchEdge(
  writer: MessageWriter,
  edge: { readonly type: number; readonly sequence: number; readonly generation?: number },
): void {
  const { type, sequence, generation } = edge;
  const body = writer.begin(type, { flags: 0, sequence, bodyBytes: NFNL.NFGENMSG_BYTES });
  // The subsystem is the resource, in network byte order.
  writer.setU8(body + 3, NFNL.SUBSYS_NFTABLES);
  if (generation !== undefined) writer.data(NFNL_BATCH_GENID, u32be(generation));
  writer.end();
}

function elementMessage(
  writer: MessageWriter,
  message: {
    readonly set: string;
    readonly elements: readonly SetElement[];
    readonly verb: 'add' | 'delete';
    readonly sequence: number;
    readonly acknowledge: boolean;
  },
): void {
  const { set, elements, verb, sequence, acknowledge } = message;
  const type = verb === 'add' ? NFT_MSG.NEWSETELEM : NFT_MSG.DELSETELEM;
  const flags = (verb === 'add' ? NLM_F.CREATE : 0) | (acknowledge ? NLM_F.ACK : 0);
  const options = { flags, sequence, bodyBytes: NFNL.NFGENMSG_BYTES };
  const body = writer.begin((NFNL.SUBSYS_NFTABLES << 8) | type, options);
  writer.setU8(body, NFPROTO_INET);
  writer.string(NFTA_SET_ELEM_LIST.TABLE, guardTable);
  writer.string(NFTA_SET_ELEM_LIST.SET, set);
  writer.nest(NFTA_SET_ELEM_LIST.ELEMENTS, () => {
    for (const { keys } of elements)
      for (const { key, last, isEnd } of keys)
        writer.nest(NFTA_LIST_ELEM, () => {
          if (isEnd === true) writer.data(NFTA_SET_ELEM.FLAGS, u32be(NFT_SET_ELEM_INTERVAL_END));
          writer.nest(NFTA_SET_ELEM.KEY, () => writer.data(NFTA_DATA_VALUE, key));
          if (last !== undefined)
            writer.nest(NFTA_SET_ELEM.KEY_END, () => writer.data(NFTA_DATA_VALUE, last));
        });
  });
  writer.end();
}

function u32be(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
