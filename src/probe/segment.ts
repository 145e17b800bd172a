/**
 * Who answers on the segment for the addresses of a pair: the peer's, where it is reached without a
 * gateway, and this node's own. Two hosts with one address look like a network that loses packets.
 */
import type { Address } from '../../encap/address.js';
import type { AddressHolders } from '../../routes/diagnose/evidence.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { whoHas } from '../../tunnel/probe/who-has.js';

export interface SegmentQuestion {
  readonly self: string;
  readonly peer: string;
  readonly ends: readonly { readonly local: Address; readonly remote: Address }[];
}

export type AskSegment = (question: SegmentQuestion) => Promise<readonly AddressHolders[]>;

export function segmentOf(kernel: () => Kernel): AskSegment {
  return async ({ self, peer, ends }) => {
    const asked = await Promise.all(
      ends.flatMap(({ local, remote }) => [
        holdersOf(kernel(), { node: peer, address: remote, sender: local }),
        holdersOf(kernel(), { node: self, address: local, sender: undefined }),
      ]),
    );
    return asked.filter((holders) => holders !== undefined);
  };
}

/** Undefined where nobody can be asked: behind a gateway, or on a device without neighbours. */
async function holdersOf(
  kernel: Kernel,
  of: { readonly node: string; readonly address: Address; readonly sender: Address | undefined },
): Promise<AddressHolders | undefined> {
  const { node, address, sender } = of;
  const { devices, addresses, neighbours } = await kernel.details(aboutNothing);
  const way = sender === undefined ? undefined : await kernel.lookup(address);
  const held = addresses.find((entry) => entry.address.text === address.text);
  const name =
    sender === undefined
      ? held?.device
      : way?.kind === 'unicast' && way.gateway === undefined
        ? way.device
        : undefined;
  const device = devices.find((entry) => entry.name === name);
  if (device?.mac === undefined || !device.arp || !device.up || device.name === 'lo')
    return undefined;
  const known = neighbours.find(
    (entry) => entry.device === device.name && entry.address.text === address.text,
  );
  const question = { device: device.name, mac: device.mac, sender, target: address };
  const own = new Set(devices.flatMap(({ mac }) => mac ?? []));
  return {
    node,
    address: address.text,
    device: device.name,
    // Other NICs of this node on the same segment answer for it too, and are no strangers.
    macs: (await whoHas(question)).filter((mac) => !own.has(mac)),
    inUse: known?.mac ?? null,
  };
}

/** Neighbours on NICs are told anyway; of tunnel devices none is wanted. */
const aboutNothing = { addresses: [], within: [], macs: [] };
