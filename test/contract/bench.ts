/**
 * What the contract suite works on: a kernel, in memory or of a real network namespace, and the
 * means to interfere with it as others would. Both have the same NIC:
 *
 *     eth0  192.0.2.1/24  2001:db8::1/64
 */
import { isLinkLocal, parseAddress } from '../../encap/address.js';
import { tryParseInterfaceAddress } from '../../encap/prefix.js';
import { createFakeKernel } from '../../tunnel/fake-kernel.js';
import { formatObject } from '../../tunnel/format.js';
import type {
  AddressObject,
  Kernel,
  KernelEvent,
  KernelState,
  Op,
  OwnLink,
  RouteObject,
  VxlanLink,
} from '../../tunnel/kernel.js';
import { openKernel } from '../../tunnel/real-kernel.js';
import { type Namespace, type Teardown, createNamespace, vethPair } from '../support/netns.js';

/** The protocol number that stands for ours here. */
export const ours = 83;
/** RTPROT_STATIC, of an administrator. */
export const foreign = 4;
export const nic = 'eth0';
/** The other end of its cable, in a real namespace; named so that no machine has it. */
const peerNic = 'contract-end';
const nicAddresses = ['192.0.2.1/24', '2001:db8::1/64'];

export interface Bench {
  readonly name: string;
  readonly kernel: Kernel;
  /** The real namespace, where there is one. */
  readonly namespace: Namespace | undefined;
  /** The same objects, set or deleted by somebody else. */
  outside(ops: readonly Op[]): void;
  setNicUp(up: boolean): void;
  /** Makes a watcher lose notifications. */
  overflow(watchers: Kernel): Promise<void>;
  /** A kernel of the same namespace whose watchers lose notifications easily. */
  forgetful(): Kernel;
}

export function memoryBench(): Bench {
  const interfaceAddress = (text: string) => {
    const parsed = tryParseInterfaceAddress(text);
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed;
  };
  const kernel = createFakeKernel({
    nics: [{ name: nic, addresses: nicAddresses.map(interfaceAddress) }],
  });
  return {
    name: 'in memory',
    kernel,
    namespace: undefined,
    outside: (ops) => kernel.outside(ops),
    setNicUp: (up) => kernel.setNic({ name: nic, up }),
    forgetful: () => kernel,
    overflow: () => {
      kernel.loseEvents();
      return Promise.resolve();
    },
  };
}

export function namespaceBench(t: Teardown): Bench {
  const namespace = createNamespace(t);
  vethPair(
    { namespace, device: nic, addresses: nicAddresses },
    { namespace, device: peerNic, addresses: [] },
  );
  const kernel = openKernel({ netns: namespace.name });
  t.teardown(() => kernel.close());
  return {
    name: 'of a namespace',
    kernel,
    namespace,
    outside(ops) {
      for (const { verb, object } of ops) {
        const [noun, ...rest] = formatObject(object).split(' ') as [string, ...string[]];
        const command = `${noun} ${verb === 'set' ? 'replace' : 'del'} ${rest.join(' ')}`;
        if (object.type === 'sysctl') namespace.sysctl({ [object.path]: object.value });
        else if (object.type === 'link') namespace.ip(`link del ${object.name}`);
        else if (object.type === 'fdb') namespace.run('bridge', command.split(' '));
        else namespace.ip(command);
      }
    },
    setNicUp: (up) => void namespace.ip(`link set ${nic} ${up ? 'up' : 'down'}`),
    forgetful: () => openKernel({ netns: namespace.name, receiveBufferBytes: 4096 }),
    async overflow() {
      // In one turn of the event loop: nothing is read while the kernel announces all of it.
      namespace.ip(
        ...Array.from({ length: 400 }, (_, i) => `route add blackhole 198.18.${i & 255}.${i >> 8}`),
      );
      namespace.ip('route flush type blackhole');
      await Promise.resolve();
    },
  };
}

export const vxlan4: VxlanLink = {
  type: 'link',
  kind: 'vxlan',
  name: 'slv4a',
  mtu: 1450,
  up: true,
  mac: '02:11:22:33:44:55',
  vni: 4_242_424,
  port: 4789,
  local: parseAddress('192.0.2.1'),
  parent: nic,
  learning: false,
  df: 'set',
  ttl: 64,
  tos: 'inherit',
};

export const vxlan6: VxlanLink = {
  ...vxlan4,
  name: 'slv6a',
  mac: '02:11:22:33:44:66',
  mtu: 1430,
  local: parseAddress('2001:db8::1'),
};

export const set = (object: Op['object']): Op => ({ verb: 'set', object });
export const remove = (object: Op['object']): Op => ({ verb: 'delete', object });

export function addressOn(device: string, text: string) {
  const parsed = tryParseInterfaceAddress(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return { type: 'address', device, address: parsed } as const;
}

export function isOwnRoute(route: RouteObject): boolean {
  return route.protocol === ours;
}

/** Everything on devices whose name begins with `sl`, and our routes, one line each, sorted. */
export function ownLines(state: KernelState): readonly string[] {
  const own = (device: string): boolean => device.startsWith('sl');
  return [
    ...state.links.filter((link) => own(link.name)),
    ...state.addresses.filter((object) => own(object.device) && !isKernelMade(object)),
    ...state.neighbours.filter((object) => own(object.device)),
    ...state.fdb.filter((object) => own(object.device)),
    ...state.routes.filter(isOwnRoute),
  ]
    .map(formatObject)
    .sort();
}

/** Link-local ones, and what the kernel puts on every sit device: `::LOCAL/96`. */
function isKernelMade({ device, address: { address, length } }: AddressObject): boolean {
  return isLinkLocal(address) || (device.startsWith('slip64') && length === 96);
}

export function lines(...objects: readonly Op['object'][]): readonly string[] {
  return objects.map(formatObject).sort();
}

/** Removes everything of ours, so that the next case starts from nothing. */
export async function wipe({ kernel, namespace }: Bench): Promise<void> {
  const state = await kernel.dump();
  // Whatever goes wrong below: nothing is written to a namespace that this test did not make.
  if (namespace !== undefined && !state.links.some(({ name }) => name === peerNic))
    throw new Error(`the kernel that was opened is not the one of ${namespace.name}`);
  const links = state.links.filter(
    (link): link is OwnLink => link.kind !== 'other' && link.name.startsWith('sl'),
  );
  await kernel.apply([...state.routes.filter(isOwnRoute), ...links].map(remove));
}

/** Resolves with the first event that fits; rejects with those that came instead. */
export function eventOf(
  kernel: Kernel,
  fits: (event: KernelEvent) => boolean,
): { readonly seen: Promise<KernelEvent>; readonly all: readonly KernelEvent[] } {
  const all: KernelEvent[] = [];
  const seen = new Promise<KernelEvent>((resolve, reject) => {
    const timer = setTimeout(() => {
      watcher.close();
      reject(new Error(`no such event within 5 s, but ${JSON.stringify(all)}`));
    }, 5000);
    const watcher = kernel.watch((event) => {
      all.push(event);
      if (!fits(event)) return;
      clearTimeout(timer);
      watcher.close();
      resolve(event);
    });
  });
  return { seen, all };
}
