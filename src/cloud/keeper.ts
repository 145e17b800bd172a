/**
 * The agent's eye and hand at its provider's API: reads what concerns the cluster's nodes at an
 * interval, changes what native routing needs of its own node where the file says so, and counts a
 * change only once a reading shows it. While the API does not answer, what was read last holds: an
 * outage changes nothing that already forwards.
 */
import type { Logger } from 'pino';
import type { Cluster, ClusterNode, ObservedNode } from '../../encap/cluster.js';
import { defaultCloud } from '../../encap/observed.js';
import type { Clock } from '../../routes/reconciler.js';
import { possibleModes } from '../../routes/receive.js';
import { backOffMs, confirmInMs, refreshInMs } from './back-off.js';
import { carryOut, messageOf } from './changes.js';
import type { CloudControl, CloudReading } from './control.js';
import { fillFromMachine } from './fill.js';
import type { CloudProviderName, MachineFacts } from './machine.js';
import { cloudProviders } from './machine.js';
import { wantsFabricRoutes } from './native-wanted.js';
import { type ReadNode, readReading, writeReading } from './observation-file.js';
import { type ReadNodes, underlayTexts } from './observe.js';
import type { Settled } from './settled.js';
import { settle } from './settled.js';
import type { CloudStatus } from './status.js';

export interface OpenedCloud {
  readonly machine: MachineFacts;
  /** Undefined: this provider's API is not spoken. */
  readonly control: CloudControl | undefined;
}

export interface CloudKeeperOptions {
  readonly self: string;
  /** Where the last reading is kept. */
  readonly file: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Between 0 and 1. */
  readonly chance: () => number;
  readonly open: (provider: CloudProviderName) => Promise<OpenedCloud>;
  /** What was observed has changed: decide again. */
  readonly onChange: () => void;
}

/** A round of reading and changing ends after this. */
const roundTimeoutMs = 60_000;
const rememberedChanges = 20;
/** NICs come and go, and endpoints move: the metadata service is asked again after this. */
const reopenMs = 3_600_000;

interface Done {
  readonly at: string;
  readonly text: string;
}

export class CloudKeeper {
  readonly #options: CloudKeeperOptions;
  #nodes: ReadNodes = new Map();
  #restored = false;
  #cluster: Cluster | undefined;
  #frozen = false;
  #opened:
    | {
        readonly provider: CloudProviderName;
        readonly cloud: OpenedCloud;
        readonly atMs: number;
      }
    | undefined;
  #timer: { cancel(): void } | undefined;
  #round: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #failures = 0;
  #confirms = 0;
  #settled: Settled = { nodes: new Map(), fresh: new Set(), waiting: false };
  #lastReading: Date | undefined;
  #reading: Pick<CloudReading, 'problems' | 'notes'> = { problems: [], notes: [] };
  #failure: string | undefined;
  #done: readonly Done[] = [];
  #told = new Set<string>();

  constructor(options: CloudKeeperOptions) {
    this.#options = options;
  }

  /** What was read last, by node name; the same object until something else was read. */
  nodes(cluster: Cluster): ReadNodes {
    if (cluster.cloud !== undefined && !this.#restored) {
      this.#restored = true;
      const saved = readReading(this.#options.file, cluster);
      if (saved !== undefined) {
        this.#nodes = saved.nodes;
        this.#lastReading = saved.at;
      }
    }
    return this.#nodes;
  }

  /** After every pass, with the cluster as the store has it. */
  update(cluster: Cluster, { frozen }: { readonly frozen: boolean }): void {
    const before = this.#cluster;
    const thawed = this.#frozen && !frozen;
    this.#cluster = cluster;
    this.#frozen = frozen;
    if (this.#provider() === undefined) {
      this.#timer?.cancel();
      this.#timer = undefined;
      return;
    }
    // Another file may ask for other switches or have other nodes; the API is not asked for more.
    if (before !== cluster || thawed) this.#soon();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#opened?.cloud.control?.close();
  }

  status(): CloudStatus | undefined {
    const cluster = this.#cluster;
    if (cluster?.cloud === undefined) return undefined;
    const own = this.#nodes.get(this.#options.self)?.observed;
    const { machine, control } = this.#opened?.cloud ?? {};
    const provider = this.#provider();
    return {
      provider: provider ?? null,
      instance: machine?.instanceId ?? null,
      manage: cluster.cloud.manage,
      idle:
        provider === undefined
          ? `${this.#options.self} is in no cloud whose API could be asked`
          : machine !== undefined && control === undefined
            ? `the API of ${provider} is not spoken: say in the file what is so`
            : null,
      lastReading: this.#lastReading?.toISOString() ?? null,
      failures: this.#failures,
      failure: this.#failure ?? null,
      switches: own?.switches ?? {},
      admits: own?.admits ?? {},
      waits: own?.waits ?? {},
      nodes: this.#nodes.size,
      problems: this.#reading.problems,
      notes: this.#reading.notes,
      changes: this.#done,
    };
  }

  #provider(): CloudProviderName | undefined {
    const cluster = this.#cluster;
    const self = cluster?.nodes.get(this.#options.self);
    if (cluster?.cloud === undefined || self === undefined) return undefined;
    const provider = cluster.zones.get(self.zone)?.provider;
    return cloudProviders.find((name) => name === provider);
  }

  #soon(): void {
    if (this.#round !== undefined) this.#again = true;
    // While the API wants to be left alone, a new file does not change that.
    else if (this.#failures === 0 || this.#timer === undefined) this.#schedule(0);
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimer(() => {
      this.#timer = undefined;
      this.#round = this.#ask().finally(() => {
        this.#round = undefined;
      });
    }, delayMs);
  }

