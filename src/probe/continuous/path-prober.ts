/**
 * The trains of continuous probes: a session with the peer, which counts what arrives and does not
 * look at its devices, so that being probed all the time costs it next to nothing. Small and full-size
 * packets go as traffic does; ways that are tried are made by hand and leave by the underlay.
 */
import type { Cluster, ClusterNode } from '../../../encap/cluster.js';
import type { Carriage, CarriageKey } from '../../../encap/mode.js';
import { carriageKey } from '../../../encap/mode.js';
import { markedMinBytes, markedOverheadBytes, markedPayload } from '../../../encap/probe/mark.js';
import { tunnelAddress } from '../../../routes/vtep.js';
import { Control } from '../control.js';
import { controlPaths, underlayEnds } from '../control-paths.js';
import { leastBytes, sizesBetween } from '../ladder.js';
import { outerFamilyOf } from '../craft.js';
import type { ProbeEndpoint } from '../endpoint.js';
import { type FindNextHop, handOver } from '../hand-over.js';
import { type Pinger, openRawPinger } from '../pinger.js';
import { Trains } from '../trains.js';
import type { Count, PathCounts, PathProber, PathQuestion } from './continuous.js';

export interface PathProberOptions {
  readonly self: string;
  readonly cluster: () => Cluster;
  readonly endpoint: ProbeEndpoint;
  /** Native packets made by hand go to it, past our own guard. */
  readonly nextHop: FindNextHop;
  readonly openPinger?: typeof openRawPinger;
}

/** A session lasts for one peer's trains. */
const sessionMs = 2_500;
const packetsPerSize = 2;

export class TrainPathProber implements PathProber {
  readonly #options: PathProberOptions;

  constructor(options: PathProberOptions) {
    this.#options = options;
  }

  async probe(question: PathQuestion): Promise<PathCounts> {
    const { used, fullBytes, fullPath, crafted, packets } = question;
    const run = await this.#open(question.peer, {
      carriage: used,
      raw: crafted.length > 0 || fullPath === 'crafted',
    });
    if (run === undefined) {
      const unknown = { sent: packets, delivered: undefined };
      return { small: unknown, full: unknown, crafted: new Map() };
    }
    try {
      const [small, full, tried] = await Promise.all([
        run.train({ carriage: used, path: 'routed', packets }),
        run.train({ carriage: used, path: fullPath, packets, packetBytes: fullBytes }),
        Promise.all(
          crafted.map(async (carriage): Promise<[CarriageKey, Count]> => [
            carriageKey(carriage),
            await run.train({ carriage, path: 'crafted', packets }),
          ]),
        ),
      ]);
      return { small, full, crafted: new Map(tried) };
    } finally {
      run.close();
    }
  }

  /** On the underlay's own terms: the limit of the route plays no part. */
  async largest(question: Parameters<PathProber['largest']>[0]): Promise<number | undefined> {
    const { peer, carriage, upToBytes } = question;
    let low: number = leastBytes[carriage.inner];
    let high = upToBytes + 1;
    let passed = false;
    while (high - low > 1 || !passed) {
      const sizes = passed ? sizesBetween(low, high) : [low];
      const arrived = await this.#sizes(peer, { carriage, sizes });
      if (arrived === undefined) return undefined;
      const failed = sizes.find((size) => !arrived.has(size));
      if (!passed && failed !== undefined) return undefined;
      passed = true;
      high = failed ?? high;
      low = Math.max(low, ...sizes.filter((size) => size < high));
    }
    return low;
  }

  /** Those of the sizes that arrived; undefined: the peer does not say. */
  async #sizes(
    peer: string,
    of: { readonly carriage: Carriage; readonly sizes: readonly number[] },
  ): Promise<ReadonlySet<number> | undefined> {
    const { carriage, sizes } = of;
    const run = await this.#open(peer, { carriage, raw: true });
    if (run === undefined) return undefined;
    try {
      const counts = await Promise.all(
        sizes.map((packetBytes) =>
          run.train({ carriage, path: 'crafted', packets: packetsPerSize, packetBytes }),
        ),
      );
      if (counts.some(({ delivered }) => delivered === undefined)) return undefined;
      return new Set(sizes.filter((_, i) => (counts[i]!.delivered ?? 0) > 0));
    } finally {
      run.close();
    }
  }

  async #open(
    peerName: string,
    of: { readonly carriage: Carriage; readonly raw: boolean },
  ): Promise<Run | undefined> {
    const { endpoint, openPinger = openRawPinger } = this.#options;
    const cluster = this.#options.cluster();
    const self = cluster.nodes.get(this.#options.self);
    const peer = cluster.nodes.get(peerName);
    if (self === undefined || peer === undefined) return undefined;
    const ends = underlayEnds(self, peer);
    const paths = controlPaths(endpoint, { self, peer, ends });
    const control = await Control.open(endpoint, { peer: peerName, paths, count: 1 });
    if (control.path === undefined) return undefined;
    const trains = new Trains({ peer: peerName, watches: endpoint.watches, control });
    if (!(await trains.openArrivals(sessionMs))) return undefined;
    const families = [of.carriage.inner, ...ends.map(({ family }) => family)];
    const pinger = of.raw
      ? await openPinger([...new Set(families)]).catch(() => undefined)
      : undefined;
    const { nextHop } = this.#options;
    return new Run({ cluster, self, peer, ends, endpoint, trains, pinger, nextHop });
  }
}

