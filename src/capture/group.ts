/**
 * Sightings of one packet at several places, put together:
 *
 *     workload veth1 in → tunnel slv4a out → NIC eth0 out ═══ underlay
 *
 * A packet that is met again at the same place is another one. A TCP segment that was merged with
 * its neighbours, or cut, on the way belongs to the packet that has its bytes.
 */
import type { CaptureDirection, CapturePlace, Identity, Sighting, TcpRange } from './sighting.js';

export interface SeenAt {
  readonly place: CapturePlace;
  readonly device: string;
  readonly way: Sighting['way'];
  /** Since the packet was first met. */
  readonly deltaMs: number;
  readonly bytes: number;
  readonly layers: readonly string[];
  readonly problem: string | null;
}

export interface CapturedPacket {
  /** From 1, by first sight. */
  readonly number: number;
  readonly direction: CaptureDirection;
  /** Since the capture began. */
  readonly atMs: number;
  readonly source: string;
  readonly destination: string;
  readonly what: string;
  readonly innerBytes: number;
  readonly seen: readonly SeenAt[];
  /** Places that it must have passed and was not seen at. */
  readonly missing: readonly CapturePlace[];
}

/** Where packets of a direction pass, in order; the workload side is not known for sure. */
export type ExpectedPlaces = Readonly<Record<CaptureDirection, readonly CapturePlace[]>>;

export interface GroupingOptions {
  /** Packets that are wanted. */
  readonly count: number;
  readonly expected: ExpectedPlaces;
  /** For as long a packet is waited for at further places. */
  readonly settleMs?: number;
}

const defaultSettleMs = 250;

interface Group {
  readonly number: number;
  readonly identity: Extract<Identity, { readonly kind: 'packet' }>;
  readonly atMs: number;
  readonly sightings: Sighting[];
  /** Of its outer pieces. */
  readonly fragments: Set<string>;
  tcp: TcpRange | undefined;
}

export class Grouping {
  readonly #options: GroupingOptions;
  readonly #settleMs: number;
  #open: Group[] = [];
  #begun = 0;

  constructor(options: GroupingOptions) {
    this.#options = options;
    this.#settleMs = options.settleMs ?? defaultSettleMs;
  }

  /** All packets that were asked for have been met at least once. */
  get isFull(): boolean {
    return this.#begun >= this.#options.count;
  }

  get isDone(): boolean {
    return this.isFull && this.#open.length === 0;
  }

  add(sighting: Sighting): void {
    const { identity } = sighting;
    const group = this.#open.find((entry) => belongs(sighting, entry));
    if (group !== undefined) {
      group.sightings.push(sighting);
      if (identity.kind === 'packet') {
        if (identity.fragmentKey !== undefined) group.fragments.add(identity.fragmentKey);
        group.tcp = joined(group.tcp, identity.tcp);
      }
      return;
    }
    if (identity.kind === 'fragment' || this.isFull) return;
    this.#open.push({
      number: ++this.#begun,
      identity,
      atMs: sighting.atMs,
      sightings: [sighting],
      fragments: new Set(identity.fragmentKey === undefined ? [] : [identity.fragmentKey]),
      tcp: identity.tcp,
    });
  }

  /** Packets that nothing more is waited for, in the order in which they were met. */
  settled(nowMs: number): readonly CapturedPacket[] {
    const ready: Group[] = [];
    // In order: a later one waits for those before it.
    while (this.#open[0] !== undefined && nowMs - this.#open[0].atMs >= this.#settleMs)
      ready.push(this.#open.shift()!);
    return ready.map((group) => this.#packetOf(group));
  }

  /** Everything, settled or not. */
  rest(): readonly CapturedPacket[] {
    const left = this.#open;
    this.#open = [];
    return left.map((group) => this.#packetOf(group));
  }

  #packetOf({ number, identity, atMs, sightings }: Group): CapturedPacket {
    const { direction, source, destination, what, innerBytes } = identity;
    const places = new Set(sightings.map(({ place }) => place));
    return {
      number,
      direction,
      atMs,
      source,
      destination,
      what,
      innerBytes,
      seen: sightings.map(({ place, device, way, bytes, layers, problem, atMs: at }) => ({
        place,
        device,
        way,
        deltaMs: Math.max(0, at - atMs),
        bytes,
        layers,
        problem,
      })),
      missing: this.#options.expected[direction].filter((place) => !places.has(place)),
    };
  }
}

function belongs({ identity, device, way }: Sighting, group: Group): boolean {
  if (identity.kind === 'fragment') return group.fragments.has(identity.fragmentKey);
  const here = group.sightings.some((other) => other.device === device && other.way === way);
  if (identity.key === group.identity.key) return !here;
  return inRange(identity.tcp, group.tcp);
}

/** Does one of the two hold the other's bytes? Sequence numbers wrap at 2^32. */
function inRange(one: TcpRange | undefined, other: TcpRange | undefined): boolean {
  if (one === undefined || one.flow !== other?.flow) return false;
  if (one.length === 0 || other.length === 0 || one.length === other.length) return false;
  const [large, small] = one.length > other.length ? [one, other] : [other, one];
  const offset = (small.from - large.from) >>> 0;
  return offset + small.length <= large.length;
}

function joined(one: TcpRange | undefined, other: TcpRange | undefined): TcpRange | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.length > one.length ? other : one;
}