  async #ask(): Promise<void> {
    const [provider, cluster] = [this.#provider(), this.#cluster];
    const self = cluster?.nodes.get(this.#options.self);
    if (provider === undefined || cluster === undefined || self === undefined) return;
    const { refreshMs } = cluster.cloud ?? defaultCloud;
    const chance = this.#options.chance();
    this.#again = false;
    let nextMs: number;
    try {
      const confirming = await this.#readAndChange(provider, { cluster, self });
      this.#failures = 0;
      this.#failure = undefined;
      this.#confirms = confirming ? this.#confirms + 1 : 0;
      nextMs = confirming
        ? confirmInMs(this.#confirms - 1, refreshMs)
        : refreshInMs(refreshMs, chance);
      if (this.#again) nextMs = 0;
    } catch (error) {
      this.#failures += 1;
      this.#failure = messageOf(error);
      nextMs = Math.max(refreshMs, backOffMs(this.#failures, chance));
    }
    this.#tell();
    this.#schedule(nextMs);
  }

  /** True while something was changed that no reading has shown yet. */
  async #readAndChange(
    provider: CloudProviderName,
    { cluster, self }: { readonly cluster: Cluster; readonly self: ClusterNode },
  ): Promise<boolean> {
    const { machine, control } = await this.#open(provider);
    if (control === undefined) return false;
    const { manage, routeLimit } = cluster.cloud ?? defaultCloud;
    const signal = AbortSignal.timeout(roundTimeoutMs);
    const routed = wantsFabricRoutes(cluster, self);
    const reading = await control.read({ cluster, self, machine, routed, routeLimit, signal });
    const outcome = await carryOut(possibleModes(cluster).has('native') ? reading.changes : [], {
      manage,
      held: this.#frozen ? 'the agent is frozen' : undefined,
      signal,
    });
    const at = new Date().toISOString();
    for (const { text, call } of outcome.done)
      this.#options.log.info({ provider, call }, `cloud: ${text}`);
    this.#done = [...outcome.done.map(({ text }) => ({ at, text })), ...this.#done].slice(
      0,
      rememberedChanges,
    );
    const { contradictions } = fillFromMachine(self, machine, { zones: cluster.zones });
    this.#accept(cluster, {
      ...reading,
      problems: [...reading.problems, ...contradictions.map(({ text }) => text)],
      waits: outcome.waits,
    });
    if (outcome.retry !== undefined) throw new Error(outcome.retry);
    return outcome.done.length > 0 || this.#settled.waiting;
  }

  async #open(provider: CloudProviderName): Promise<OpenedCloud> {
    const now = this.#options.clock.now();
    const opened = this.#opened;
    if (opened?.provider === provider && this.#failures === 0 && now - opened.atMs < reopenMs)
      return opened.cloud;
    const cloud = await this.#options.open(provider);
    opened?.cloud.control?.close();
    this.#opened = { provider, cloud, atMs: now };
    return cloud;
  }

  #accept(
    cluster: Cluster,
    reading: CloudReading & { readonly waits: ObservedNode['waits'] },
  ): void {
    const { self, file, log } = this.#options;
    const nodes = new Map<string, ReadNode>();
    const before = new Map([...this.#nodes].map(([name, { observed }]) => [name, observed]));
    this.#settled = settle(reading.observed, { nodes: before, fresh: this.#settled.fresh });
    for (const [name, observed] of this.#settled.nodes) {
      const node = cluster.nodes.get(name);
      if (node === undefined) continue;
      const waits = name === self ? { ...observed.waits, ...reading.waits } : observed.waits;
      nodes.set(name, { addresses: underlayTexts(node), observed: { ...observed, waits } });
    }
    this.#reading = {
      problems: [
        ...reading.problems,
        ...(reading.observed.has(self)
          ? []
          : [
              `the API knows no network interface with an address of ${self}: correct its address in the file, or the account that the agent asks`,
            ]),
      ],
      notes: reading.notes,
    };
    this.#lastReading = new Date();
    if (textOf(nodes) === textOf(this.#nodes)) return;
    for (const [name, { observed }] of nodes)
      for (const line of differences(this.#nodes.get(name)?.observed, observed))
        log.info({ peer: name }, `cloud: ${name}: ${line} (${observed.source})`);
    this.#nodes = nodes;
    try {
      writeReading(file, { cluster: cluster.name, at: this.#lastReading, nodes });
    } catch (error) {
      this.#reading = {
        ...this.#reading,
        problems: [
          ...this.#reading.problems,
          `cannot keep the reading in ${file}: ${messageOf(error)}; a restart while the API is out would have to go without it`,
        ],
      };
    }
    this.#options.onChange();
  }

  /** Each problem once, for as long as it lasts. */
  #tell(): void {
    const now = new Set([
      ...this.#reading.problems,
      ...(this.#failure === undefined
        ? []
        : [`the provider's API was not read: ${this.#failure}; what was read before holds`]),
    ]);
    for (const problem of now)
      if (!this.#told.has(problem)) this.#options.log.warn(`cloud: ${problem}`);
    this.#told = now;
  }
}

function textOf(nodes: ReadNodes): string {
  return JSON.stringify([...nodes].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function differences(before: ObservedNode | undefined, after: ObservedNode): readonly string[] {
  const names = ['sourceDestinationCheck', 'ipForwarding', 'fabricRoutes'] as const;
  return names
    .filter((name) => before?.switches[name] !== after.switches[name])
    .map(
      (name) =>
        `${name} ${before?.switches[name] ?? 'not read'} → ${after.switches[name] ?? 'not read'}`,
    );
}
