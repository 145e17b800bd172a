/**
 * The kernel of a network namespace, over rtnetlink. One request socket for everything that asks
 * and changes, and one more for each watcher.
 */
import { parseAddress } from '../encap/address.js';
import type { Kernel, OwnLink } from './kernel.js';
import { ownKinds } from './link-kinds/index.js';
import { type Applier, createApplier } from './netlink/apply.js';
import { dumpAll, dumpLinks } from './netlink/dump.js';
import { readLink, writeGetLink } from './netlink/link.js';
import { lookupRoute } from './netlink/lookup.js';
import { sysctlsOf } from './netlink/sysctl.js';
import { openRequestSocket } from './netlink/transport.js';
import { watchKernel } from './netlink/watch.js';

export interface RealKernelOptions {
  /** Name (as `ip netns` has it) or path of a network namespace; the process's own by default. */
  readonly netns?: string;
  /** Receive buffer of every socket; 8 MB by default, small values provoke losses. */
  readonly receiveBufferBytes?: number;
}

/** Opens the sockets; needs CAP_NET_ADMIN (and CAP_SYS_ADMIN to enter another namespace). */
export function openKernel(options: RealKernelOptions = {}): Kernel {
  const { netns, receiveBufferBytes } = options;
  const socket = openRequestSocket({ netns, receiveBufferBytes });
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
    dump: () => dumpAll(socket),
    apply: (ops) => applier.apply(ops),
    readSysctl: (path) => sysctls.read(path),
    lookup: (destination, { from } = {}) => lookupRoute(socket, { destination, from, nameOf }),

    watch(listener) {
      const watcher = watchKernel({
        netns,
        listener,
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

    probeKinds: () => probeKinds(applier),

    close() {
      for (const watcher of watchers) watcher.close();
      watchers.clear();
      socket.close();
    },
  };
}

const probeName = 'slprobe0';
/** Documentation addresses (RFC 5737, RFC 3849); the probe is never up. */
const probeLocal = { 4: parseAddress('192.0.2.1'), 6: parseAddress('2001:db8::1') } as const;

/** Creates a device of each kind, down and for a moment; the codes say why one cannot be had. */
async function probeKinds(applier: Applier): Promise<ReadonlySet<OwnLink['kind']>> {
  const found = new Set<OwnLink['kind']>();
  for (const kind of ownKinds) {
    const link = probeLink(kind);
    const [, created, removed] = await applier.apply([
      { verb: 'delete', object: link },
      { verb: 'set', object: link },
      { verb: 'delete', object: link },
    ]);
    const code = created?.failure?.code;
    // EEXIST: a namespace has one external ip6tnl device at most, and it is there already.
    if (code === undefined || code === 'EEXIST') found.add(kind);
    else if (!absentCodes.has(code))
      throw new Error(`cannot tell whether this kernel has ${kind}: ${created!.failure!.message}`);
    if (removed?.failure !== undefined)
      throw new Error(`the probe's device is left over: ${removed.failure.message}`);
  }
  return found;
}

/** EOPNOTSUPP: unknown device type. ENOENT, ENODEV, ENXIO: no /dev/net/tun, or nothing behind it. */
const absentCodes: ReadonlySet<string> = new Set(['EOPNOTSUPP', 'ENOENT', 'ENODEV', 'ENXIO']);

function probeLink(kind: OwnLink['kind']): OwnLink {
  const common = { type: 'link', name: probeName, mtu: 1400, up: false } as const;
  const tunnel = { ...common, ttl: 64, tos: 'inherit', pmtudisc: true } as const;
  switch (kind) {
    case 'vxlan':
      return {
        ...common,
        kind,
        mac: '02:00:00:00:00:01',
        vni: 0xffffff,
        port: 65535,
        local: probeLocal[4],
        parent: undefined,
        learning: false,
        df: 'set',
        ttl: 64,
        tos: 'inherit',
      };
    case 'ipip':
    case 'sit':
      return { ...tunnel, kind, local: probeLocal[4] };
    case 'ip6tnl':
      return { ...tunnel, kind, local: probeLocal[6] };
    case 'tun':
      return { ...common, kind };
  }
}
