/** Reads what questions need and the reconciler does not: see kernel-details.ts. */
import type {
  AddressDetails,
  DeviceDetails,
  ForwardingEntry,
  KernelDetails,
  NeighbourEntry,
  PolicyRule,
} from '../kernel-details.js';
import type { KernelInterest } from '../kernel-interest.js';
import type { KernelReading } from '../kernel.js';
import { readAddress, writeGetAddresses } from './address.js';
import { mac, nested, readU32, text, u16be, u32, u8 } from './attributes.js';
import { IFA, IFLA, IFLA_INFO, NDA } from './constants.js';
import { dumpAddresses, dumpEntries, dumpLinks, dumpRoutes, namesOf } from './dump.js';
import { readLink, writeGetLinks } from './link.js';
import type { Message } from './message.js';
import { fdbObject, neighbourObject, readNeighbour } from './neighbour.js';
import { readPolicyRule, writeGetPolicyRules } from './policy-rule.js';
import type { RequestSocket } from './transport.js';

/** linux/if.h */
const IFF_UP = 0x1;
const IFF_NOARP = 0x80;
/** linux/if_link.h */
const IFLA_QDISC = 6;
const IFLA_MASTER = 10;
const IFLA_CARRIER = 33;
const IFLA_XDP = 43;
const IFLA_XDP_ATTACHED = 2;
/** linux/if_addr.h */
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
/** linux/neighbour.h, in the order in which they are told. */
const neighbourStates: readonly (readonly [number, NeighbourEntry['state']])[] = [
  [0x80, 'permanent'],
  [0x40, 'noarp'],
  [0x20, 'failed'],
  [0x02, 'reachable'],
  [0x04, 'stale'],
  [0x08 | 0x10, 'probing'],
  [0x01, 'incomplete'],
];

export async function dumpDetails(
  socket: RequestSocket,
  interest?: KernelInterest,
): Promise<KernelDetails> {
  const devices = await dumpDevices(socket);
  const entries = await dumpEntries(socket, {
    vxlan: devices.vxlan,
    interest,
    neighbour: (message) => neighbourEntry(message, devices.nameOf),
    forwarding: (message, device) => forwardingEntry(message, { device, nameOf: devices.nameOf }),
  });
  return detailsWith(socket, { devices, entries });
}

/**
 * The tables and their details for one question: of neighbours and forwarding entries there is one
 * a peer, so they are asked for once and each message is read twice.
 */
export async function dumpWithDetails(
  socket: RequestSocket,
  interest: KernelInterest,
): Promise<KernelReading> {
  const links = await dumpLinks(socket);
  const nameOf = namesOf(links);
  const devices = await dumpDevices(socket);
  const { neighbours, forwarding } = await dumpEntries(socket, {
    vxlan: devices.vxlan,
    interest,
    neighbour(message) {
      const read = readNeighbour(message);
      const device = nameOf(read.index);
      return {
        object: device === undefined ? undefined : neighbourObject(read, device),
        entry: neighbourEntry(message, devices.nameOf),
      };
    },
    forwarding: (message, device) => ({
      object: fdbObject(readNeighbour(message), device),
      entry: forwardingEntry(message, { device, nameOf: devices.nameOf }),
    }),
  });
  const entries = {
    neighbours: neighbours.flatMap(({ entry }) => entry ?? []),
    forwarding: forwarding.flatMap(({ entry }) => entry ?? []),
  };
  return {
    state: {
      links: links.map(({ link }) => link),
      addresses: await dumpAddresses(socket, nameOf),
      neighbours: neighbours.flatMap(({ object }) => object ?? []),
      fdb: forwarding.flatMap(({ object }) => object ?? []),
      routes: await dumpRoutes(socket, { interest, nameOf }),
    },
    details: await detailsWith(socket, { devices, entries }),
  };
}

interface Devices {
  readonly list: KernelDetails['devices'];
  readonly vxlan: readonly { readonly index: number; readonly name: string }[];
  readonly nameOf: (index: number) => string;
}

