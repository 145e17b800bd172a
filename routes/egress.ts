/**
 * What the guard must know of our own devices and of the ways that lead past them.
 */
import type { Prefix } from '../encap/prefix.js';
import type { DesiredObject } from './peer-objects.js';
import { isOwnDeviceName, ownDeviceNames } from './ownership.js';

/**
 * Every name that a device of ours can have, there or not: one that comes or goes during a change
 * must not for a moment look like a workload's.
 */
export const guardedDevices: readonly string[] = [...ownDeviceNames].sort();

/** Overlay prefixes that routes of ours lead out of by a NIC, without a tunnel. */
export function nativeDestinations(objects: Iterable<DesiredObject>): readonly Prefix[] {
  const prefixes: Prefix[] = [];
  for (const object of objects)
    if (
      object.type === 'route' &&
      object.target.kind === 'unicast' &&
      !isOwnDeviceName(object.target.device)
    )
      prefixes.push(object.prefix);
  return prefixes;
}
