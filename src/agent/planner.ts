/**
 * From the cluster and a kernel dump to a plan: facts, decisions, desired objects, the guard's and
 * the userspace planes' specifications. Keeps the last result and works again only when something
 * that it depends on has changed.
 */
import type {
  Accepts,
  Cluster,
  LocalFacts,
  ProbeResults,
  Snapshot,
  UnderlayRoute,
} from '../../encap/cluster.js';
import type { ChangeoverClock, Terms, TermsHistory } from '../../routes/changeover.js';
import {
  afterPass,
  defaultSettleMs,
  isSwitching,
  mayBeSent,
  nextStepMs,
  pruned,
  withPrepared,
} from '../../routes/changeover.js';
import type { DesiredObject } from '../../routes/desired.js';
import { desiredOf } from '../../routes/desired.js';
import { holdBack } from '../../routes/hold.js';
import type { OtherSide } from '../../routes/other-side.js';
import { otherSide, preparedTerms } from '../../routes/other-side.js';
import { isOwnLink } from '../../routes/ownership.js';
import { overlapOf } from '../../routes/overlap.js';
import { guardSpec, planeSpec } from '../../routes/peers.js';
import { Rib } from '../../routes/rib.js';
import type { Kernel, KernelState, SysctlObject } from '../../tunnel/kernel.js';
import { objectKey } from '../../tunnel/kernel.js';
import type { Observe } from '../cloud/observe.js';
import { assembleSnapshot, missingAddresses } from './assemble.js';
import { KernelKinds, withGrown } from './kernel-kinds.js';
import { LateTerms } from './late-terms.js';
import type { PlanInput } from './plan-facts.js';
import { factsKey, isOwnDevice, lookUp, routedOwners } from './plan-facts.js';
import { hostSysctls } from './host-sysctls.js';
import type { NodePlan, PlanOutcome, UnderWay } from './node-plan.js';
import type { PlanStep, StepBasis } from './peer-step.js';
import { canStep, stepTo } from './peer-step.js';
import { nextHistory } from './remember.js';
import type { TermsRecord } from './terms-record.js';
import { TermsMemory, monotonicMs } from './terms-record.js';
import { UnknownNodeError } from './unknown-node.js';

export type { NodePlan, PlanOutcome, UnderWay } from './node-plan.js';

export interface PlannerOptions {
  /** Remembers changes that are under way; by default only as long as the planner. */
  readonly record?: TermsRecord;
  /** Monotonic, and the same for every process of the machine. */
  readonly nowMs?: () => number;
  readonly probes?: () => ProbeResults | undefined;
  /** Lays what was read from providers' APIs over the cluster; the same object for the same input. */
  readonly observe?: Observe;
  /** What the others have been told that this kernel lacks. */
  readonly probedPlanes?: () => Accepts | undefined;
  /** Where the cluster comes from, if it is the store of a fleet. */
  readonly fleet?: string | undefined;
}

export class Planner {
  readonly #kernel: Kernel;
  readonly #node: string;
  readonly #record: TermsRecord;
  readonly #nowMs: () => number;
  readonly #observe: Observe;
  readonly #options: PlannerOptions;
  #history: TermsHistory | undefined;
  /** What the last plan receives besides, as a change that is led has it prepared. */
  #prepared: Terms | undefined;
  /** There is a record that must not be used. */
  #refused = false;
  readonly #kinds: KernelKinds;
  #last:
    | {
        readonly key: string;
        readonly cluster: Cluster;
        readonly plan: NodePlan;
        /** Absent: the next plan has to be made as a whole. */
        readonly basis: StepBasis | undefined;
      }
    | undefined;
  /** Nodes that came and went since the history of terms was written down. */
  readonly #late = new LateTerms();
  /** The plan that was asked for last, and what it was made by. */
  #planned:
    | { readonly plan: NodePlan; readonly history: TermsHistory; readonly clock: ChangeoverClock }
    | undefined;
  /** Devices of ours that could not be made when no change was under way: no change mends them. */
  #unmadeBefore: ReadonlySet<string> = new Set();
  /** Underlay addresses whose route the last decisions needed. */
  #routed = new Set<string>();