async function dumpDevices(socket: RequestSocket): Promise<Devices> {
  const links = await socket.dump('dump devices', { write: writeGetLinks, collect: readDevice });
  const names = new Map(links.map(({ index, device }) => [index, device.name]));
  const nameOf = (index: number): string => names.get(index) ?? `if${index}`;
  return {
    list: links.map(({ device, master }) => ({
      ...device,
      master: master === undefined ? undefined : nameOf(master),
    })),
    vxlan: links.flatMap(({ index, kind, device }) =>
      kind === 'vxlan' ? { index, name: device.name } : [],
    ),
    nameOf,
  };
}

async function detailsWith(
  socket: RequestSocket,
  of: {
    readonly devices: Devices;
    readonly entries: Pick<KernelDetails, 'neighbours' | 'forwarding'>;
  },
): Promise<KernelDetails> {
  const { devices, entries } = of;
  const policyRules: PolicyRule[] = [];
  for (const family of [4, 6] as const)
    policyRules.push(
      ...(await socket.dump(`dump IPv${family} policy rules`, {
        write: (writer, sequence) => writeGetPolicyRules(writer, { sequence, family }),
        collect: readPolicyRule,
      })),
    );
  const addresses = await socket.dump('dump addresses', {
    write: writeGetAddresses,
    collect: (message) => addressDetails(message, devices.nameOf),
  });
  return { policyRules, ...entries, addresses, devices: devices.list };
}

function readDevice(message: Message): {
  readonly index: number;
  readonly kind: string | undefined;
  readonly master: number | undefined;
  readonly device: Omit<DeviceDetails, 'master'>;
} {
  const { index, name, attributes } = readLink(message);
  const flags = readU32(message.bytes, message.start + 8);
  const info = nested(attributes, IFLA.LINKINFO);
  const xdp = nested(attributes, IFLA_XDP);
  return {
    index,
    kind: info === undefined ? undefined : text(info, IFLA_INFO.KIND),
    master: u32(attributes, IFLA_MASTER),
    device: {
      name,
      mtu: u32(attributes, IFLA.MTU) ?? 0,
      up: (flags & IFF_UP) !== 0,
      // A kernel that does not say has no cable to speak of.
      carrier: (u8(attributes, IFLA_CARRIER) ?? 1) !== 0,
      arp: (flags & IFF_NOARP) === 0,
      mac: mac(attributes, IFLA.ADDRESS),
      qdisc: text(attributes, IFLA_QDISC),
      xdp: xdp !== undefined && (u8(xdp, IFLA_XDP_ATTACHED) ?? 0) !== 0,
    },
  };
}

function neighbourEntry(
  message: Message,
  nameOf: (index: number) => string,
): NeighbourEntry | undefined {
  const entry = readNeighbour(message);
  if (entry.address === undefined) return undefined;
  const { bytes, start } = message;
  const bits = bytes[start + 8]! | (bytes[start + 9]! << 8);
  const state = neighbourStates.find(([mask]) => (bits & mask) !== 0)?.[1] ?? 'none';
  return { device: nameOf(entry.index), address: entry.address, mac: entry.mac, state };
}

function forwardingEntry(
  message: Message,
  of: { readonly device: string; nameOf(index: number): string },
): ForwardingEntry | undefined {
  const entry = readNeighbour(message);
  if (!entry.self || entry.mac === undefined) return undefined;
  const { attributes } = entry;
  const index = u32(attributes, NDA.IFINDEX);
  return {
    device: of.device,
    mac: entry.mac,
    remote: entry.address,
    permanent: entry.permanent,
    overrides: [
      ...named('port', u16be(attributes, NDA.PORT)),
      ...named('vni', u32(attributes, NDA.VNI)),
      ...named('via', index === undefined ? undefined : of.nameOf(index)),
      ...named('next-hop group', u32(attributes, NDA.NH_ID)),
    ],
  };
}

function named(name: string, value: number | string | undefined): readonly string[] {
  return value === undefined ? [] : [`${name} ${value}`];
}

function addressDetails(
  message: Message,
  nameOf: (index: number) => string,
): AddressDetails | undefined {
  const entry = readAddress(message);
  if (entry.address === undefined) return undefined;
  const flags = u32(entry.attributes, IFA.FLAGS) ?? message.bytes[message.start + 2]!;
  return {
    device: nameOf(entry.index),
    address: entry.address,
    length: entry.length,
    duplicate: (flags & IFA_F_DADFAILED) !== 0,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
  };
}
