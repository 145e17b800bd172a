/**
 * The kernel of a network namespace, over rtnetlink. One request socket for what is read as a whole,
 * one for what changes and for small questions, and one more for each watcher.
 */
import { closeSync, openSync } from 'node:fs';
import type { Kernel, OwnLink } from './kernel.js';
import { ownKinds } from './link-kinds/index.js';
import { createApplier } from './netlink/apply.js';
import { dumpDetails, dumpWithDetails } from './netlink/details.js';
import { dumpAll, dumpLinks } from './netlink/dump.js';
import { KernelError } from './netlink/error.js';
import { type NetlinkKind, readLink, writeGetLink, writeProbeKind } from './netlink/link.js';
import { lookupRoute } from './netlink/lookup.js';
import { sysctlsOf } from './netlink/sysctl.js';
import { type RequestSocket, openRequestSocket } from './netlink/transport.js';
import { watchKernel } from './netlink/watch.js';

export interface RealKernelOptions {
  /** Name (as `ip netns` has it) or path of a network namespace; the process's own by default. */
  readonly netns?: string;
  /** Receive buffer of every socket; 8 MB by default, 20 MB where it listens; small values provoke losses. */
  readonly receiveBufferBytes?: number;
}

/** Opens the sockets; needs CAP_NET_ADMIN (and CAP_SYS_ADMIN to enter another namespace). */
export function openKernel(options: RealKernelOptions = {}): Kernel {
  const { netns, receiveBufferBytes } = options;
  const socket = openRequestSocket({ netns, receiveBufferBytes });
  // Of its own: whoever writes need not wait until ten thousand routes have been read.
  const reading = openRequestSocket({ netns, receiveBufferBytes });
  const sysctls = sysctlsOf(netns);
  const applier = createApplier({ socket, sysctls, netns });
  const watchers = new Set<{ close(): void }>();

  async function linkNames(): Promise<ReadonlyMap<number, string>> {
    const links = await dumpLinks(socket);
    return new Map(links.map(({ index, link }) => [index, link.name]));
  }

  async function nameOf(index: number): Promise<string> {
    let name = `if${index}`;
    await socket.request(`look up device ${index}`, {
      write: (writer, sequence) => writeGetLink(writer, { sequence, device: index }),
      onMessage: (message) => {
        name = readLink(message).name;
      },
    });
    return name;
  }

  return {
    dump: (interest) => dumpAll(reading, interest),
    details: (interest) => dumpDetails(reading, interest),
    read: (interest) => dumpWithDetails(reading, interest),
    apply: (ops) => applier.apply(ops),
    readSysctl: (path) => sysctls.read(path),
    lookup: (destination, { from } = {}) => lookupRoute(socket, { destination, from, nameOf }),

    watch(listener, { expected } = {}) {
      const watcher = watchKernel({
        netns,
        listener,
        expected,
        linkNames,
        receiveBufferBytes,
      });
      watchers.add(watcher);
      return {
        close() {
          watchers.delete(watcher);
          watcher.close();
        },
      };
    },

    probeKinds: () => probeKinds(socket),

    close() {
      for (const watcher of watchers) watcher.close();
      watchers.clear();
      socket.close();
      reading.close();
    },
  };
}

/**
 * Asks for a device of each kind with a parameter that its own code refuses: the answer tells
 * whether that code is there, and nothing is ever made, so that a plan writes nothing and nobody
 * who watches sees a device come and go.
 */
async function probeKinds(socket: RequestSocket): Promise<ReadonlySet<OwnLink['kind']>> {
  const found = new Set<OwnLink['kind']>();
  for (const kind of ownKinds)
    if (kind === 'tun' ? tunIsThere() : await answersFor(socket, kind)) found.add(kind);
  return found;
}

async function answersFor(socket: RequestSocket, kind: NetlinkKind): Promise<boolean> {
  try {
    await socket.request(`ask for the device kind ${kind}`, {
      write: (writer, sequence) => writeProbeKind(writer, { sequence, kind }),
      onMessage: () => undefined,
    });
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    if (error.code === 'EOPNOTSUPP') return false; // unknown device type
    if (error.code === 'EINVAL' || error.code === 'ERANGE') return true;
    throw error;
  }
  throw new Error(`the kernel took a device of kind ${kind} that it had to refuse`);
}

/** A TUN device is made through this file; ENOENT: not there, ENODEV or ENXIO: nothing behind it. */
function tunIsThere(): boolean {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') return false;
    throw error;
  }
}
