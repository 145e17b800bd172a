/**
 * A change with a way back, like a router's "commit confirmed".
 *
 *     begin ── refused ────────────────────────────── nothing was written
 *       │ probe · write the record · put the candidate in force · probe again
 *       ├── a peer is lost, or the kernel refuses ───→ rolled back, at once
 *       │ provisional: the configured file is untouched, peers are probed on
 *       ├── confirm ── the file is replaced ─────────→ confirmed
 *       └── rollback, deadline, lost peer, stop ─────→ rolled back
 *
 * The configured file is not touched before `confirm`, so a process that dies in between has the
 * previous state on disk already: the next start is the way back.
 */
import type { Cluster } from '../../encap/cluster.js';
import type { TermsHistory } from '../../routes/changeover.js';
import type { ChangeReport, ChangeRequest, ProbeSummary } from './change.js';
import { ChangeRefused } from './change.js';
import { parseCandidate } from './candidate.js';
import type { ChangeRecord, ChangeRecordFile, PreviousState } from './change-record.js';
import { bootId, digestOf, isDirectory } from './change-record.js';
import { sha256 } from './checked-file.js';
import { formatLost } from './lost.js';
import type { PlanReport } from './plan-report.js';
import type { Pending } from './pending-change.js';
import { probeSummary, provisionalReport, remainingMs, seconds } from './pending-change.js';
import { refuseCuts } from './refuse-cuts.js';
import type { PathMtu, ProbeOptions, ProbeTarget, Prober } from './reachability.js';
import { answering, lostSince, probeTargets, samplePeers } from './reachability.js';
import { replaceFile } from './replace-file.js';

export interface ChangePorts {
  readonly node: string;
  readonly keeper: ChangeRecord['keeper'];
  readonly configFile: string;
  readonly record: ChangeRecordFile;
  readonly previous: PreviousState;
  /** Kept in the record, for a way back without this process. */
  terms?(): TermsHistory;
  /** Undefined: this machine cannot probe. */
  readonly prober: Prober | undefined;
  /** Revision that the candidate gets. */
  nextRevision(): number;
  /** In force now, where it is known. */
  presentCluster(): Cluster | undefined;
  readonly pathMtu: PathMtu;
  assess(candidate: Cluster, sshClient: string | undefined): Promise<PlanReport>;
  /** Puts the candidate, or (undefined) what was before, in force; a line for each failure. */
  enforce(candidate: Cluster | undefined): Promise<readonly string[]>;
  /** The configured file has become the candidate: what is read from it now is in force. */
  adopt(): Promise<void>;
  log(line: string, level: 'info' | 'warn'): void;
  readonly timing?: Partial<ChangeTiming>;
}

export interface ChangeTiming {
  readonly rounds: number;
  readonly pauseMs: number;
  /** Between probes of a provisional change. */
  readonly watchMs: number;
}

const usualTiming: ChangeTiming = { rounds: 4, pauseMs: 250, watchMs: 5_000 };

export class GuardedChange {
  readonly #ports: ChangePorts;
  readonly #timing: ChangeTiming;
  #pending: Pending | undefined;
  /** A step is under way; the next one waits for it. */
  #step: Promise<unknown> = Promise.resolve();
  #deadline: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #last: ChangeReport | undefined;
  #ended: ((report: ChangeReport) => void)[] = [];

  constructor(ports: ChangePorts) {
    this.#ports = ports;
    this.#timing = { ...usualTiming, ...ports.timing };
  }

  /** The pending change, or how the last one ended. */
  get report(): ChangeReport | undefined {
    return this.#pending === undefined ? this.#last : provisionalReport(this.#pending);
  }

  get isPending(): boolean {
    return this.#pending !== undefined;
  }

