/**
 * The source/destination check: while it is on, EC2 drops what an interface sends from, or gets
 * for, an address that is not its own. It belongs to the interface, not to the instance, so each
 * one that packets of the overlay may use has to have it off.
 */
import type { ClusterNode } from '../../../encap/cluster.js';
import type { NetworkInterface } from './interfaces.js';
import type { Place, Places } from './places.js';
import type { RouteTable } from './tables.js';

/** Undefined: not all of the node's interfaces were found, or EC2 did not say. */
export function checkOf(
  interfaces: readonly NetworkInterface[],
  complete: boolean,
): 'enabled' | 'disabled' | undefined {
  if (interfaces.some((entry) => entry.check === 'enabled')) return 'enabled';
  return complete && interfaces.every((entry) => entry.check === 'disabled')
    ? 'disabled'
    : undefined;
}

export interface CarryingQuestion {
  readonly self: ClusterNode;
  /** All interfaces of this instance. */
  readonly own: readonly NetworkInterface[];
  readonly places: Places;
  readonly tables: readonly RouteTable[];
}

/**
 * The interfaces of this instance that overlay packets may pass: those that hold an underlay
 * address of the node; those that are the only one in a subnet with other nodes, as the kernel
 * reaches them through it; and those that a route table sends the node's overlay prefixes to.
 */
export function carrying(question: CarryingQuestion): readonly NetworkInterface[] {
  const { self, own, places, tables } = question;
  const place: Place | undefined = places.get(self.name);
  if (place === undefined) return [];
  const holders = new Set(place.interfaces.map((entry) => entry.id));
  const reached = new Set(place.interfaces.map((entry) => entry.subnetId));
  const peersIn = new Set(
    [...places.values()]
      .filter((other) => other.node !== self)
      .flatMap((other) => other.interfaces.map((entry) => entry.subnetId)),
  );
  const prefixes = new Set(self.overlay.map((prefix) => prefix.text));
  const routedTo = new Set(
    tables.flatMap((table) =>
      table.routes
        .filter((route) => prefixes.has(route.destination.text))
        .map((route) => route.interfaceId),
    ),
  );
  return own.filter(
    (entry) =>
      holders.has(entry.id) ||
      routedTo.has(entry.id) ||
      (entry.subnetId !== undefined && peersIn.has(entry.subnetId) && !reached.has(entry.subnetId)),
  );
}