  constructor(kernel: Kernel, node: string, options: PlannerOptions = {}) {
    this.#kernel = kernel;
    this.#node = node;
    this.#record = options.record ?? new TermsMemory();
    this.#nowMs = options.nowMs ?? monotonicMs;
    this.#observe = options.observe ?? ((cluster) => cluster);
    this.#options = options;
    this.#kinds = new KernelKinds(kernel, this.#nowMs);
  }

  /** Another one for the same node, for questions that must not disturb what this one remembers. */
  fork(): Planner {
    const record = new TermsMemory();
    record.write(this.remembered());
    return new Planner(this.#kernel, this.#node, { ...this.#options, record });
  }

  /** What peers may be sending by; `resume` goes back to it. */
  remembered(): TermsHistory {
    if (this.#history === undefined) {
      const recorded = this.#record.read();
      this.#refused = recorded === undefined;
      this.#history = recorded ?? [];
    }
    this.#catchUp();
    return this.#history;
  }

  /**
   * As if what was asked for since had never been: peers that hold on to what was before are sent
   * that again at once, and not one settle time later.
   */
  resume(history: TermsHistory): void {
    this.#record.write(history);
    this.#history = history;
    this.#late.clear();
    this.#last = undefined;
    this.#planned = undefined;
  }

  /**
   * The plan for a cluster that differs from the one planned last in the records of these nodes and
   * in nothing else; undefined where that takes a look at all of it, and nothing has changed then.
   */
  step(configured: Cluster, names: Iterable<string>): PlanStep | undefined {
    const last = this.#last;
    if (last?.basis === undefined || this.#planned?.plan !== last.plan) return undefined;
    if (this.#refused || this.#planned.history !== this.#history) return undefined;
    // Observations are laid over all nodes.
    if (this.#history.length > 1 || this.#observe(configured) !== configured) return undefined;
    const named = new Set(names);
    const step = stepTo(configured, { basis: last.basis, names: named });
    if (step === undefined) return undefined;
    this.#late.note(configured, named);
    const { plan } = step;
    this.#last = { ...last, cluster: configured, plan, basis: { ...last.basis, plan } };
    this.#planned = { ...this.#planned, plan };
    return step;
  }

  /** Writes down what `step` has put off: for a quiet moment. */
  catchUp(): void {
    try {
      this.#catchUp();
    } catch {
      // A full disk: what is on it is older, and says too little of nodes that came since.
    }
  }

  #catchUp(): void {
    const history = this.#late.of(this.#history ?? []);
    if (history === this.#history || this.#history === undefined) return;
    if (this.#planned?.history === this.#history) this.#planned = { ...this.#planned, history };
    this.#history = history;
    this.#late.clear();
    this.#record.write(history);
  }

  /**
   * The plan that was made last has been carried out: the next step of a change counts from now.
   * Returns when it is due, on the clock of the planner; undefined when none is.
   */
  applied(plan: NodePlan, { unmade }: PlanOutcome): number | undefined {
    const planned = this.#planned;
    if (planned?.plan !== plan || planned.history !== this.#history) return undefined;
    const missing = new Set([...unmade].filter((key) => isOwnDevice(plan.objects.get(key))));
    if (planned.history.length < 2 && planned.clock.led !== 'prepare') this.#unmadeBefore = missing;
    const { settleMs } = planned.clock;
    const history = afterPass({
      history: planned.history,
      planned: planned.clock,
      endedMs: this.#nowMs(),
      incomplete: [...missing].some((key) => !this.#unmadeBefore.has(key)),
    });
    if (history !== planned.history) {
      try {
        this.#record.write(history);
      } catch {
        // A full disk: what is on it is older, and whoever reads that waits once more.
      }
      this.#history = history;
      this.#planned = { ...planned, history };
    }
    // Also what has become due since the plan was made is not in it.
    return nextStepMs(history, { nowMs: planned.clock.nowMs, settleMs });
  }

  /** The change that is under way, as the last plan and its pass have left it. */
  underWay(): UnderWay | undefined {
    if (this.#planned === undefined) return undefined;
    const { plan, history, clock: planned } = this.#planned;
    const clock = { ...planned, nowMs: this.#nowMs() };
    const alive = withPrepared(pruned(history, clock), { ...clock, prepared: this.#prepared });
    if (alive.length < 2) return undefined;
    const nextMs = nextStepMs(alive, clock);
    return {
      plan,
      switching: isSwitching(alive, clock),
      nextStepInMs: nextMs === undefined ? undefined : nextMs - clock.nowMs,
    };
  }

  async plan(configured: Cluster, state: KernelState): Promise<NodePlan> {
    const cluster = this.#observe(configured);
    const clock: ChangeoverClock = {
      nowMs: this.#nowMs(),
      settleMs: cluster.settleMs ?? defaultSettleMs,
      led: cluster.changeover?.phase,
    };
    const plan = await this.#plan(cluster, { state, clock });
    this.#planned = { plan, history: this.#history ?? [], clock };
    return plan;
  }

  async #plan(
    cluster: Cluster,
    { state, clock }: Pick<PlanInput, 'state' | 'clock'>,
  ): Promise<NodePlan> {
    const kinds = await this.#kinds.get();
    const node = cluster.nodes.get(this.#node);
    if (node === undefined) throw new UnknownNodeError(this.#node, cluster, this.#options.fleet);
    const routes = await lookUp(this.#kernel, this.#routed);
    const facts = { state, routes, clock, kinds, told: this.#options.probedPlanes?.() ?? {} };
    const key = (): string => this.#stateKey(cluster, facts);
    const last = this.#last;
    if (last?.cluster === cluster && last.key === key()) return last.plan;
    const plan = await this.#compute(cluster, facts);
    // What holds peers back is what the kernel has just now, so it is looked at every time.
    this.#last = plan.held
      ? undefined
      : { key: key(), cluster, plan: plan.plan, basis: plan.basis };
    return plan.plan;
  }

  async #compute(
    configured: Cluster,
    facts: PlanInput,
  ): Promise<{
    readonly plan: NodePlan;
    readonly held: boolean;
    readonly basis: StepBasis | undefined;
  }> {
    const { state, clock, kinds } = facts;
    let { snapshot, rib } = await this.#decide(configured, facts);
    const other = otherSide(configured, { self: this.#node, local: snapshot.local });
    const history = this.#remember(configured, { rib, other, state, clock });
    const prepared = preparedTerms(history, { cluster: configured, other });
    this.#prepared = prepared?.terms;
    const question = {
      ...{ cluster: configured, self: this.#node, state, clock },
      history: withPrepared(history, { ...clock, prepared: this.#prepared }),
    };
    const { sending, overlap: known } = overlapOf(question);
    const overlap = withGrown(known, facts);
    if (sending !== configured) ({ snapshot, rib } = await this.#decide(sending, facts));
    const whole = desiredOf({ snapshot, rib, kinds, overlap });
    const { desired: wanted, kept } = holdBack(whole.desired, {
      ...{ rib, state },
      mayBeSent: (carriage) => mayBeSent(carriage, { history, clock }),
    });
    const host = this.#hostSysctls(snapshot.cluster, snapshot.local);
    const objects = new Map<string, DesiredObject>(wanted.objects);
    for (const object of host) objects.set(objectKey(object), object);
    const served = new Map(wanted.peers);
    const desired = { ...wanted, objects, peers: served };
    const peers = { snapshot, rib, overlap, other: other?.rib };
    const plan: NodePlan = {
      configured,
      snapshot,
      rib,
      desired,
      objects,
      kinds,
      hostSysctls: host,
      guard: guardSpec(peers, desired),
      planes: desired.userspace.map((carriage) => planeSpec(peers, carriage)),
      problems: [
        ...missingAddresses(configured.nodes.get(this.#node)!, state),
        ...desired.problems,
      ],
      notes: desired.notices,
      kept,
      ...(clock.led === undefined
        ? {}
        : { led: { phase: clock.led, isWhole: prepared?.isWhole ?? true } }),
    };
    const isAlone =
      sending === configured &&
      overlap === known &&
      other === undefined &&
      question.history.length < 2;
    const { context, shared } = whole;
    const basis =
      isAlone && !shared && canStep(plan)
        ? { plan, overlap, context, objects, peers: served }
        : undefined;
    return { plan, held: kept.length > 0, basis };
  }

  async #decide(
    cluster: Cluster,
    facts: Pick<PlanInput, 'state' | 'routes'>,
  ): Promise<{
    readonly snapshot: Snapshot & { readonly local: LocalFacts };
    readonly rib: Rib;
  }> {
    const { state } = facts;
    const rib = new Rib(this.#node);
    let local = this.#facts(cluster, state, facts.routes);
    rib.build({ cluster, local });
    // A fabric that carries an overlay prefix is used by the kernel's own way to the owner; that
    // way is a fact, so it is looked up for the owners concerned and the decisions made again.
    const needed = routedOwners(rib);
    if ([...needed].some((address) => !facts.routes.has(address))) {
      local = this.#facts(cluster, state, await lookUp(this.#kernel, needed));
      rib.build({ cluster, local });
    }
    this.#routed = needed;
    return { snapshot: { cluster, local }, rib };
  }

  /** Notes what this configuration asks for, on disk before anything follows from it. */
  #remember(
    cluster: Cluster,
    now: Pick<PlanInput, 'state' | 'clock'> & {
      readonly rib: Rib;
      readonly other: OtherSide | undefined;
    },
  ): TermsHistory {
    const { state } = now;
    // Where no device of ours is left, nothing is sent or received that a change could lose.
    const before =
      this.#history !== undefined || state.links.some(isOwnLink) ? this.remembered() : [];
    const history = nextHistory({ ...now, before, cluster, refused: this.#refused });
    this.#refused = false;
    const changed =
      history.length !== before.length || history.some((entry, i) => entry !== before[i]);
    if (changed) this.#record.write(history);
    this.#history = changed ? history : before;
    return this.#history;
  }

  /** Equal keys: nothing that a plan for this cluster depends on has changed. */
  #stateKey(cluster: Cluster, now: PlanInput): string {
    const { state, routes, clock, kinds, told } = now;
    const history = pruned(this.#history ?? [], clock);
    const { overlap, sending } = overlapOf({
      ...{ cluster, self: this.#node, state, clock },
      history: withPrepared(history, { ...clock, prepared: this.#prepared }),
    });
    const changeover = [
      overlap.slots,
      overlap.vxlan,
      overlap.locals.map(({ address, slot }) => [address.text, slot]),
      history.map(({ sinceMs }) => sinceMs),
      isSwitching(history, clock),
      [[...kinds], told],
    ];
    const local = this.#facts(sending, state, routes);
    return JSON.stringify([changeover, factsKey(local, routes, this.#hostKey(sending, local))]);
  }

  #facts(
    cluster: Cluster,
    kernel: KernelState,
    underlayRoutes: ReadonlyMap<string, UnderlayRoute>,
  ): LocalFacts {
    const [node, probes] = [this.#node, this.#options.probes?.()];
    return assembleSnapshot({ cluster, node, kernel, underlayRoutes, probes }).local!;
  }

  #hostSysctls(cluster: Cluster, local: LocalFacts): readonly SysctlObject[] {
    const ipv6 = cluster.pools.some((pool) => pool.family === 6);
    return hostSysctls(this.#kernel, local, { ipv6 });
  }

  #hostKey(cluster: Cluster, local: LocalFacts): string {
    return this.#hostSysctls(cluster, local)
      .map((object) => `${object.path}=${object.value}`)
      .join(' ');
  }
}