  /** Resolves when the pending change is confirmed or rolled back. */
  ended(): Promise<ChangeReport> {
    if (this.#pending === undefined && this.#last !== undefined) return Promise.resolve(this.#last);
    return new Promise((resolve) => this.#ended.push(resolve));
  }

  begin(request: ChangeRequest): Promise<ChangeReport> {
    return this.#inTurn(() => this.#begin(request));
  }

  confirm(): Promise<ChangeReport> {
    return this.#inTurn(() => this.#confirm());
  }

  rollback(reason: string): Promise<ChangeReport> {
    return this.#inTurn(() => {
      if (this.#pending === undefined) throw this.#nothing('roll back');
      return this.#back(this.#pending, reason);
    });
  }

  /** The process ends in order: what nobody has confirmed does not outlive it. */
  async close(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#pending !== undefined)
        await this.#back(this.#pending, 'the process that watched over it was stopped');
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#step.then(work);
    this.#step = turn.catch(() => undefined);
    return turn;
  }

  async #begin(request: ChangeRequest): Promise<ChangeReport> {
    const { node, configFile, prober } = this.#ports;
    if (this.#pending !== undefined)
      throw new ChangeRefused(
        'conflict',
        `a change is pending already (${this.#pending.request.file}, ${seconds(remainingMs(this.#pending))} left): "selvage confirm" or "selvage rollback" first`,
      );
    if (isDirectory(configFile))
      throw new ChangeRefused(
        'conflict',
        `cannot apply ${request.file}: the configuration is the directory ${configFile}, whose files one file cannot take the place of; edit them, which an agent follows by itself ("selvage plan" of an edited copy of the directory says first what would change)`,
      );
    const candidate = this.#parse(request);
    if (this.#ports.keeper === 'agent' && digestOf(configFile) === sha256(request.content))
      throw new ChangeRefused(
        'nothing',
        `${request.file} is what ${configFile} says, and the agent follows that by itself, so there is nothing to apply: write the new version under another name and apply that`,
      );
    const assessed = await this.#ports.assess(candidate, request.sshClient);
    const { blast, managementCuts = [] } = assessed;
    if (!request.allowManagementCut) refuseCuts(request.file, managementCuts);
    const terms = this.#ports.terms?.();
    const record: ChangeRecord = {
      schema: 'selvage.change-record/1',
      state: 'provisional',
      keeper: this.#ports.keeper,
      node,
      file: request.file,
      candidateSha256: sha256(request.content),
      configFile,
      startedAt: new Date().toISOString(),
      reason: 'not confirmed yet',
      previous: this.#ports.previous,
      terms: terms === undefined ? undefined : { boot: bootId(), history: terms },
    };
    const guarded = request.confirmMs > 0;
    const problems: string[] = [];
    if (guarded && prober === undefined)
      problems.push(
        'peers are not probed, as this machine has no ping program: install iputils-ping, or watch the peers yourself before you confirm',
      );
    const present = { self: node, cluster: this.#ports.presentCluster() ?? candidate };
    const touched = new Set(blast?.groups.flatMap((group) => group.nodes));
    const sample = guarded && prober !== undefined ? samplePeers(present, touched) : [];
    const before = probeTargets(present, sample);
    const answered = await this.#heard(before, { rounds: 2 });
    const pending: Pending = {
      request,
      record,
      deadlineMs: performance.now() + request.confirmMs,
      configSha256: digestOf(configFile),
      blast,
      before,
      after: probeTargets({ self: node, cluster: candidate }, sample),
      answered,
      problems,
    };
    // Before the first write to the kernel: a change that cannot be noted cannot be taken back.
    this.#note(record);
    this.#pending = pending;
    const failures = await this.#try(candidate);
    if (failures.length > 0) {
      problems.push(...failures);
      return this.#back(pending, `a part of it failed: ${failures[0]}`);
    }
    if (!guarded) return this.#keepNow(pending);
    const lost = await this.#lost(pending);
    if (lost.length > 0)
      return this.#back(
        pending,
        `peers that answered before do not answer: ${formatLost(lost)}`,
        lost,
      );
    this.#ports.log(
      `${request.file} is in force provisionally: ${seconds(remainingMs(pending))} to confirm`,
      'warn',
    );
    pending.deadlineMs = performance.now() + request.confirmMs;
    this.#arm(pending);
    return provisionalReport(pending);
  }

  #parse(request: ChangeRequest): Cluster {
    const { node } = this.#ports;
    const cluster = parseCandidate(request, this.#ports.nextRevision());
    if (cluster.nodes.get(node) === undefined)
      throw new ChangeRefused(
        'invalid',
        `${request.file} has no node ${node}, which this machine is: add it, or remove selvage from this machine with "selvage down"`,
      );
    return cluster;
  }

  async #confirm(): Promise<ChangeReport> {
    const pending = this.#pending;
    if (pending === undefined) throw this.#nothing('confirm');
    return this.#keep(pending);
  }

  async #keepNow(pending: Pending): Promise<ChangeReport> {
    try {
      return await this.#keep(pending);
    } catch (error) {
      await this.#back(pending, error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** The candidate becomes the configured file. */
  async #keep(pending: Pending): Promise<ChangeReport> {
    const { configFile } = this.#ports;
    if (digestOf(configFile) !== pending.configSha256)
      throw new ChangeRefused(
        'conflict',
        `cannot confirm: ${configFile} was changed since ${pending.request.file} was applied, and would be overwritten; bring both together in one file, "selvage rollback", and apply that`,
      );
    try {
      replaceFile(configFile, pending.request.content, { mode: 0o644 });
    } catch (error) {
      throw new ChangeRefused(
        'conflict',
        `cannot confirm: ${configFile} cannot be written: ${(error as Error).message}; make room for it and confirm again within ${seconds(remainingMs(pending))}`,
      );
    }
    this.#disarm();
    await this.#ports.adopt();
    return this.#end(pending, { state: 'confirmed', reason: `kept as ${configFile}` });
  }

