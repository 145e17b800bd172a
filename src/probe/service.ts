/**
 * Probes as a node's agent has them: its end of the talk with other agents, which listens from the
 * first pass on, and the prober that uses it.
 */
import type { Logger } from 'pino';
import type { Family } from '../../encap/address.js';
import type { Cluster, LocalFacts } from '../../encap/cluster.js';
import type { NodeView } from '../../routes/diagnose/index.js';
import type { NodeReading } from '../explain/reading.js';
import { ProbeEndpoint } from './endpoint.js';
import { nextHopIn } from './hand-over.js';
import type { ClusterKey } from './key.js';
import type { PairProbeResult, Prober } from './pair-probe.js';
import { type PairRequestQuestion, pairRequest } from './pair-request.js';
import { PairViews } from './pair-view.js';
import { createProber } from './prober.js';
import { segmentOf } from './segment.js';

export interface ProbeServiceOptions {
  readonly node: string;
  readonly key: ClusterKey;
  /** What the node's answers rest on; throws while there is no plan yet. */
  readonly reading: () => NodeReading;
  readonly log: Logger;
}

export interface PairProbing extends PairProbeResult {
  readonly schema: 'selvage.probe/1';
  readonly node: string;
  readonly peer: string;
  readonly family: Family;
  /** This node's own view, as it was when the probes had ended. */
  readonly view: NodeView | null;
}

export class ProbeService {
  readonly #options: ProbeServiceOptions;
  readonly #views = new PairViews();
  readonly #endpoint: ProbeEndpoint | undefined;
  readonly prober: Prober;
  #cluster: Cluster | undefined;
  #shownProblems = '';

  constructor(options: ProbeServiceOptions) {
    this.#options = options;
    const { node, key } = options;
    const nics = (): readonly string[] => underlayDevices(options.reading().snapshot.local);
    this.#endpoint =
      key.bytes === undefined
        ? undefined
        : new ProbeEndpoint({
            self: node,
            key: key.bytes,
            nics,
            viewOf: async ({ peer, family }) => {
              const view = await this.#view({ peer, family, role: 'to' });
              if (view === undefined)
                throw new Error(`no view of ${peer}: it is not in the cluster`);
              return view;
            },
          });
    this.prober = createProber({
      self: node,
      cluster: () => options.reading().snapshot.cluster,
      nics,
      deviceMtu: async (destination) => {
        const { kernel } = options.reading();
        const route = await kernel.lookup(destination);
        if (route?.kind !== 'unicast') return undefined;
        const { devices } = await kernel.details();
        return devices.find(({ name }) => name === route.device)?.mtu;
      },
      nextHop: nextHopIn(() => options.reading().kernel),
      askSegment: segmentOf(() => options.reading().kernel),
      endpoint:
        this.#endpoint ??
        `${node} has no cluster key (${key.file}): it probes by itself and asks nobody; "selvage key generate" makes one`,
    });
  }

  get node(): string {
    return this.#options.node;
  }

  /** Undefined without a cluster key. */
  get endpoint(): ProbeEndpoint | undefined {
    return this.#endpoint;
  }

  /** After every pass: the cluster may be another, and addresses may have come. */
  async update(cluster: Cluster): Promise<void> {
    const { log, node, key } = this.#options;
    const endpoint = this.#endpoint;
    if (endpoint === undefined) {
      if (this.#cluster === undefined)
        log.info({ key: key.file }, 'no cluster key: probes of other nodes are not answered');
    } else {
      await endpoint.update(cluster);
      const shown = endpoint.problems.join('\n');
      if (shown !== this.#shownProblems) for (const problem of endpoint.problems) log.warn(problem);
      this.#shownProblems = shown;
      if (this.#cluster === undefined)
        log.info({ node, port: endpoint.port }, 'probes of other nodes are answered');
    }
    this.#cluster = cluster;
  }

  /** Undefined when the peer is not in the cluster. */
  async probe(question: PairRequestQuestion): Promise<PairProbing | undefined> {
    const request = pairRequest(this.#options.reading(), question);
    if (request === undefined) return undefined;
    const { peer, family } = question;
    // Once before: from now on the guard's drops are counted.
    await this.#view({ peer, family, role: 'from' });
    const result = await this.prober.probePair(request);
    const view = await this.#view({ peer, family, role: 'from' });
    const { node } = this.#options;
    return { schema: 'selvage.probe/1', node, peer, family, view: view ?? null, ...result };
  }

  close(): void {
    this.#endpoint?.close();
  }

  #view(pair: {
    readonly peer: string;
    readonly family: Family;
    readonly role: 'from' | 'to';
  }): Promise<NodeView | undefined> {
    const reading = this.#options.reading();
    const agent = reading.freeze === undefined ? 'running' : 'frozen';
    return this.#views.view(reading, { ...pair, agent });
  }
}

function underlayDevices(local: LocalFacts | undefined): readonly string[] {
  if (local === undefined) return [];
  const nics = Object.values(local.nics).map(({ name }) => name);
  const ways = [...local.underlayRoutes.values()].map(({ device }) => device);
  return [...new Set([...nics, ...ways])];
}
