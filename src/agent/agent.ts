/**
 * The agent: the single writer of one node. Configuration, kernel notifications and the clock only
 * mark the state dirty; the reconciler's passes do the rest. It answers questions on the control
 * socket from the same plan that it applies.
 */
import type { Logger } from 'pino';
import type { Cluster } from '../../encap/cluster.js';
import type { PassReport } from '../../routes/reconciler.js';
import { systemClock } from '../../routes/reconciler.js';
import { CloudKeeper } from '../cloud/keeper.js';
import { observeWith } from '../cloud/observe.js';
import { openCloud } from '../cloud/open.js';
import { type ControlServer, HttpProblem, serveControl } from '../http/server.js';
import { Journal } from '../journal/journal.js';
import type { ClusterKey } from '../probe/key.js';
import { ContinuousService } from '../probe/continuous/service.js';
import { nextHopIn } from '../probe/hand-over.js';
import { ProbeService } from '../probe/service.js';
import type { ClusterStore } from '../store/store.js';
import { agentChange } from './agent-change.js';
import type { AgentView } from './agent-reading.js';
import { agentReading, guardNotes } from './agent-reading.js';
import { type AnswerSources, answerRoutes, planAnswer } from './answers.js';
import { captureRoute } from './capture-route.js';
import { changeoverReport } from './changeover-report.js';
import { beginRoute, changeReportRoute, settleRoutes, unlessOfFleet } from './change-routes.js';
import type { AgentFigures, AgentObserver } from './figures.js';
import { Freeze } from './freeze.js';
import { freezeRoutes, unlessFrozen } from './freeze-routes.js';
import type { GuardedChange } from './guarded-change.js';
import { HeapKeeper } from './heap.js';
import { NodeLoop } from './node-loop.js';
import type { NodeRuntime } from './node-runtime.js';
import type { AgentPaths } from './paths.js';
import { agentSocket, cloudReadingFile, freezeFile, termsFile } from './paths.js';
import { AnswerPreparation } from './prepare-answers.js';
import { probeRoute } from './probe-route.js';
import { TermsFile } from './terms-record.js';
import { PassLog } from './pass-log.js';
import type { NodePlan } from './planner.js';
import { Planner } from './planner.js';
import { Publishing } from './publishing.js';
import { snapshotRoute } from './snapshot-route.js';
import type { StatusReport } from './status.js';
import {
  contestSummary,
  freezeStatus,
  masqueradeStatus,
  passSummary,
  peerStatuses,
  whileShut,
} from './status.js';
import { TrafficMeter } from './traffic.js';

