/**
 * Probes one pair of nodes, layer by layer, all layers at once:
 *
 *     underlay   ICMP echo between the underlay addresses
 *     control    questions and answers of the agents, and over them the peer's view of the pair
 *     tunnel     marked packets one way by the routes in use, and made by hand for other ways
 *     inner      ICMP echo between the tunnel addresses
 *     size       the same in sizes, to find the path MTU; marked packets of full size, one way each
 *
 * Nothing of the node's configuration is changed for it. Without an endpoint (no cluster key, or no
 * agent) the peer is not asked: what is left are the echoes and this node's own devices.
 */
import type { Address, Family } from '../../encap/address.js';
import type { Cluster, ClusterNode } from '../../encap/cluster.js';
import { decodeViewAnswer, encodeViewQuestion } from '../../encap/probe/body.js';
import {
  encodeMarkedPacket,
  markedMinBytes,
  markedOverheadBytes,
  markedPayload,
} from '../../encap/probe/mark.js';
import { datagramMinBytes } from '../../encap/probe/datagram.js';
import { defaultProbePort } from '../../encap/probe/settings.js';
import type { NodeView, PathMtuEvidence, ProbeEvidence } from '../../routes/diagnose/evidence.js';
import { tunnelAddress } from '../../routes/vtep.js';
import { Control, type ControlPath } from './control.js';
import { controlPaths, underlayEnds } from './control-paths.js';
import { outerFamilyOf } from './craft.js';
import type { ProbeEndpoint } from './endpoint.js';
import { type FindNextHop, handOver } from './hand-over.js';
import { measurePathMtu } from './ladder.js';
import type { PairProbeRequest, PairProbeResult, Prober, Way } from './pair-probe.js';
import { type Pinger, openRawPinger, openSystemPinger } from './pinger.js';
import type { AskSegment } from './segment.js';
import { roundTrip } from './round-trip.js';
import { type TrainKind, Trains } from './trains.js';
import { fetchView } from './view-pages.js';
import { Watches } from './watches.js';

export interface ProberOptions {
  readonly self: string;
  readonly cluster: () => Cluster;
  /** Devices that the underlay is reached by. */
  readonly nics: () => readonly string[];
  /** MTU in bytes of the device that the kernel's route to this address leads to. */
  readonly deviceMtu: (destination: Address) => Promise<number | undefined>;
  /** For native packets that the own guard would hold back. */
  readonly nextHop?: FindNextHop;
  /** Who has an address of the segment? */
  readonly askSegment?: AskSegment;
  /** Absent: this node has no cluster key; the text says so. */
  readonly endpoint: ProbeEndpoint | string;
  readonly openPinger?: (families: readonly Family[]) => Promise<Pinger>;
}

/** Marked packets of full size: one may be lost by chance. */
const packetsPerSize = 2;
const maxCount = 20;
/** The peer reads its kernel and all packet filters for its view. */
const viewWorkMs = 1_000;

export function createProber(options: ProberOptions): Prober {
  return {
    probePair: (request) => new PairRun(options, request).run(),
  };
}

class PairRun {
  readonly #options: ProberOptions;
  readonly #request: PairProbeRequest;
  readonly #cluster: Cluster;
  readonly #self: ClusterNode;
  readonly #peer: ClusterNode;
  readonly #count: number;
  readonly #notes: string[] = [];

  constructor(options: ProberOptions, request: PairProbeRequest) {
    this.#options = options;
    this.#request = request;
    this.#cluster = options.cluster();
    this.#self = requireNode(this.#cluster, options.self);
    this.#peer = requireNode(this.#cluster, request.peer);
    this.#count = Math.min(maxCount, Math.max(1, Math.trunc(request.count)));
  }