  async #back(
    pending: Pending,
    reason: string,
    lost: ProbeSummary['lost'] = [],
  ): Promise<ChangeReport> {
    this.#disarm();
    this.#ports.log(`rolling back ${pending.request.file}: ${reason}`, 'warn');
    pending.problems.push(
      ...(await this.#try(undefined)).map((line) => `on the way back: ${line}`),
    );
    const stillLost = lost.length === 0 ? [] : await this.#lost(pending, pending.before);
    return this.#end(pending, { state: 'rolled-back', reason, lost, stillLost });
  }

  async #end(
    pending: Pending,
    end: Pick<ChangeReport, 'state' | 'reason'> & Partial<Pick<ProbeSummary, 'lost' | 'stillLost'>>,
  ): Promise<ChangeReport> {
    const { state, reason } = end;
    this.#pending = undefined;
    try {
      this.#ports.record.write({ ...pending.record, state, reason });
    } catch (error) {
      // It is settled all the same: at worst the next start says once more that it was rolled back.
      pending.problems.push(`cannot note the end of the change: ${(error as Error).message}`);
    }
    this.#ports.log(`${pending.request.file} is ${state.replace('-', ' ')}: ${reason}`, 'info');
    const report: ChangeReport = {
      ...provisionalReport(pending),
      ...(end.lost === undefined ? {} : { probes: probeSummary(pending, end) }),
      state,
      reason,
      remainingMs: 0,
    };
    this.#last = report;
    for (const resolve of this.#ended.splice(0)) resolve(report);
    return report;
  }

  #arm(pending: Pending): void {
    const late = (): void =>
      void this.#inTurn(async () => {
        if (this.#pending === pending)
          await this.#back(
            pending,
            `nobody confirmed within ${seconds(pending.request.confirmMs)}`,
          );
      });
    this.#deadline = setTimeout(late, remainingMs(pending));
    this.#armWatch(pending);
  }

  /** A peer that goes silent during the window is as good a reason as at its beginning. */
  #armWatch(pending: Pending): void {
    this.#watch = setTimeout(() => {
      void this.#inTurn(async () => {
        if (this.#pending !== pending) return;
        const lost = await this.#lost(pending);
        if (this.#pending !== pending) return;
        if (lost.length === 0) return this.#armWatch(pending);
        await this.#back(pending, `peers stopped answering: ${formatLost(lost)}`, lost);
      });
    }, this.#timing.watchMs);
  }

  #disarm(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#watch);
  }

  #note(record: ChangeRecord): void {
    try {
      this.#ports.record.write(record);
    } catch (error) {
      throw new ChangeRefused(
        'conflict',
        `cannot keep the pending change in ${this.#ports.record.path}: ${(error as Error).message}; nothing was changed: make room there first`,
      );
    }
  }

  async #try(candidate: Cluster | undefined): Promise<readonly string[]> {
    try {
      return await this.#ports.enforce(candidate);
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  }

  #heard(
    targets: ReadonlyMap<string, ProbeTarget>,
    options: { readonly rounds: number },
  ): Promise<ReadonlySet<string>> {
    const { prober } = this.#ports;
    if (prober === undefined || targets.size === 0) return Promise.resolve(new Set());
    return answering(targets, this.#probeOptions(prober, options.rounds));
  }

  #lost(pending: Pending, targets = pending.after): Promise<ProbeSummary['lost']> {
    const { prober } = this.#ports;
    if (prober === undefined) return Promise.resolve([]);
    return lostSince(pending.answered, targets, {
      ...this.#probeOptions(prober, this.#timing.rounds),
      allowed: new Set(pending.request.allowLoss),
    });
  }

  #probeOptions(prober: Prober, rounds: number): ProbeOptions {
    const { pathMtu } = this.#ports;
    return { prober, pathMtu, rounds, pauseMs: this.#timing.pauseMs };
  }

  /** From before this process, best effort: it only makes a message better. */
  #recorded(): ChangeRecord | undefined {
    try {
      return this.#ports.record.read();
    } catch {
      return undefined;
    }
  }

  #nothing(what: string): ChangeRefused {
    const last = this.#last ?? this.#recorded();
    const before =
      last === undefined
        ? ''
        : `; the last one (${last.file}) is ${last.state.replace('-', ' ')}: ${last.reason}`;
    return new ChangeRefused('nothing', `there is no pending change to ${what}${before}`);
  }
}
