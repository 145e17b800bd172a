/**
 * Watches: for a short time the packets of one session are counted at every device of this node that
 * they pass, and at the socket where they end.
 */
import type { CountsAnswer, Sighting, WatchStatus } from '../../encap/probe/body.js';
import { type Mark, decodeMark, maxTrainPackets } from '../../encap/probe/mark.js';
import { isOwnDeviceName } from '../../routes/ownership.js';
import { sessionFilter } from '../../tunnel/probe/filter.js';
import { type Tap, type TapOptions, openTap } from '../../tunnel/probe/tap.js';
import { probeLimits } from './limits.js';

export interface WatchesOptions {
  /** Devices that the underlay is reached by. */
  readonly nics: () => readonly string[];
  readonly nowMs: () => number;
  readonly openTap?: (options: TapOptions) => Tap;
}

/** Which packets of a train were seen: a bit for each sequence number. */
interface Seen {
  readonly train: number;
  readonly device: string;
  readonly way: Sighting['way'];
  bits: number;
}

interface Watch {
  readonly peer: string;
  readonly arrivalsOnly: boolean;
  readonly untilMs: number;
  readonly tap: Tap | undefined;
  readonly seen: Map<string, Seen>;
  readonly delivered: Map<number, number>;
}

export class Watches {
  readonly #options: WatchesOptions;
  readonly #watches = new Map<string, Watch>();

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  /** `peer`: on whose behalf; only it may ask for the counts, or end it by a time of 0. */
  open(
    session: Uint8Array,
    options: {
      readonly peer: string;
      readonly durationMs: number;
      readonly arrivalsOnly?: boolean;
    },
  ): WatchStatus {
    const nowMs = this.#options.nowMs();
    this.#forget(nowMs);
    if (options.durationMs === 0) {
      if (this.#watches.get(keyOf(session))?.peer === options.peer) this.close(session);
      return 'watching';
    }
    const { peer, arrivalsOnly = false } = options;
    // Those that look at devices and those that only count have their limits each.
    const limits = arrivalsOnly ? probeLimits.arrivals : probeLimits.taps;
    const running = [...this.#watches.values()].filter(
      (watch) => watch.untilMs > nowMs && watch.arrivalsOnly === arrivalsOnly,
    );
    if (
      this.#watches.has(keyOf(session)) ||
      running.length >= limits.total ||
      running.filter((watch) => watch.peer === peer).length >= limits.perPeer
    )
      return 'busy';
    const limitMs = Math.min(Math.max(options.durationMs, 1), probeLimits.watchMs);
    const seen = new Map<string, Seen>();
    const tap = arrivalsOnly ? undefined : this.#tap(session, { limitMs, seen });
    this.#watches.set(keyOf(session), {
      peer,
      arrivalsOnly,
      untilMs: nowMs + limitMs,
      tap,
      seen,
      delivered: new Map(),
    });
    return tap === undefined ? 'blind' : 'watching';
  }

  /** A payload came out of a probe socket; false when it is none of a session that is watched. */
  delivered(payload: Uint8Array): boolean {
    const mark = decodeMark(payload);
    const watch = mark && this.#watches.get(keyOf(mark.session));
    if (watch === undefined || mark === undefined) return false;
    if (mark.sequence < maxTrainPackets && watch.delivered.size < probeLimits.sightings)
      watch.delivered.set(mark.train, (watch.delivered.get(mark.train) ?? 0) | bitOf(mark));
    return true;
  }

  counts(
    session: Uint8Array,
    options: { readonly peer: string; readonly train: number },
  ): CountsAnswer {
    const watch = this.#watches.get(keyOf(session));
    if (watch?.peer !== options.peer)
      return { status: 'not-watching', delivered: 0, lost: 0, sightings: [] };
    const nics = new Set(this.#options.nics());
    const placeOf = (device: string): Sighting['place'] =>
      nics.has(device) ? 'nic' : isOwnDeviceName(device) ? 'tunnel' : 'other';
    const sightings = [...watch.seen.values()]
      .filter((seen) => seen.train === options.train)
      .map(({ device, way, bits }) => ({
        place: placeOf(device),
        way,
        device,
        packets: bitCount(bits),
      }))
      .sort((a, b) => order(a) - order(b));
    return {
      status: watch.tap === undefined ? 'blind' : 'counted',
      delivered: bitCount(watch.delivered.get(options.train) ?? 0),
      lost: watch.tap?.lost ?? 0,
      sightings,
    };
  }

  close(session: Uint8Array): void {
    this.#watches.get(keyOf(session))?.tap?.close();
    this.#watches.delete(keyOf(session));
  }

  closeAll(): void {
    for (const watch of this.#watches.values()) watch.tap?.close();
    this.#watches.clear();
  }

  #tap(
    session: Uint8Array,
    how: { readonly limitMs: number; readonly seen: Map<string, Seen> },
  ): Tap | undefined {
    const { limitMs, seen } = how;
    try {
      return (this.#options.openTap ?? openTap)({
        filter: sessionFilter(session),
        limitMs,
        onFrame({ bytes, device, way }) {
          const mark = decodeMark(bytes);
          if (mark === undefined || mark.sequence >= maxTrainPackets) return;
          const key = `${mark.train} ${device} ${way}`;
          let entry = seen.get(key);
          if (entry === undefined) {
            if (seen.size >= probeLimits.sightings) return;
            seen.set(key, (entry = { train: mark.train, device, way, bits: 0 }));
          }
          entry.bits |= bitOf(mark);
        },
      });
    } catch {
      // Without the privilege or the addon: what arrives is still counted, and the answer says so.
      return undefined;
    }
  }

  #forget(nowMs: number): void {
    for (const [key, watch] of this.#watches)
      if (watch.untilMs + probeLimits.countsKeptMs <= nowMs) {
        watch.tap?.close();
        this.#watches.delete(key);
      }
  }
}

function keyOf(session: Uint8Array): string {
  return Buffer.from(session).toString('latin1');
}

function bitOf(mark: Mark): number {
  return 1 << mark.sequence;
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}

/** NICs and tunnel devices first: an answer may not have room for all. */
function order({ place }: Sighting): number {
  return place === 'nic' ? 0 : place === 'tunnel' ? 1 : 2;
}
