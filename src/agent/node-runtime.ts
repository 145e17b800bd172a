/**
 * One node's hands: kernel, guard and userspace planes, and the order in which a plan reaches them.
 * The agent uses it for every pass, the one-shot commands for a single one.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { deviceNames } from '../../routes/ownership.js';
import type { Clock, Plan } from '../../routes/reconciler.js';
import type { Step } from '../../routes/step.js';
import type { Rulesets } from '../../tunnel/guard/index.js';
import { RulesetReader, judgeRulesets } from '../../tunnel/guard/index.js';
import type { Guard, GuardSpec } from '../../tunnel/guard/guard.js';
import type { Kernel } from '../../tunnel/kernel.js';
import type { PlaneSpec, PlaneStatus, UserspacePlane } from '../../tunnel/userspace/plane.js';
import { foreignRuleLine } from './foreign-rule-line.js';
import { GuardKeeper } from './guard-keeper.js';
import { SysctlRecord } from './host-sysctls.js';
import type { AgentPaths } from './paths.js';
import { sysctlRecordFile, workloadEnvFile } from './paths.js';
import type { NodePlan } from './node-plan.js';
import type { PlanStep } from './peer-step.js';
import { workloadEnv, writeIfChanged } from './workload-env.js';

export interface NodeRuntimeOptions {
  readonly kernel: Kernel;
  readonly guard: Guard;
  readonly planeFor: (device: string) => UserspacePlane;
  readonly paths: AgentPaths;
  readonly log: Logger;
  /** For the pauses of the guard's keeper; the machine's by default. */
  readonly clock?: Clock;
}

export class NodeRuntime {
  readonly kernel: Kernel;
  readonly guard: Guard;
  readonly guardKeeper: GuardKeeper;
  readonly sysctls: SysctlRecord;
  /** Of everybody in this kernel's packet filters. */
  readonly rulesets = new RulesetReader();
  readonly #options: NodeRuntimeOptions;
  readonly #planes = new Map<string, { plane: UserspacePlane; status: PlaneStatus }>();
  #foreign:
    | { readonly spec: GuardSpec; readonly rulesets: Rulesets; readonly lines: readonly string[] }
    | undefined;
  /** Has it been seen whether an earlier agent left a plane behind? */
  #looked = false;
  /** Why a plane is not as it should be; the rest goes on without. */
  #planeFailure: Error | undefined;
  /** In the file, as far as we know. */
  #toldWorkloads: string | undefined;
  /** What keeps files from being written, by file. */
  readonly #fileProblems = new Map<string, string>();

  constructor(options: NodeRuntimeOptions) {
    this.#options = options;
    this.kernel = options.kernel;
    this.guard = options.guard;
    this.guardKeeper = new GuardKeeper(options);
    this.sysctls = new SysctlRecord(sysctlRecordFile(options.paths));
  }

