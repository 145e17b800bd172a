/**
 * A tap: copies of the packets that pass the devices of this node, by an AF_PACKET socket.
 *
 * Where on a packet's way it looks (net/core/dev.c):
 *
 *     out   after routing, all of netfilter and the queue, right before the driver: what is seen
 *           left this node's kernel; what a rule here drops on its way out is not seen
 *     in    right behind the driver, before tc, netfilter and routing: what is seen arrived, also
 *           when the guard drops it a moment later
 *
 * On a tunnel device `out` is the inner packet before it is encapsulated, `in` the inner packet after
 * it was taken out, which means that the guard had let the outer one in.
 *
 * `stray` came in for a MAC address that is not the device's: the kernel drops it unseen.
 */
import { endianness } from 'node:os';
import { type Watcher, nativeAddon, watchHow } from '../native/addon.js';
import { SystemCallError } from '../native/errno.js';
import { inNetns } from '../native/netns.js';
import type { FilterProgram } from './filter.js';

/** linux/if_ether.h */
const ETH_P_ALL = 3;
/** linux/if_packet.h: types of packet, beside those for this host. */
const PACKET_OTHERHOST = 3;
const PACKET_OUTGOING = 4;
/** linux/if_arp.h: devices whose frames begin with an Ethernet header. */
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

/**
 * struct sockaddr_ll lies right before each frame (see selvage.c): family 2 · protocol 2 · device 4
 * · hardware type 2 · packet type 1 · address length 1 · address 8.
 */
const linkAddressBytes = 20;
const deviceAt = -16;
const hardwareTypeAt = -12;
const packetTypeAt = -10;

/** Room for it, and frames aligned behind it. */
const headroomBytes = Math.ceil(linkAddressBytes / 8) * 8;
const framesPerWakeUp = 32;
const slabBytes = 2 * 65_536 + framesPerWakeUp * headroomBytes;
const receiveBufferBytes = 1024 * 1024;
const EPERM = 1;

export interface TappedFrame {
  readonly device: string;
  readonly way: 'in' | 'out' | 'stray';
  readonly link: 'ethernet' | 'ip';
  /** Good only until the listener returns. */
  readonly bytes: Uint8Array;
}

export interface TapOptions {
  readonly filter: FilterProgram;
  /** Undefined: all of the namespace, also those that come later. */
  readonly device?: string;
  /** A name or a path; undefined: the current one. */
  readonly netns?: string;
  /** It closes by itself then, whatever becomes of its owner. */
  readonly limitMs: number;
  readonly onFrame: (frame: TappedFrame) => void;
  /** Reading has stopped before its time, e.g. with the one device that was named. */
  readonly onFailed?: (error: SystemCallError) => void;
}

export interface Tap {
  /** Packets of the filter that there was no room for so far. */
  readonly lost: number;
  close(): void;
}

export function openTap(options: TapOptions): Tap {
  const addon = nativeAddon();
  const { fd, device } = inNetns(options.netns, () => ({
    fd: addon.packetSocket(receiveBufferBytes),
    device: options.device === undefined ? 0 : addon.deviceIndex(options.device),
  }));
  if (fd < 0)
    throw new SystemCallError(
      'cannot open a packet socket',
      -fd,
      -fd === EPERM ? 'needs CAP_NET_RAW' : undefined,
    );
  const check = (result: number, action: string): void => {
    if (result >= 0) return;
    addon.closeFd(fd);
    throw new SystemCallError(action, -result);
  };
  check(device, `cannot tap ${options.device}`);
  // The filter first: without one, packets of others would be waiting already.
  check(addon.packetFilter(fd, options.filter), 'cannot filter what a packet socket hears');
  check(addon.packetBind(fd, device, ETH_P_ALL), 'cannot bind a packet socket');

  const slab = new Uint8Array(slabBytes);
  const view = new DataView(slab.buffer);
  const little = endianness() === 'LE';
  const table = new Uint32Array(2 * framesPerWakeUp);
  const names = new Map<number, string>();
  const nameOf = (index: number): string => {
    let name = names.get(index);
    if (name === undefined) {
      name = inNetns(options.netns, () => addon.deviceName(index)) ?? `#${index}`;
      names.set(index, name);
    }
    return name;
  };
  const frameAt = (offset: number, length: number): TappedFrame => {
    const hardware = view.getUint16(offset + hardwareTypeAt, little);
    const type = slab[offset + packetTypeAt];
    return {
      device: nameOf(view.getInt32(offset + deviceAt, little)),
      way: type === PACKET_OUTGOING ? 'out' : type === PACKET_OTHERHOST ? 'stray' : 'in',
      link: hardware === ARPHRD_ETHER || hardware === ARPHRD_LOOPBACK ? 'ethernet' : 'ip',
      bytes: slab.subarray(offset, offset + length),
    };
  };

  let lost = 0;
  const countLost = (): void => {
    if (watcher !== undefined) lost += Math.max(0, addon.packetDrops(fd));
  };
  let watcher: Watcher | undefined = addon.watch(
    fd,
    watchHow.packet,
    slab,
    table,
    headroomBytes,
    (count, errno) => {
      for (let i = 0; i < count && watcher !== undefined; i++)
        options.onFrame(frameAt(table[2 * i]!, table[2 * i + 1]!));
      if (errno !== 0) options.onFailed?.(new SystemCallError('reading a packet socket', errno));
    },
  );
  addon.keepAlive(watcher, 0);
  const close = (): void => {
    if (watcher === undefined) return;
    countLost();
    clearTimeout(timer);
    addon.unwatch(watcher);
    watcher = undefined;
  };
  const timer = setTimeout(close, options.limitMs).unref();
  return {
    get lost() {
      countLost();
      return lost;
    },
    close,
  };
}
