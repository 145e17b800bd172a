/**
 * What spoken-terms.ts reads off a plan, counted, so that a few peers that come, go or change cost
 * no look at the others: a fleet has somebody join every moment, and each time all is told anew.
 */
import type { Family } from '../encap/address.js';
import type { Term } from '../encap/live-record.js';
import { termOf } from '../encap/live-record.js';
import type { Carriage, CarriageKey, Mode } from '../encap/mode.js';
import type { GuardPeer, GuardSpec } from '../tunnel/guard/guard.js';
import { changeCount } from '../tunnel/guard/prefix-tally.js';
import type { OwnLink } from '../tunnel/kernel.js';
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

/** What some peers bring to a plan; devices are the node's, and not theirs. */
export interface SpokenShare {
  readonly objects: Iterable<DesiredObject>;
  readonly peers: readonly GuardPeer[];
}

export class SpokenTally {
  readonly #links = new Map<string, OwnLink>();
  /** What its devices take and the guard lets through. */
  readonly #byDevices: readonly Term[];
  /** Prefixes that may arrive natively, by term. */
  readonly #natively = new Map<string, number>();
  /** Routes by device and family. */
  readonly #ways = new Map<string, number>();

  constructor({ objects, guard }: SpokenPlan) {
    for (const object of objects.values())
      if (object.type === 'link' && isOwnDeviceName(object.name))
        this.#links.set(object.name, object);
    this.#byDevices = [...receivedBy(this.#links, { objects, guard })];
    this.#count({ objects: objects.values(), peers: guard.peers }, 1);
  }

  exchange({ gone, come }: { readonly gone: SpokenShare; readonly come: SpokenShare }): void {
    this.#count(gone, -1);
    this.#count(come, 1);
  }

  /** Sorted. */
  get terms(): SpokenTerms {
    const received = new Set<string>([...this.#byDevices, ...this.#natively.keys()]);
    const sent = [...this.#ways.keys()].flatMap((way) => this.#termOf(way) ?? []);
    return {
      receives: [...received].sort() as Term[],
      sends: [...new Set(sent)].sort(),
    };
  }

  #count({ objects, peers }: SpokenShare, by: 1 | -1): void {
    for (const { nativeSources } of peers)
      for (const { family } of nativeSources) changeCount(this.#natively, native(family), by);
    for (const object of objects) {
      if (object.type !== 'route' || !isOwnRoute(object) || object.target.kind !== 'unicast')
        continue;
      changeCount(this.#ways, `${object.target.device} ${object.prefix.family}`, by);
    }
  }

  #termOf(way: string): Term | undefined {
    const [device, number] = way.split(' ') as [string, string];
    const family = Number(number) as Family;
    if (!isOwnDeviceName(device)) return native(family);
    const link = this.#links.get(device);
    const carriage = carriagesOfDevice(device)
      .map(parsed)
      .find(({ inner }) => inner === family);
    if (carriage === undefined || link === undefined) return undefined;
    return termOf(carriage, link.kind === 'vxlan' ? link : noSegment);
  }
}

function* receivedBy(
  links: ReadonlyMap<string, OwnLink>,
  { objects, guard }: SpokenPlan,
): Generator<Term> {
  const addressed = new Set<string>();
  for (const object of objects.values())
    if (object.type === 'address')
      addressed.add(`${object.device} ${object.address.address.family}`);
  for (const [name, link] of links)
    for (const carriage of carriagesOfDevice(name).map(parsed)) {
      // A device without an address of the family takes none of its packets.
      if (!addressed.has(`${name} ${carriage.inner}`)) continue;
      if (link.kind !== 'vxlan') yield termOf(carriage, noSegment);
      else if (guard.vxlan.some(({ vni, port }) => vni === link.vni && port === link.port))
        yield termOf(carriage, link);
    }
}

function native(family: Family): Term {
  return `native:${family}:${family}`;
}

const noSegment = { vni: 0, port: 0 };

function parsed(key: CarriageKey): Carriage {
  const [mode, outer, inner] = key.split(':');
  return { mode: mode as Mode, outer: Number(outer) as Family, inner: Number(inner) as Family };
}
