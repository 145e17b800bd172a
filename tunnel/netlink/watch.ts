/**
 * Changes as the kernel announces them. An event says only what kind of object changed and on
 * which device: who listens dumps and compares, so equal events of one wake-up are one event.
 *
 * Lost notifications (ENOBUFS) are an event of their own. A NIC going down removes IPv4 routes
 * without announcing them, which is why link and netconf changes are part of this.
 */
import type { KernelChange, KernelEvent, WatchOptions as WatchChoice } from '../kernel.js';
import { text, u32, readAttributes, readU32 } from './attributes.js';
import { AF, IFLA, NETCONFA_IFINDEX, RTA, RTM, RTNLGRP } from './constants.js';
import type { Message } from './message.js';
import { fdbObject, neighbourObject, readNeighbour } from './neighbour.js';
import { readRoute, routeObject } from './route.js';
import { openEventSocket } from './transport.js';

type ChangedType = Extract<KernelEvent, { kind: 'changed' }>['type'];

const groups = Object.values(RTNLGRP);

/** Body sizes, before the attributes: ifinfomsg, rtmsg, netconfmsg. */
const IFINFOMSG_BYTES = 16;
const RTMSG_BYTES = 12;
const NETCONFMSG_BYTES = 4;

export interface WatchOptions {
  readonly netns: string | undefined;
  readonly receiveBufferBytes: number | undefined;
  /** Names of the devices that are there now; events wait for the first answer. */
  linkNames(): Promise<ReadonlyMap<number, string>>;
  listener(event: KernelEvent): void;
  readonly expected: WatchChoice['expected'];
}

export function watchKernel(options: WatchOptions): { close(): void } {
  const { listener } = options;
  let names: Map<number, string> | undefined;
  let closed = false;
  const early = new Map<number, string>();
  const gone = new Set<number>();
  /** Type and index of what changed and was not reported yet. */
  const pending = new Map<string, Change>();
  let lost = false;

  function isExpected(message: Message): boolean {
    const known = names;
    if (known === undefined) return false;
    return options.expected?.(() => readObject(message, (index) => known.get(index))) === true;
  }

  /** Reports what has gathered, once the names are known. */
  function report(): void {
    if (names === undefined || closed) return;
    const events = new Map<string, KernelEvent>();
    for (const { type, index } of pending.values()) {
      const device = index === undefined ? undefined : names.get(index);
      events.set(`${type} ${device ?? ''}`, { kind: 'changed', type, device });
    }
    pending.clear();
    for (const index of gone) names.delete(index);
    gone.clear();
    for (const event of events.values()) if (!closed) listener(event);
    if (lost && !closed) {
      lost = false;
      // A device may have come or been renamed among what was lost.
      void learnNames();
      listener({ kind: 'lost' });
    }
  }

  async function learnNames(): Promise<void> {
    let current: ReadonlyMap<number, string> = new Map();
    try {
      current = await options.linkNames();
    } catch {
      // Names are a convenience; the socket that failed reports to whoever uses it next.
    }
    names = new Map([...(names ?? []), ...current, ...early]);
    early.clear();
    report();
  }

  const socket = openEventSocket({
    netns: options.netns,
    groups,
    receiveBufferBytes: options.receiveBufferBytes,
    onMessage(message) {
      const change = readChange(message);
      if (change === undefined) return;
      const { index, name } = change;
      if (name !== undefined && index !== undefined) {
        (names ?? early).set(index, name);
        if (message.type === RTM.DELLINK) gone.add(index);
        else gone.delete(index);
      }
      const key = `${change.type} ${index ?? ''}`;
      if (pending.has(key) || isExpected(message)) return;
      pending.set(key, change);
    },
    onBatchEnd: report,
    onLost() {
      lost = true;
      report();
    },
  });
  void learnNames();
  return {
    close() {
      closed = true;
      socket.close();
    },
  };
}

/** Undefined: of another type, of a device without a name, or of a kind that no object of ours has. */
function readObject(
  message: Message,
  nameOf: (index: number) => string | undefined,
): KernelChange | undefined {
  switch (message.type) {
    case RTM.NEWROUTE:
    case RTM.DELROUTE: {
      const route = readRoute(message);
      const object = route === undefined ? undefined : routeObject(route, nameOf);
      if (object === undefined) return undefined;
      return { verb: message.type === RTM.NEWROUTE ? 'set' : 'delete', object };
    }
    case RTM.NEWNEIGH:
    case RTM.DELNEIGH: {
      const entry = readNeighbour(message);
      const device = nameOf(entry.index);
      if (device === undefined) return undefined;
      const isBridge = entry.family === AF.BRIDGE;
      const object = isBridge ? fdbObject(entry, device) : neighbourObject(entry, device);
      if (object !== undefined)
        return { verb: message.type === RTM.NEWNEIGH ? 'set' : 'delete', object };
      // On its way out a neighbour is told once more, without its state and MAC.
      const { address } = entry;
      if (isBridge || entry.permanent || address === undefined) return undefined;
      return { verb: 'delete', object: { type: 'neighbour', device, address, mac: '' } };
    }
    default:
      return undefined;
  }
}

interface Change {
  readonly type: ChangedType;
  readonly index: number | undefined;
  /** Given by messages about devices. */
  readonly name?: string | undefined;
}

function readChange(message: Message): Change | undefined {
  const { bytes, start, end } = message;
  switch (message.type) {
    case RTM.NEWLINK:
    case RTM.DELLINK: {
      // AF_BRIDGE: a bridge port's state, not the device.
      if (bytes[start] === AF.BRIDGE) return undefined;
      const name = text(readAttributes(bytes, start + IFINFOMSG_BYTES, end), IFLA.IFNAME);
      return { type: 'link', index: readU32(bytes, start + 4), name };
    }
    case RTM.NEWADDR:
    case RTM.DELADDR:
      return { type: 'address', index: readU32(bytes, start + 4) };
    case RTM.NEWNEIGH:
    case RTM.DELNEIGH: {
      const type = bytes[start] === AF.BRIDGE ? 'fdb' : 'neighbour';
      return { type, index: readU32(bytes, start + 4) };
    }
    case RTM.NEWROUTE:
    case RTM.DELROUTE:
      return {
        type: 'route',
        index: u32(readAttributes(bytes, start + RTMSG_BYTES, end), RTA.OIF),
      };
    case RTM.NEWNETCONF:
    case RTM.DELNETCONF: {
      const index = u32(readAttributes(bytes, start + NETCONFMSG_BYTES, end), NETCONFA_IFINDEX);
      // Negative: the "all" and "default" entries.
      return { type: 'netconf', index: index === undefined || index > 0x7fffffff ? 0 : index };
    }
    default:
      return undefined;
  }
}