interface Session {
  readonly cluster: Cluster;
  readonly self: ClusterNode;
  readonly peer: ClusterNode;
  readonly ends: ReturnType<typeof underlayEnds>;
  readonly endpoint: ProbeEndpoint;
  readonly trains: Trains;
  readonly pinger: Pinger | undefined;
  readonly nextHop: FindNextHop;
}

/** One session with one peer. */
class Run {
  readonly #with: Session;

  constructor(session: Session) {
    this.#with = session;
  }

  close(): void {
    this.#with.trains.close();
    this.#with.pinger?.close();
  }

  async train(of: {
    readonly carriage: Carriage;
    readonly path: 'routed' | 'crafted';
    readonly packets: number;
    readonly packetBytes?: number;
  }): Promise<Count> {
    const { trains, self, peer, ends, pinger } = this.#with;
    const { carriage, path, packets } = of;
    const family = carriage.inner;
    const packetBytes = Math.max(of.packetBytes ?? 0, markedMinBytes(family));
    const outerFamily = outerFamilyOf({ mode: carriage.mode, outerFamily: carriage.outer }, family);
    const outer = ends.find((end) => end.family === outerFamily);
    const inner = {
      source: tunnelAddress(self, family)!,
      destination: tunnelAddress(peer, family)!,
    };
    const send = pinger?.send;
    // What cannot be sent says nothing about the way.
    if (path === 'crafted' && (outer === undefined || send === undefined))
      return { sent: 0, delivered: undefined };
    const { endpoint, cluster, nextHop } = this.#with;
    const payloadBytes = packetBytes - markedOverheadBytes(family);
    const evidence = await trains.there(
      {
        layer: of.packetBytes === undefined ? 'tunnel' : 'size',
        direction: 'there',
        family,
        mode: carriage.mode,
        outerFamily,
        path,
        packetBytes,
        count: packets,
      },
      (mark) =>
        path === 'routed'
          ? endpoint.sendMarked({
              peer: peer.name,
              family,
              payload: markedPayload(mark, payloadBytes),
            })
          : handOver(
              {
                cluster,
                self: self.name,
                peer: peer.name,
                mode: carriage.mode,
                inner,
                outer: { source: outer!.local, destination: outer!.remote },
                port: endpoint.port,
                mark,
                packetBytes,
              },
              { send: send!, nextHop },
            ),
    );
    return { sent: packets, delivered: evidence.seen.delivered };
  }
}
