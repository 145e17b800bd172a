/**
 * The kernel's own answer for one packet: what it would do, and (a second question, asked of the
 * same tables) which entry says so.
 */
import type { Address } from '../../encap/address.js';
import type { RouteLookup } from '../kernel.js';
import { address, nested, u32 } from './attributes.js';
import { RTA, RTAX, RTM, RTN } from './constants.js';
import { KernelError, notOwnSource } from './error.js';
import type { Message } from './message.js';
import { type RouteMessage, readRoute, writeLookup } from './route.js';
import type { RequestSocket } from './transport.js';

const kinds: Readonly<Record<number, RouteLookup['kind']>> = {
  [RTN.UNICAST]: 'unicast',
  [RTN.LOCAL]: 'local',
  [RTN.BLACKHOLE]: 'blackhole',
  [RTN.UNREACHABLE]: 'unreachable',
  [RTN.PROHIBIT]: 'prohibit',
};

/** An entry that refuses packets answers with its own error (fib_props in net/ipv4/fib_semantics.c). */
const refusals: Readonly<Record<string, RouteLookup['kind']>> = {
  EINVAL: 'blackhole',
  EHOSTUNREACH: 'unreachable',
  EACCES: 'prohibit',
};

export async function lookupRoute(
  socket: RequestSocket,
  options: {
    readonly destination: Address;
    readonly from: Address | undefined;
    nameOf(index: number): Promise<string>;
  },
): Promise<RouteLookup | undefined> {
  const { destination, from } = options;
  const ask = async (fibMatch: boolean): Promise<RouteMessage | KernelError> => {
    let answer: RouteMessage | undefined;
    try {
      await socket.request(`look up the route to ${destination.text}`, {
        write: (writer, sequence) => writeLookup(writer, { sequence, destination, from, fibMatch }),
        onMessage(message: Message) {
          if (message.type !== RTM.NEWROUTE) return;
          const bytes = message.bytes.slice(message.start, message.end);
          answer = readRoute({ ...message, bytes, start: 0, end: bytes.length });
        },
      });
    } catch (error) {
      if (error instanceof KernelError) return error;
      throw error;
    }
    if (answer === undefined) throw new Error(`no answer for the route to ${destination.text}`);
    return answer;
  };

  const route = await ask(false);
  if (route instanceof KernelError) {
    const kind = refusals[route.code];
    if (from !== undefined) {
      // A source that is not this node's is refused with the same codes.
      const anySource = await lookupRoute(socket, { ...options, from: undefined });
      if (anySource?.kind !== kind) throw new Error(notOwnSource(from.text), { cause: route });
    }
    if (route.code === 'ENETUNREACH') return undefined;
    if (kind === undefined) throw route;
    return {
      device: 'lo',
      gateway: undefined,
      preferredSource: undefined,
      mtu: undefined,
      kind,
      matched: undefined,
    };
  }
  const entry = await ask(true);
  const metrics = nested(route.attributes, RTA.METRICS);
  return {
    device: await options.nameOf(u32(route.attributes, RTA.OIF) ?? 0),
    gateway: address(route.attributes, RTA.GATEWAY),
    preferredSource: address(route.attributes, RTA.PREFSRC),
    mtu: metrics === undefined ? undefined : u32(metrics, RTAX.MTU),
    kind: kinds[route.type] ?? 'other',
    matched:
      entry instanceof KernelError
        ? undefined
        : { prefix: entry.prefix, protocol: entry.protocol, table: entry.table },
  };
}
