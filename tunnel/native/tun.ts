/**
 * A TUN device: the kernel's side is a network device without link layer, this side reads and
 * writes whole IP packets.
 *
 * Packets come in slabs of up to 64 a wake-up (one read each, no allocation). `headroom` bytes are
 * left free in front of each packet, so that an outer header can be written in place.
 */
import { type Watcher, nativeAddon, watchHow } from './addon.js';
import { SystemCallError } from './errno.js';
import { inNetns } from './netns.js';

/** linux/if_tun.h */
const IFF_MULTI_QUEUE = 0x0100;

const packetsPerWakeUp = 64;
const slabBytes = 64 * 2048 + 2 * 65536;
/** linux/if.h: IFNAMSIZ less the final zero. */
const nameLengthMax = 15;
const EBADFD = 77;
const EAGAIN = 11;

export interface TunOptions {
  /** Network namespace the device is made in: a name or a path. */
  readonly netns?: string;
  /** Attach as one of several queues. All who open the device must agree on it. */
  readonly multiQueue?: boolean;
  /** Free bytes in front of every packet in the slab; 0 by default. */
  readonly headroom?: number;
}

/** Packets of one wake-up; the bytes are valid only until the listener returns. */
export interface TunBatch {
  readonly count: number;
  /** Holds all packets. */
  readonly slab: Uint8Array;
  /** Where packet `index` begins in the slab; `headroom` writable bytes lie before it. */
  offset(index: number): number;
  length(index: number): number;
}

export interface TunListener {
  packets(batch: TunBatch): void;
  /** Reading has stopped: the device was deleted (EBADFD) or broke. */
  failed(error: SystemCallError): void;
}

export interface Tun {
  readonly name: string;
  /**
   * Sends one packet into the kernel. False when it was not taken: queue full (EAGAIN) or device
   * down (EIO), as a NIC would drop it.
   */
  write(slab: Uint8Array, offset?: number, length?: number): boolean;
  /** Keeps the device when the last descriptor closes, or no longer. */
  persist(keep: boolean): void;
  close(): void;
}

/** Opens (creates, or attaches to) a TUN device without packet information headers. */
export function openTun(
  name: string,
  options: TunOptions & { readonly listener: TunListener },
): Tun {
  const addon = nativeAddon();
  const fd = openDescriptor(name, options);
  const slab = new Uint8Array(slabBytes + packetsPerWakeUp * (options.headroom ?? 0));
  const table = new Uint32Array(2 * packetsPerWakeUp);
  let count = 0;
  const batch: TunBatch = {
    get count() {
      return count;
    },
    slab,
    offset: (index) => table[2 * index]!,
    length: (index) => table[2 * index + 1]!,
  };
  let watcher: Watcher | undefined = addon.watch(
    fd,
    watchHow.tun,
    slab,
    table,
    options.headroom ?? 0,
    (packets, errno) => {
      count = packets;
      if (packets > 0) options.listener.packets(batch);
      if (errno !== 0)
        options.listener.failed(
          new SystemCallError(`reading packets of TUN device ${name}`, errno, hint(errno)),
        );
    },
  );
  return {
    name,
    write(bytes, offset = 0, length = bytes.length - offset) {
      if (watcher === undefined) return false;
      return addon.write(fd, bytes, offset, length) === length;
    },
    persist(keep) {
      if (watcher !== undefined) setPersist(fd, { name, keep });
    },
    close() {
      if (watcher !== undefined) addon.unwatch(watcher);
      watcher = undefined;
    },
  };
}

/** Creates a TUN device that stays although nobody reads it yet; a data plane attaches later. */
export function createPersistentTun(name: string, options: TunOptions = {}): void {
  const fd = openDescriptor(name, options);
  try {
    setPersist(fd, { name, keep: true });
  } finally {
    nativeAddon().closeFd(fd);
  }
}

function openDescriptor(name: string, options: TunOptions): number {
  if (name.length === 0 || name.length > nameLengthMax)
    throw new RangeError(`a device name has 1 to ${nameLengthMax} characters, not "${name}"`);
  const flags = options.multiQueue === true ? IFF_MULTI_QUEUE : 0;
  const fd = inNetns(options.netns, () => nativeAddon().tunOpen(name, flags));
  if (fd < 0) throw new SystemCallError(`cannot open TUN device ${name}`, -fd, hint(-fd));
  return fd;
}

function setPersist(fd: number, options: { readonly name: string; readonly keep: boolean }): void {
  const result = nativeAddon().tunPersist(fd, options.keep ? 1 : 0);
  if (result < 0)
    throw new SystemCallError(`cannot make TUN device ${options.name} persistent`, -result);
}

function hint(errno: number): string | undefined {
  switch (errno) {
    case 1:
      return 'needs CAP_NET_ADMIN';
    case 2:
    case 19:
      return 'is there a /dev/net/tun (module tun)?';
    case 16:
      return 'another process holds it';
    case 22:
      return 'a device of that name exists and is of another kind or has other queue flags';
    case EAGAIN:
      return 'its queue is full';
    case EBADFD:
      return 'the device was deleted';
    default:
      return undefined;
  }
}
