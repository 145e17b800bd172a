/**
 * What is remembered of one peer: the health of each way that was ever used or tried, and of full-size
 * packets over each outer family. Turned into the facts that the decision knows (`PeerProbes`).
 *
 * A full-size train is judged like a way of its own: it is "lost" when small packets arrive and full
 * ones do not, three rounds in a row; only then is the real size looked for.
 */
import type { Family } from '../../../encap/address.js';
import type { MeasuredMtu, PeerProbes } from '../../../encap/cluster.js';
import type { CarriageKey } from '../../../encap/mode.js';
import type { WayHealth, WayHealthOptions, WayRound } from './way-health.js';
import { afterRound, newWay, wayHealthDefaults } from './way-health.js';

export class PathWatch {
  readonly #options: WayHealthOptions;
  readonly #ways = new Map<CarriageKey, WayHealth>();
  readonly #sizes = new Map<Family, WayHealth>();
  readonly #measured = new Map<Family, MeasuredMtu>();

  constructor(options: WayHealthOptions = wayHealthDefaults) {
    this.#options = options;
  }

  /** Anything lost, or on the way to be: its neighbours are asked too. */
  get suspect(): boolean {
    return [...this.#ways.values(), ...this.#sizes.values()].some(
      (way) => way.state === 'lost' || way.streak > 0,
    );
  }

  /** The last rounds speak for another state, and are too few. */
  get undecided(): boolean {
    return [...this.#ways.values(), ...this.#sizes.values()].some((way) => way.streak > 0);
  }

  get ways(): ReadonlyMap<CarriageKey, WayHealth> {
    return this.#ways;
  }

  /** Lost ways whose next try is due. */
  due(nowMs: number): readonly CarriageKey[] {
    return [...this.#ways]
      .filter(([, way]) => way.state === 'lost' && way.nextTryMs <= nowMs)
      .map(([key]) => key);
  }

  sizeDue(family: Family, nowMs: number): boolean {
    const size = this.#sizes.get(family);
    return size?.state === 'lost' && size.nextTryMs <= nowMs;
  }

  measured(family: Family): MeasuredMtu | undefined {
    return this.#measured.get(family);
  }

  noteWay(key: CarriageKey, round: WayRound): WayHealth {
    const way = afterRound(this.#ways.get(key) ?? newWay(round.atMs), round, this.#options);
    this.#ways.set(key, way);
    return way;
  }

  /** A round of full-size packets, beside small ones that arrived. */
  noteSize(family: Family, round: WayRound): WayHealth {
    const size = afterRound(this.#sizes.get(family) ?? newWay(round.atMs), round, this.#options);
    this.#sizes.set(family, size);
    if (size.state === 'good') this.#measured.delete(family);
    return size;
  }

  noteMeasured(family: Family, measured: MeasuredMtu): void {
    this.#measured.set(family, measured);
  }

  /** Undefined: nothing speaks against any way to this peer. */
  results(): PeerProbes | undefined {
    const lost = Object.fromEntries(
      [...this.#ways]
        .filter(([, way]) => way.state === 'lost')
        .map(([key, way]) => [key, `${way.packets} of ${way.packets} packets did not arrive`]),
    );
    const pathMtu = Object.fromEntries(this.#measured) as PeerProbes['pathMtu'];
    if (Object.keys(lost).length === 0 && this.#measured.size === 0) return undefined;
    return { lost, pathMtu };
  }
}
