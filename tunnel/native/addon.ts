/**
 * Loads the native addon (`selvage.c`) and gives its functions their types.
 *
 * Looked for, in this order: the file that SELVAGE_ADDON names, the prebuilt one of the
 * package (`prebuilds/linux-ARCH/`), and where that is missing or does not load (another libc) a
 * locally built one (`build/linux-ARCH/`, made by `build.sh`). All from the package's root, so that it works from the sources and
 * from `dist/` alike. Nothing is loaded before the first call.
 */
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

declare const watcherBrand: unique symbol;
/** A watched descriptor; opaque. */
export interface Watcher {
  readonly [watcherBrand]: true;
}

/**
 * How `watch` reads: netlink datagrams of the kernel only, packets of a TUN device, or frames of a
 * packet socket, each with its `struct sockaddr_ll` (20 bytes) right before it in the headroom.
 */
export const watchHow = { netlink: 0, tun: 1, packet: 2 } as const;

/**
 * The functions of `selvage.c`. Numbers below zero are `-errno`. Datagrams lie in the slab at
 * `table[2 * i]` with length `table[2 * i + 1]`, and only until the callback returns.
 */
export interface Addon {
  /** `protocol`: NETLINK_* of linux/netlink.h. */
  netlinkSocket(protocol: number, receiveBufferBytes: number, sendBufferBytes: number): number;
  netlinkJoin(fd: number, group: number): number;
  tunOpen(name: string, extraFlags: number): number;
  tunPersist(fd: number, persist: 0 | 1): number;
  /** AF_PACKET, whole frames; it hears nothing before `packetBind`. */
  packetSocket(receiveBufferBytes: number): number;
  /** Classic BPF: an array of `struct sock_filter`, 8 bytes each. */
  packetFilter(fd: number, program: Uint8Array): number;
  /** Device 0 is all of them. `etherType`: ETH_P_* of linux/if_ether.h. */
  packetBind(fd: number, deviceIndex: number, etherType: number): number;
  packetSend(fd: number, frame: Uint8Array, deviceIndex: number): number;
  /** Packets lost for want of room since it was asked last. */
  packetDrops(fd: number): number;
  deviceIndex(name: string): number;
  deviceName(index: number): string | undefined;
  /** Moves the calling thread into the network namespace of the descriptor. */
  setns(fd: number): number;
  /** One call is one datagram. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  closeFd(fd: number): number;
  /** To a unix socket, never waiting; `@` stands before the name of an abstract one. */
  unixDatagram(path: string, bytes: Uint8Array): number;
  /**
   * Owns `fd` from now on. `errno` is 0, ENOBUFS (datagrams were dropped, reading goes on) or
   * fatal (reading has stopped).
   */
  watch(
    fd: number,
    how: number,
    slab: Uint8Array,
    table: Uint32Array,
    headroom: number,
    callback: (count: number, errno: number) => void,
  ): Watcher;
  /** Stops and closes the descriptor; to be called once. */
  unwatch(watcher: Watcher): void;
  /** May this watcher alone keep the process running? (1 at first) */
  keepAlive(watcher: Watcher, keep: 0 | 1): void;
}

let loaded: Addon | undefined;

/** The addon, loaded at the first call; throws with what was tried and what to do. */
export function nativeAddon(): Addon {
  loaded ??= load();
  return loaded;
}

/** Could the addon be loaded here? The text says why not. */
export function nativeAddonProblem(): string | undefined {
  try {
    nativeAddon();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Where the addon may be, best first. */
export function addonCandidates(root: string): readonly string[] {
  const platform = `${process.platform}-${process.arch}`;
  const named = process.env['SELVAGE_ADDON'];
  return [
    ...(named === undefined ? [] : [named]),
    join(root, 'tunnel/native/prebuilds', platform, 'selvage.node'),
    join(root, 'tunnel/native/build', platform, 'selvage.node'),
  ];
}

/** The nearest folder upwards that holds `package.json`. */
export function packageRoot(from: string = dirname(fileURLToPath(import.meta.url))): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json above ${from}`);
  }
}

function load(): Addon {
  const require = createRequire(import.meta.url);
  const root = packageRoot();
  const tried: string[] = [];
  for (const candidate of addonCandidates(root)) {
    if (!existsSync(candidate)) {
      tried.push(`${candidate}: no such file`);
      continue;
    }
    try {
      return require(candidate) as Addon;
    } catch (error) {
      tried.push(`${candidate}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    `cannot load the native addon for ${process.platform}-${process.arch}; tried\n  ` +
      `${tried.join('\n  ')}\n` +
      `build it with ${join(root, 'tunnel/native/build.sh')} (needs a C compiler and Node's headers)`,
  );
}