  async run(): Promise<PairProbeResult> {
    const ends = this.#ends();
    const families = [...new Set([this.#request.family, ...ends.map(({ family }) => family)])];
    const pinger = await this.#openPinger(families);
    try {
      const [underlay, talk, sizes, inner, holders] = await Promise.all([
        Promise.all(ends.map((end) => this.#underlayEcho(pinger, end))),
        this.#talk(pinger),
        this.#sizes(pinger),
        this.#innerEcho(pinger),
        this.#holders(ends),
      ]);
      const probes = [...underlay, ...talk.probes, ...inner, ...sizes.probes].filter(
        (probe) => probe !== undefined,
      );
      return {
        probes,
        pathMtu: sizes.pathMtu,
        peerView: talk.peerView,
        peerSilence: talk.peerSilence,
        answeredInstead: talk.answeredInstead,
        holders,
        notes: this.#notes,
      };
    } finally {
      pinger?.close();
    }
  }

  #ends(): NonNullable<PairProbeRequest['ends']> {
    if (this.#request.ends !== undefined) return this.#request.ends;
    return underlayEnds(this.#self, this.#peer);
  }

  async #holders(ends: NonNullable<PairProbeRequest['ends']>): Promise<PairProbeResult['holders']> {
    const [self, peer] = [this.#self.name, this.#peer.name];
    try {
      return (await this.#options.askSegment?.({ self, peer, ends })) ?? [];
    } catch (error) {
      this.#notes.push(`nobody was asked who has the addresses: ${(error as Error).message}`);
      return [];
    }
  }

  #inner(): { readonly source: Address; readonly destination: Address } | undefined {
    const source = tunnelAddress(this.#self, this.#request.family);
    const destination = tunnelAddress(this.#peer, this.#request.family);
    return source === undefined || destination === undefined ? undefined : { source, destination };
  }

  async #openPinger(families: readonly Family[]): Promise<Pinger | undefined> {
    try {
      return await (this.#options.openPinger ?? openRawPinger)(families);
    } catch (error) {
      const system = openSystemPinger();
      const instead =
        system === undefined ? 'and there is no "ping" either' : '"ping" is used instead';
      this.#notes.push(`no probe packets of our own: ${(error as Error).message}; ${instead}`);
      return system;
    }
  }

  async #underlayEcho(
    pinger: Pinger | undefined,
    end: { readonly family: Family; readonly local: Address; readonly remote: Address },
  ): Promise<ProbeEvidence | undefined> {
    const result = await pinger?.ping({
      source: end.local,
      destination: end.remote,
      count: this.#count,
    });
    return result && roundTrip(result, { layer: 'underlay', family: end.family });
  }

  async #innerEcho(pinger: Pinger | undefined): Promise<readonly ProbeEvidence[]> {
    const inner = this.#inner();
    const { there, family } = this.#request;
    if (pinger === undefined || inner === undefined || there === undefined) return [];
    const result = await pinger.ping({ ...inner, count: this.#count });
    return [roundTrip(result, { layer: 'inner', family, way: there })];
  }

  async #sizes(pinger: Pinger | undefined): Promise<{
    readonly probes: readonly ProbeEvidence[];
    readonly pathMtu: PathMtuEvidence | null;
  }> {
    const inner = this.#inner();
    const { there, family } = this.#request;
    if (pinger === undefined || inner === undefined || there === undefined)
      return { probes: [], pathMtu: null };
    const deviceBytes = (await this.#options.deviceMtu(inner.destination)) ?? there.mtu;
    let rttMs: number | undefined;
    const { pathMtu, expected } = await measurePathMtu({
      family,
      expectedBytes: there.mtu,
      deviceBytes,
      send: async (size) => {
        const result = await pinger.ping({ ...inner, ...size, rttMs });
        if (result.rttsMs.length > 0) rttMs = Math.max(rttMs ?? 0, ...result.rttsMs);
        return result;
      },
    });
    const result = { rttsMs: [], ...expected, packetBytes: there.mtu };
    return { probes: [roundTrip(result, { layer: 'size', family, way: there })], pathMtu };
  }

  /** All that the peer takes part in, and the marked packets that only need this node. */
  async #talk(pinger: Pinger | undefined): Promise<{
    readonly probes: readonly ProbeEvidence[];
    readonly peerView: NodeView | null;
    readonly peerSilence: string | null;
    readonly answeredInstead: string | null;
  }> {
    const { endpoint } = this.#options;
    const { peer } = this.#request;
    const control =
      typeof endpoint === 'string'
        ? undefined
        : await Control.open(endpoint, { peer, paths: this.#paths(), count: this.#count });
    const echoes = (control?.echoes ?? [])
      .filter(({ path }) => path.kind === 'underlay')
      .map((one) =>
        roundTrip(
          { ...one, packetBytes: controlPacketBytes(one.path.family), answered: one.rttsMs.length },
          { layer: 'control', family: one.path.family },
        ),
      );
    const [view, trains] = await Promise.all([
      this.#view(control, pinger),
      this.#trains(pinger, control),
    ]);
    if (typeof endpoint !== 'string') {
      const offsetMs = endpoint.clockOffsetMs(peer);
      if (offsetMs !== undefined)
        this.#notes.push(
          `the clock of ${peer} is ${(Math.abs(offsetMs) / 1000).toFixed(0)} s ${offsetMs > 0 ? 'ahead of' : 'behind'} this node's`,
        );
    }
    const known = typeof view !== 'string';
    // What the peer's kernel said comes to another socket, and later.
    const refused = this.#ends().filter(
      ({ remote }) => pinger?.errorsAbout(remote).includes('port-unreachable') === true,
    );
    const told = echoes.map((probe) =>
      probe.answered === 0 && refused.some(({ family }) => family === probe.family)
        ? { ...probe, errors: [...new Set([...probe.errors, 'port-unreachable'])] }
        : probe,
    );
    return {
      probes: [...told, ...trains],
      peerView: known ? view : null,
      peerSilence: known ? null : view,
      answeredInstead: control?.answeredInstead ?? null,
    };
  }

  #paths(): readonly ControlPath[] {
    const { endpoint } = this.#options;
    if (typeof endpoint === 'string') return [];
    return controlPaths(endpoint, { self: this.#self, peer: this.#peer, ends: this.#ends() });
  }

  /** The peer's view, or why there is none. */
  async #view(
    control: Control | undefined,
    pinger: Pinger | undefined,
  ): Promise<NodeView | string> {
    const { endpoint } = this.#options;
    const { peer, family } = this.#request;
    if (typeof endpoint === 'string') return endpoint;
    if (control?.path === undefined) {
      const underlay = control?.echoes.filter(({ path }) => path.kind === 'underlay') ?? [];
      const heard = this.#ends().flatMap(({ remote }) => pinger?.errorsAbout(remote) ?? []);
      const codes = new Set([...underlay.flatMap(({ errors }) => errors), ...heard]);
      const asked = underlay.reduce((sum, { sent }) => sum + sent, 0);
      if (codes.has('port-unreachable'))
        return `nobody listens on UDP port ${endpoint.port} of ${peer}: its agent does not run or has no cluster key`;
      return (
        `${peer} answers none of ${asked} questions on UDP port ${endpoint.port}` +
        `${codes.size === 0 ? '' : ` (${[...codes].join(', ')})`}: its agent does not run, has no or ` +
        `another cluster key, or the port is blocked on the way`
      );
    }
    return fetchView(peer, async (question) => {
      // Its first page has to be made.
      const workMs = question.offset === 0 ? viewWorkMs : 0;
      const body = await control.ask('view', encodeViewQuestion({ ...question, family }), {
        workMs,
      });
      return body && decodeViewAnswer(body);
    });
  }

  async #trains(
    pinger: Pinger | undefined,
    control: Control | undefined,
  ): Promise<readonly ProbeEvidence[]> {
    const { endpoint } = this.#options;
    const { peer, family, there, back } = this.#request;
    const inner = this.#inner();
    if (inner === undefined) return [];
    const own = new Watches({ nics: this.#options.nics, nowMs: () => performance.now() });
    const watches = typeof endpoint === 'string' ? own : endpoint.watches;
    const trains = new Trains({ peer, watches, control });
    await trains.open();
    const alive = control?.path !== undefined;
    const kind = (
      of: Pick<TrainKind, 'layer' | 'direction'> & Partial<TrainKind>,
      way: Pick<Way, 'mode' | 'outerFamily'>,
    ): TrainKind => ({
      family,
      mode: way.mode,
      outerFamily: outerFamilyOf(way, family),
      path: 'routed',
      packetBytes: markedMinBytes(family),
      count: this.#count,
      ...of,
    });
    const send = (packetBytes: number) => async (mark: Parameters<typeof markedPayload>[0]) => {
      const payload = markedPayload(mark, packetBytes - markedOverheadBytes(family));
      if (typeof endpoint !== 'string' && endpoint.listensOn(inner.source))
        return endpoint.sendMarked({ peer, family, payload });
      const port = typeof endpoint === 'string' ? defaultProbePort : endpoint.port;
      const packet = encodeMarkedPacket({ ...inner, port, payload, headroom: 0 });
      return pinger?.send?.(packet, inner.destination) ?? 'EADDRNOTAVAIL';
    };
    const size = Math.min(this.#count, packetsPerSize);
    const jobs: Promise<ProbeEvidence>[] = [];
    if (there !== undefined) {
      const small = kind({ layer: 'tunnel', direction: 'there' }, there);
      const large = kind(
        { layer: 'size', direction: 'there', packetBytes: there.mtu, count: size },
        there,
      );
      jobs.push(trains.there(small, send(small.packetBytes)));
      jobs.push(trains.there(large, send(large.packetBytes)));
    }
    if (back !== undefined && alive) {
      const small = kind({ layer: 'tunnel', direction: 'back' }, back);
      const large = kind(
        { layer: 'size', direction: 'back', packetBytes: back.mtu, count: size },
        back,
      );
      jobs.push(trains.back(small), trains.back(large));
    }
    for (const way of this.#request.crafted) {
      const job = this.#crafted(trains, {
        pinger,
        inner,
        kind: kind({ layer: 'tunnel', direction: 'there', path: 'crafted' }, way),
      });
      if (job !== undefined) jobs.push(job);
    }
    try {
      return await Promise.all(jobs);
    } finally {
      trains.close();
      own.closeAll();
      this.#notes.push(...trains.notes);
    }
  }

  #crafted(
    trains: Trains,
    of: {
      readonly pinger: Pinger | undefined;
      readonly inner: { readonly source: Address; readonly destination: Address };
      readonly kind: TrainKind;
    },
  ): Promise<ProbeEvidence> | undefined {
    const { kind, inner, pinger } = of;
    const { mode, outerFamily } = kind;
    const ends = this.#ends().find(({ family }) => family === outerFamily);
    const send = pinger?.send;
    if (ends === undefined || mode === null || send === undefined) {
      this.#notes.push(
        `${mode} over IPv${outerFamily} cannot be tried: ${ends === undefined ? 'the nodes share no underlay of that family' : 'that takes raw sockets'}`,
      );
      return undefined;
    }
    const { endpoint, nextHop } = this.#options;
    return trains.there(kind, (mark) =>
      handOver(
        {
          cluster: this.#cluster,
          self: this.#self.name,
          peer: this.#peer.name,
          mode,
          inner,
          outer: { source: ends.local, destination: ends.remote },
          port: typeof endpoint === 'string' ? defaultProbePort : endpoint.port,
          mark,
        },
        { send, nextHop },
      ),
    );
  }
}

function requireNode(cluster: Cluster, name: string): ClusterNode {
  const node = cluster.nodes.get(name);
  if (node === undefined) throw new Error(`cannot probe ${name}: the cluster has no such node`);
  return node;
}

/** The smallest question, as an IP packet. */
function controlPacketBytes(family: Family): number {
  return markedOverheadBytes(family) + datagramMinBytes;
}
