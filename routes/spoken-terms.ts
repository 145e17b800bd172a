/**
 * What a plan receives and sends, in the words in which a node tells the others (`Term`): read off
 * the kernel objects and the guard's specification, so that it is what the kernel has once the plan
 * has been carried out, whatever the configuration wished for.
 */
import type { Term } from '../encap/live-record.js';
import { termOf } from '../encap/live-record.js';
import type { Carriage, CarriageKey, Mode } from '../encap/mode.js';
import type { Family } from '../encap/address.js';
import type { GuardSpec } from '../tunnel/guard/guard.js';
import type { DesiredObject } from './desired.js';
import { carriagesOfDevice } from './overlap.js';
import { isOwnDeviceName, isOwnRoute } from './ownership.js';

export interface SpokenPlan {
  readonly objects: ReadonlyMap<string, DesiredObject>;
  readonly guard: GuardSpec;
}

export interface SpokenTerms {
  readonly receives: readonly Term[];
  readonly sends: readonly Term[];
}

export function spokenTerms(plan: SpokenPlan): SpokenTerms {
  return { receives: receivesOf(plan), sends: sendsOf(plan) };
}

/** What its devices take and the guard lets through; sorted. */
export function receivesOf({ objects, guard }: SpokenPlan): readonly Term[] {
  const found = new Set<Term>();
  const addressed = new Set<string>();
  for (const object of objects.values())
    if (object.type === 'address')
      addressed.add(`${object.device} ${object.address.address.family}`);
  for (const object of objects.values()) {
    if (object.type !== 'link' || !isOwnDeviceName(object.name)) continue;
    for (const carriage of carriagesOfDevice(object.name).map(parsed)) {
      // A device without an address of the family takes none of its packets.
      if (!addressed.has(`${object.name} ${carriage.inner}`)) continue;
      if (object.kind !== 'vxlan') found.add(termOf(carriage, noSegment));
      else if (guard.vxlan.some(({ vni, port }) => vni === object.vni && port === object.port))
        found.add(termOf(carriage, object));
    }
  }
  for (const { nativeSources } of guard.peers)
    for (const { family } of nativeSources) found.add(native(family));
  return [...found].sort();
}

/** What its routes to peers use; sorted. */
export function sendsOf({ objects }: Pick<SpokenPlan, 'objects'>): readonly Term[] {
  const found = new Set<Term>();
  // One look-up for all routes through a device.
  const byDevice = new Map<string, Term | undefined>();
  for (const object of objects.values()) {
    if (object.type !== 'route' || !isOwnRoute(object) || object.target.kind !== 'unicast')
      continue;
    const { family } = object.prefix;
    const { device } = object.target;
    const key = `${device} ${family}`;
    if (!byDevice.has(key))
      byDevice.set(
        key,
        isOwnDeviceName(device) ? through(device, family, objects) : native(family),
      );
    const term = byDevice.get(key);
    if (term !== undefined) found.add(term);
  }
  return [...found].sort();
}

function through(
  device: string,
  family: Family,
  objects: ReadonlyMap<string, DesiredObject>,
): Term | undefined {
  const link = objects.get(`link ${device}`);
  const carriage = carriagesOfDevice(device)
    .map(parsed)
    .find(({ inner }) => inner === family);
  if (carriage === undefined || link?.type !== 'link') return undefined;
  return termOf(carriage, link.kind === 'vxlan' ? link : noSegment);
}

function native(family: Family): Term {
  return `native:${family}:${family}`;
}

const noSegment = { vni: 0, port: 0 };

function parsed(key: CarriageKey): Carriage {
  const [mode, outer, inner] = key.split(':');
  return { mode: mode as Mode, outer: Number(outer) as Family, inner: Number(inner) as Family };
}
