/**
 * Everything in the namespace that can concern us, table by table. Devices come first, because all
 * the others name a device by its index; what belongs to a device that was not there yet (or is
 * gone again) is left out and comes with the next event.
 */
import type { KernelInterest } from '../kernel-interest.js';
import type { KernelState, LinkObject } from '../kernel.js';
import { readAddress, writeGetAddresses } from './address.js';
import { AF } from './constants.js';
import { forwardingFilter, neighbourFilter, routeFilter } from './interest.js';
import { type LinkMessage, linkObject, readLink, writeGetLinks } from './link.js';
import { fdbObject, neighbourObject, readNeighbour, writeGetNeighbours } from './neighbour.js';
import { readRoute, routeObject, writeGetRoutes } from './route.js';
import type { Message } from './message.js';
import type { RequestSocket } from './transport.js';

export interface IndexedLink {
  readonly index: number;
  readonly link: LinkObject;
}

export async function dumpLinks(socket: RequestSocket): Promise<readonly IndexedLink[]> {
  const messages: LinkMessage[] = await socket.dump('dump devices', {
    write: writeGetLinks,
    // The attributes are views of a buffer that the next datagram overwrites: a device may name
    // one that comes later, so all must be kept until the last has been seen.
    collect(message) {
      const bytes = message.bytes.slice(message.start, message.end);
      return readLink({ ...message, bytes, start: 0, end: bytes.length });
    },
  });
  const names = new Map(messages.map((message) => [message.index, message.name]));
  return messages.map((message) => ({
    index: message.index,
    link: linkObject(message, (index) => names.get(index)),
  }));
}

export async function dumpAll(
  socket: RequestSocket,
  interest?: KernelInterest,
): Promise<KernelState> {
  const links = await dumpLinks(socket);
  const nameOf = namesOf(links);
  const addresses = await dumpAddresses(socket, nameOf);
  const { neighbours, forwarding } = await dumpEntries(socket, {
    vxlan: links.flatMap(({ index, link }) =>
      link.kind === 'vxlan' ? { index, name: link.name } : [],
    ),
    interest,
    neighbour(message) {
      const neighbour = readNeighbour(message);
      const device = nameOf(neighbour.index);
      return device === undefined ? undefined : neighbourObject(neighbour, device);
    },
    forwarding: (message, device) => fdbObject(readNeighbour(message), device),
  });
  const routes = await dumpRoutes(socket, { interest, nameOf });
  return {
    links: links.map(({ link }) => link),
    addresses,
    neighbours,
    fdb: forwarding,
    routes,
  };
}

export type NameOf = (index: number) => string | undefined;

export function namesOf(links: readonly IndexedLink[]): NameOf {
  const names = new Map(links.map(({ index, link }) => [index, link.name]));
  return (index) => names.get(index);
}

export function dumpAddresses(
  socket: RequestSocket,
  nameOf: NameOf,
): Promise<KernelState['addresses']> {
  return socket.dump('dump addresses', {
    write: writeGetAddresses,
    collect(message) {
      const { index, address, length } = readAddress(message);
      const device = nameOf(index);
      return device === undefined || address === undefined
        ? undefined
        : ({ type: 'address', device, address: { address, length } } as const);
    },
  });
}

/** Of neighbours and forwarding entries there is one a peer; what is read of each is the caller's. */
export async function dumpEntries<Neighbour, Forwarding>(
  socket: RequestSocket,
  of: {
    readonly vxlan: readonly { readonly index: number; readonly name: string }[];
    readonly interest: KernelInterest | undefined;
    neighbour(message: Message): Neighbour | undefined;
    forwarding(message: Message, device: string): Forwarding | undefined;
  },
): Promise<{
  readonly neighbours: readonly Neighbour[];
  readonly forwarding: readonly Forwarding[];
}> {
  const { vxlan, interest } = of;
  const isWanted = neighbourFilter(interest, new Set(vxlan.map(({ index }) => index)));
  const neighbours: Neighbour[] = [];
  for (const family of [AF.INET, AF.INET6])
    neighbours.push(
      ...(await socket.dump('dump neighbours', {
        write: (writer, sequence) => writeGetNeighbours(writer, { sequence, family }),
        collect: (message) => (isWanted(message) ? of.neighbour(message) : undefined),
      })),
    );
  const isWantedEntry = forwardingFilter(interest);
  const forwarding: Forwarding[] = [];
  for (const { index, name } of vxlan)
    forwarding.push(
      ...(await socket.dump(`dump forwarding entries of ${name}`, {
        write: (writer, sequence) =>
          writeGetNeighbours(writer, { sequence, family: AF.BRIDGE, index }),
        collect: (message) => (isWantedEntry(message) ? of.forwarding(message, name) : undefined),
      })),
    );
  return { neighbours, forwarding };
}

export async function dumpRoutes(
  socket: RequestSocket,
  of: { readonly interest: KernelInterest | undefined; readonly nameOf: NameOf },
): Promise<KernelState['routes']> {
  const isWantedRoute = routeFilter(of.interest);
  const routes = [];
  for (const family of [4, 6] as const) {
    routes.push(
      ...(await socket.dump(`dump IPv${family} routes`, {
        write: (writer, sequence) => writeGetRoutes(writer, { sequence, family }),
        collect(message) {
          if (!isWantedRoute(message)) return undefined;
          const route = readRoute(message);
          return route === undefined ? undefined : routeObject(route, of.nameOf);
        },
      })),
    );
  }
  return routes;
}