  get planes(): readonly PlaneStatus[] {
    return [...this.#planes.values()].map((entry) => entry.status);
  }

  /** What does not keep packets from flowing but must be seen to; one line each. */
  get problems(): readonly string[] {
    return [...this.#fileProblems.values(), ...this.guardKeeper.problems];
  }

  /** What the reconciler applies: guard first, then the planes, then the kernel objects. */
  planOf(plan: NodePlan): Plan {
    return {
      objects: this.guardKeeper.allowed(plan.objects),
      peers: plan.desired.peers,
      prepare: async () => {
        await this.guardKeeper.prepare(plan.guard);
        await this.#ensurePlanes(plan.planes);
        // A full disk must not stop the packets: what cannot be written is told instead.
        this.#tryFile(
          'the record of host settings (down needs it)',
          sysctlRecordFile(this.#options.paths),
          () => this.sysctls.remember(this.kernel, plan.hostSysctls),
        );
      },
      settle: async () => {
        await this.guardKeeper.settle(plan.guard);
        // Not before the routes that led there have gone elsewhere.
        await this.#stopOtherPlanes(new Set(plan.planes.map((spec) => spec.device)));
        this.#toldWorkloads = undefined;
        this.#tellWorkloads(plan);
        // Told, and tried again: but what can do without the plane has been done.
        if (this.#planeFailure !== undefined) throw this.#planeFailure;
      },
    };
  }

  /** What the reconciler does where only a few nodes differ: the guard first here as well. */
  stepOf({ plan, changes, guard }: PlanStep): Step {
    return {
      changes,
      peers: plan.desired.peers,
      prepare: () => this.guardKeeper.step(guard),
      settle: async () => {
        const isSettled = await this.guardKeeper.settleStep();
        this.#tellWorkloads(plan);
        return isSettled;
      },
    };
  }

  /** What the first step would have to wait for. */
  prepareSteps(): Promise<void> {
    return this.guardKeeper.prepareSteps();
  }

  /** Others' packet-filter rules that break the tunnels, one line each with what mends it. */
  async foreignRules(spec: GuardSpec): Promise<readonly string[]> {
    const rulesets = await this.rulesets.read();
    if (this.#foreign?.spec === spec && this.#foreign.rulesets === rulesets)
      return this.#foreign.lines;
    const lines = judgeRulesets(spec, rulesets).map(foreignRuleLine);
    this.#foreign = { spec, rulesets, lines };
    return lines;
  }

  /** Stops the planes of these devices, also those that an earlier agent started. */
  async stopPlanes(devices: readonly string[]): Promise<void> {
    for (const device of devices) {
      const plane = this.#planes.get(device)?.plane ?? this.#options.planeFor(device);
      await plane.stop();
      this.#planes.delete(device);
    }
  }

  #tellWorkloads(plan: NodePlan): void {
    const path = workloadEnvFile(this.#options.paths);
    const content = workloadEnv(plan);
    if (content === this.#toldWorkloads) return;
    this.#tryFile("the workloads' settings", path, () => writeIfChanged(path, content));
    this.#toldWorkloads = content;
  }

  #tryFile(what: string, path: string, write: () => void): void {
    try {
      write();
      this.#fileProblems.delete(path);
    } catch (error) {
      this.#fileProblems.set(path, `cannot write ${what}: ${(error as Error).message}`);
    }
  }

  async #ensurePlanes(specs: readonly PlaneSpec[]): Promise<void> {
    this.#planeFailure = undefined;
    for (const spec of specs)
      await this.#ensurePlane(spec).catch((error: unknown) => {
        this.#planeFailure = error instanceof Error ? error : new Error(String(error));
      });
  }

  async #ensurePlane(spec: PlaneSpec): Promise<void> {
    const known = this.#planes.get(spec.device);
    const plane = known?.plane ?? this.#options.planeFor(spec.device);
    const status = await plane.ensure(spec);
    if (known?.status.pid !== status.pid)
      this.#options.log.info(
        { device: spec.device, pid: status.pid },
        'userspace data plane is running',
      );
    this.#planes.set(spec.device, { plane, status });
  }

  async #stopOtherPlanes(wanted: ReadonlySet<string>): Promise<void> {
    // One that an earlier agent started would make its device again and again.
    if (!this.#looked && !wanted.has(deviceNames.ipip4)) {
      const left = this.#options.planeFor(deviceNames.ipip4);
      const status = await left.status();
      if (status !== undefined) this.#planes.set(deviceNames.ipip4, { plane: left, status });
    }
    this.#looked = true;
    for (const [device, { plane }] of this.#planes) {
      if (wanted.has(device)) continue;
      await plane.stop();
      this.#planes.delete(device);
      this.#options.log.info({ device }, 'userspace data plane stopped: no rule needs it');
    }
  }
}

export function planeLogFile(paths: AgentPaths, device: string): string {
  return join(paths.runtimeDir, `plane-${device}.log`);
}
