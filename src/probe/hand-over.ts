/** Packets made by hand, given to the underlay: by the kernel's route, or native ones past the guard. */
import type { Address } from '../../encap/address.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { sendFrame } from '../../tunnel/probe/frames.js';
import type { CraftedPacket, NextHopMacs } from './craft.js';
import { craftPacket, framed } from './craft.js';

export type FindNextHop = (destination: Address) => Promise<NextHopMacs | undefined>;

/** Undefined when the kernel took it, else the error's name. */
export async function handOver(
  packet: CraftedPacket,
  by: {
    readonly send: (packet: Uint8Array, routedBy: Address) => Promise<string | undefined>;
    readonly nextHop: FindNextHop | undefined;
  },
): Promise<string | undefined> {
  const { destination } = packet.outer;
  const bytes = craftPacket(packet);
  const macs = packet.mode === 'native' ? await by.nextHop?.(destination) : undefined;
  return macs === undefined
    ? by.send(bytes, destination)
    : sendFrame(macs.device, framed(bytes, macs));
}

/** By the kernel's route and neighbour entries; undefined where the next hop has no known MAC. */
export function nextHopIn(kernel: () => Kernel): FindNextHop {
  return async (destination) => {
    const route = await kernel().lookup(destination);
    if (route?.kind !== 'unicast') return undefined;
    const { devices, neighbours } = await kernel().details();
    const { text } = route.gateway ?? destination;
    const source = devices.find(({ name }) => name === route.device)?.mac;
    const next = neighbours.find(
      ({ address, device }) => address.text === text && device === route.device,
    )?.mac;
    return source === undefined || next === undefined
      ? undefined
      : { device: route.device, source, destination: next };
  };
}