export interface AgentOptions {
  readonly node: string;
  readonly store: ClusterStore;
  readonly runtime: NodeRuntime;
  readonly paths: AgentPaths;
  /** What a confirmed change is written to. */
  readonly configFile: string;
  readonly socket?: string | undefined;
  readonly clusterKey: ClusterKey;
  readonly log: Logger;
  readonly resyncMs?: number | undefined;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #planner: Planner;
  readonly #loop: NodeLoop;
  readonly #probing: ProbeService;
  readonly #continuous: ContinuousService;
  readonly #cloud: CloudKeeper;
  readonly #change: GuardedChange;
  readonly #freeze: Freeze;
  readonly #journal = new Journal();
  readonly #passLog: PassLog;
  readonly #publishing: Publishing;
  readonly #answers = new AnswerPreparation();
  readonly #traffic = new TrafficMeter();
  readonly #heap = new HeapKeeper({
    clock: systemClock,
    isBusy: () => this.#loop.reconciler.isBusy,
  });
  readonly #observers: AgentObserver[] = [];
  /** In force instead of the store's cluster while nobody has confirmed it. */
  #candidate: Cluster | undefined;
  #server: ControlServer | undefined;
  #guardWatch: { close(): void } | undefined;
  #lastPass: { readonly report: PassReport; readonly at: Date } | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#passLog = new PassLog(options.log, this.#journal);
    const { runtime, node } = options;
    this.#publishing = new Publishing({
      store: options.store,
      clock: systemClock,
      now: () => ({ ready: this.#notReady() === undefined, problems: this.#problems() }),
    });
    this.#planner = new Planner(runtime.kernel, node, {
      record: new TermsFile(termsFile(options.paths), {
        onRefused: (problem) => options.log.warn(problem),
      }),
      probes: () => this.#continuous.results,
      ...(options.store.publish === undefined
        ? {}
        : { fleet: options.store.name, probedPlanes: () => options.store.probedPlanes }),
      observe: observeWith((cluster) => this.#cloud.nodes(cluster)),
    });
    this.#freeze = new Freeze({
      path: freezeFile(options.paths),
      log: options.log,
      onThaw: () => this.#loop.reconciler.retryNow('freeze is over'),
    });
    this.#loop = new NodeLoop({
      planner: this.#planner,
      runtime,
      resyncMs: options.resyncMs,
      cluster: () => {
        const isOfStore = this.#candidate === undefined && options.store.lastGoodOf === undefined;
        this.#publishing.planning({ isOfStore });
        return this.#candidate ?? options.store.current;
      },
      onPass: (report) => this.#onPass(report),
      frozen: () => this.#freeze.report !== undefined,
    });
    this.#probing = new ProbeService({
      node,
      log: options.log,
      key: options.clusterKey,
      reading: () => agentReading(this.#view()),
    });
    this.#continuous = new ContinuousService({
      self: node,
      endpoint: this.#probing.endpoint,
      nextHop: nextHopIn(() => runtime.kernel),
      log: options.log,
      current: () =>
        this.#loop.plan && {
          snapshot: this.#loop.plan.snapshot,
          decisions: this.#loop.plan.rib.decisions,
        },
      onChange: () => this.#loop.reconciler.trigger('probes'),
    });
    this.#cloud = new CloudKeeper({
      self: node,
      file: cloudReadingFile(options.paths),
      log: options.log,
      clock: systemClock,
      chance: Math.random,
      open: openCloud,
      onChange: () => this.#loop.reconciler.trigger('cloud'),
    });
    this.#change = agentChange({
      ...options,
      planner: this.#planner,
      lastPass: () => this.#lastPass?.report,
      run: (candidate, reason) => {
        this.#candidate = candidate;
        return this.#loop.reconciler.pass(reason);
      },
    });
  }

  async start(): Promise<void> {
    const { node, runtime, store, paths, socket = agentSocket(paths), log } = this.#options;
    const answers: AnswerSources = {
      node,
      runtime,
      planner: this.#planner,
      prober: this.#probing.prober,
      view: () => this.#view(),
      plan: () => this.#loop.plan,
    };
    this.#server = await serveControl(socket, [
      { method: 'GET', path: '/v1/status', handle: () => this.#status() },
      ...answerRoutes(answers),
      { method: 'GET', path: '/v1/rib', handle: () => this.#rib() },
      { method: 'POST', path: '/v1/reload', handle: () => this.reload() },
      unlessFrozen(this.#freeze, unlessOfFleet(store, beginRoute(this.#change))),
      changeReportRoute(this.#change),
      ...settleRoutes(this.#change),
      ...freezeRoutes({
        freeze: this.#freeze,
        pass: (reason) => this.#loop.reconciler.pass(reason),
        isPending: () => this.#change.isPending,
      }),
      captureRoute(() => this.#view()),
      snapshotRoute({
        view: () => this.#view(),
        status: () => this.#status(),
        plan: () => planAnswer(answers),
        configFile: this.#options.configFile,
      }),
      probeRoute(this.#probing, () => this.#requirePlan().snapshot.cluster),
      { method: 'GET', path: '/healthz', handle: () => Promise.resolve({ ok: true }) },
      { method: 'GET', path: '/readyz', handle: () => this.#readyz() },
    ]);
    let seen = store.current;
    store.onChange((change) => {
      this.#logProblems();
      if (change.kind === 'problems') return;
      const version = store.current === seen ? 'refused' : 'new';
      seen = store.current;
      for (const observer of this.#observers) observer.storeChanged?.(version);
      this.#loop.storeChanged(change);
    });
    this.#guardWatch = runtime.guardKeeper.watch(() =>
      this.#loop.reconciler.trigger('guard changed'),
    );
    this.#loop.start();
    log.info({ config: store.name, socket, pid: process.pid }, 'agent started');
  }

  /** To be called before the start. */
  observe(observer: AgentObserver): void {
    this.#observers.push(observer);
  }

  figures(): AgentFigures {
    const { node, store, runtime } = this.#options;
    const plan = this.#loop.plan;
    const underWay = this.#planner.underWay();
    return {
      node,
      cluster: this.#candidate ?? store.current,
      lastGoodOf: store.lastGoodOf,
      store: store.health,
      configurationProblems: store.problems.length,
      problems: (plan?.problems.length ?? 0) + runtime.problems.length,
      notReady: this.#notReady(),
      lastPass: this.#lastPass,
      contested:
        runtime.guardKeeper.contested.length + (this.#lastPass?.report.contested.length ?? 0),
      frozen: this.#freeze.report !== undefined,
      guardShut: runtime.guardKeeper.isShut,
      changeover: underWay === undefined ? 'none' : underWay.switching ? 'waiting' : 'ending',
      kept: plan?.kept.length ?? 0,
      probes: this.#continuous.status(),
      peers: () => (plan === undefined ? [] : this.#peers(plan)),
      traffic: () => this.#traffic.read(),
      guardDropped: () => runtime.guard.counters(),
    };
  }

  /** Reads the configuration again and waits until it is in force, or says what is wrong with it. */
  async reload(): Promise<{ readonly revision: number; readonly problems: readonly string[] }> {
    const { store, log } = this.#options;
    const before = store.current;
    for (const observer of this.#observers) observer.reloading?.();
    await store.reload();
    this.#logProblems();
    if (store.current === before && store.problems.length === 0)
      log.info({ revision: before?.revision }, 'the configuration is unchanged');
    await this.#loop.reconciler.pass('reload');
    for (const observer of this.#observers) observer.reloaded?.();
    return { revision: store.current?.revision ?? 0, problems: store.problems };
  }

  /** Stops working; everything in the kernel stays and goes on forwarding. */
  async stop(): Promise<void> {
    await this.#change.close();
    this.#publishing.close();
    this.#options.store.close();
    await this.#server?.close();
    this.#guardWatch?.close();
    this.#continuous.close();
    this.#cloud.close();
    this.#probing.close();
    await this.#loop.stop();
    this.#answers.close();
    this.#heap.close();
    this.#freeze.close();
    this.#options.runtime.kernel.close();
    this.#options.log.info('agent stopped; forwarding goes on');
  }

  #onPass(report: PassReport): void {
    this.#freeze.noticed(report);
    const cluster = this.#loop.plan?.snapshot.cluster;
    if (cluster !== undefined) {
      void this.#probing.update(cluster);
      const frozen = this.#freeze.report !== undefined;
      this.#continuous.update(cluster, { frozen });
      const configured = this.#candidate ?? this.#options.store.current;
      if (configured !== undefined) this.#cloud.update(configured, { frozen });
    }
    if (this.#loop.plan !== undefined) this.#answers.prepare(this.#loop.plan);
    const before = this.#lastPass?.report;
    this.#lastPass = { report, at: new Date() };
    const { samePlan } = this.#loop;
    const repaired = this.#passLog.note(report, { before, samePlan, at: this.#lastPass.at });
    for (const observer of this.#observers) observer.passed?.(report, repaired);
    this.#logProblems();
    this.#publishing.passed(this.#loop.plan, report);
    this.#heap.passed();
  }

  #logProblems(): void {
    this.#passLog.tell(this.#problems(), this.#loop.plan?.notes ?? []);
  }

  #problems(): readonly string[] {
    const { store, runtime } = this.#options;
    return [...store.problems, ...(this.#loop.plan?.problems ?? []), ...runtime.problems];
  }

  /** Undefined: it is ready. */
  #notReady(): string | undefined {
    const report = this.#lastPass?.report;
    const failure = report?.error?.message ?? report?.failed[0]?.failure.message;
    if (failure !== undefined) return failure;
    // Not even once, where it was frozen from the start.
    if (this.#loop.enforced !== undefined && report !== undefined) return undefined;
    if (this.#freeze.report !== undefined) return 'frozen before the kernel was as it should be';
    const { store } = this.#options;
    return store.current === undefined
      ? `no configuration from ${store.name} yet`
      : 'the first pass is under way';
  }

  #readyz(): Promise<unknown> {
    const why = this.#notReady();
    if (why === undefined) return Promise.resolve({ ready: true });
    throw new HttpProblem(503, `not ready: ${why}`);
  }

  #requirePlan(): NodePlan {
    if (this.#loop.plan !== undefined) return this.#loop.plan;
    const why = this.#lastPass?.report.error?.message ?? 'the first pass is under way';
    throw new HttpProblem(503, `the agent has no plan yet: ${why}`);
  }

  async #status(): Promise<StatusReport> {
    const { node, store, runtime } = this.#options;
    const plan = this.#loop.plan;
    const pass = this.#lastPass;
    return {
      schema: 'selvage.status/1',
      node,
      cluster: store.current?.name ?? '',
      revision: store.current?.revision ?? 0,
      config: {
        file: store.name,
        ...(store.lastGoodOf === undefined ? {} : { lastGoodOf: store.lastGoodOf.toISOString() }),
        problems: store.problems,
      },
      pid: process.pid,
      ready: this.#notReady() === undefined,
      guard: {
        backend: runtime.guard.backend,
        dropped: await runtime.guard.counters().catch(() => ({})),
      },
      planes: runtime.planes,
      traffic: this.#traffic.read(),
      ...(store.health === undefined ? {} : { store: store.health }),
      problems:
        plan === undefined
          ? []
          : [...plan.problems, ...runtime.problems, ...(await guardNotes(this.#view(plan)))],
      notes: plan?.notes ?? [],
      repairs: this.#passLog.repairs,
      contested: [
        ...runtime.guardKeeper.contested,
        ...(pass === undefined ? [] : contestSummary(pass.report)),
      ],
      lastPass: pass === undefined ? undefined : passSummary(pass.report, pass.at),
      peers: plan === undefined ? [] : this.#peers(plan),
      probes: this.#continuous.status(),
      cloud: this.#cloud.status(),
      freeze: freezeStatus(this.#freeze),
      changeover: changeoverReport(this.#planner.underWay()),
      masquerade: plan === undefined ? undefined : masqueradeStatus(plan),
      ...(this.#change.isPending ? { change: this.#change.report } : {}),
    };
  }

  #peers(plan: NodePlan): StatusReport['peers'] {
    const peers = peerStatuses(plan, this.#lastPass?.report);
    return this.#options.runtime.guardKeeper.isShut ? whileShut(peers) : peers;
  }

  #view(plan = this.#requirePlan()): AgentView {
    const { node, runtime } = this.#options;
    return { node, runtime, plan, journal: this.#journal, freeze: this.#freeze };
  }

  #rib(): Promise<unknown> {
    const plan = this.#requirePlan();
    return Promise.resolve({
      schema: 'selvage.rib/1',
      node: this.#options.node,
      revision: plan.snapshot.cluster.revision,
      decisions: this.#peers(plan),
    });
  }
}
