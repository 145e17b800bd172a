/**
 * Keeps the counters by zone in line with the cluster, where somebody wants them. No part of
 * forwarding: what fails is told once, and tried again.
 */
import type { Cluster } from '../../encap/cluster.js';
import { disjointRanges } from '../../encap/disjoint-ranges.js';
import { ownDeviceNames } from '../../routes/ownership.js';
import type { Clock } from '../../routes/reconciler.js';
import type { ZoneCount, ZoneRanges } from '../../tunnel/zone-traffic/counters.js';
import { ZoneCounters } from '../../tunnel/zone-traffic/counters.js';
import type { AgentObserver } from './figures.js';
import { modeOfDevice } from './traffic.js';

/** Changes within this time make one transaction. */
const gatherMs = 2_000;
const retryMs = 30_000;

export interface ZoneTrafficOptions {
  readonly node: string;
  readonly cluster: () => Cluster | undefined;
  readonly clock: Clock;
  readonly onProblem: (problem: string) => void;
  readonly counters?: Pick<ZoneCounters, 'apply' | 'read' | 'remove'>;
}

export class ZoneTraffic implements AgentObserver {
  readonly #options: ZoneTrafficOptions;
  readonly #counters: Pick<ZoneCounters, 'apply' | 'read' | 'remove'>;
  #counted: Cluster | undefined;
  #timer: { cancel(): void } | undefined;
  #running: Promise<void> = Promise.resolve();
  #told = '';
  #closed = false;

  constructor(options: ZoneTrafficOptions) {
    this.#options = options;
    this.#counters = options.counters ?? zoneCounters();
  }

  passed(): void {
    if (this.#options.cluster() !== this.#counted)
      this.#soon(this.#counted === undefined ? 0 : gatherMs);
  }

  async read(): Promise<readonly (ZoneCount & { readonly zone: string })[]> {
    const { node } = this.#options;
    const zone = this.#counted?.nodes.get(node)?.zone;
    if (zone === undefined) return [];
    try {
      return (await this.#counters.read()).map((count) => ({ ...count, zone }));
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  /** Nobody reads them any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#running;
    await this.#counters.remove().catch((error: unknown) => this.#tell(error));
  }

  #soon(delayMs: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.#options.clock.setTimer(() => {
      this.#timer = undefined;
      this.#running = this.#running.then(() => this.#apply());
    }, delayMs);
  }

  async #apply(): Promise<void> {
    const cluster = this.#options.cluster();
    if (cluster === undefined || cluster === this.#counted) return;
    try {
      await this.#counters.apply(rangesOf(cluster, this.#options.node));
      this.#counted = cluster;
      this.#told = '';
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#counted = undefined;
    this.#tell(error);
    this.#soon(retryMs);
  }

  #tell(error: unknown): void {
    const { message } = error as Error;
    if (message !== this.#told) this.#options.onProblem(message);
    this.#told = message;
  }
}

export function zoneCounters(): ZoneCounters {
  const of = (mode: 'vxlan' | 'ipip'): readonly string[] =>
    [...ownDeviceNames].filter((name) => modeOfDevice(name) === mode);
  return new ZoneCounters({ devices: { vxlan: of('vxlan'), ipip: of('ipip') } });
}

/** The peers' overlay prefixes by zone; what is this node's own crosses no underlay. */
function rangesOf(cluster: Cluster, self: string): ZoneRanges {
  const prefixes = [...cluster.nodes.values()]
    .filter(({ name }) => name !== self)
    .flatMap(({ zone, overlay }) => overlay.map((prefix) => ({ prefix, value: zone })));
  return { 4: disjointRanges(prefixes, 4), 6: disjointRanges(prefixes, 6) };
}
