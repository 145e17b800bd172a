/**
 * A plan without its tunnels: what a node may have while nothing guards it. The devices stay, but
 * down; what needs them to be up is left out. Overlay addresses that were reached through them meet
 * the pool's `unreachable`, and native routes stay.
 */
import type { DesiredObject } from './desired.js';
import { deviceOf, isOwnDeviceName } from './ownership.js';

export function withoutTunnels(
  objects: ReadonlyMap<string, DesiredObject>,
): ReadonlyMap<string, DesiredObject> {
  const left = new Map<string, DesiredObject>();
  for (const [key, object] of objects) {
    if (object.type === 'link') left.set(key, { ...object, up: false });
    else if (object.type === 'sysctl' || !isOwnDeviceName(deviceOf(object) ?? ''))
      left.set(key, withoutSource(object));
  }
  return left;
}

/** The tunnel address is on the tunnel devices, and an address of a device that is down is none. */
function withoutSource(object: DesiredObject): DesiredObject {
  if (object.type !== 'route' || object.target.kind !== 'unicast') return object;
  return { ...object, target: { ...object.target, preferredSource: undefined } };
}
