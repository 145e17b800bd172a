/**
 * One node's hands: kernel, guard and userspace planes, and the order in which a plan reaches them.
 * The agent uses it for every pass, the one-shot commands for a single one.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Fights } from '../../routes/fight.js';
import type { Plan } from '../../routes/reconciler.js';
import type { ForeignRule } from '../../tunnel/guard/foreign-rules.js';
import type { Guard, GuardApplyOptions, GuardSpec } from '../../tunnel/guard/guard.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { foreignRuleLine } from './foreign-rule-line.js';
import { GuardKeeper } from './guard-keeper.js';
import type { PlaneSpec, PlaneStatus, UserspacePlane } from '../../tunnel/userspace/plane.js';
import { SysctlRecord } from './host-sysctls.js';
import type { AgentPaths } from './paths.js';
import { sysctlRecordFile, workloadEnvFile } from './paths.js';
import type { NodePlan } from './planner.js';
import { workloadEnv, writeIfChanged } from './workload-env.js';

export interface NodeRuntimeOptions {
  readonly kernel: Kernel;
  readonly guard: Guard;
  readonly findForeignRules: (spec: GuardSpec) => Promise<readonly ForeignRule[]>;
  readonly planeFor: (device: string) => UserspacePlane;
  readonly paths: AgentPaths;
  readonly log: Logger;
}

/** Without news of them, the guard's rules are compared with the kernel's this often at most. */
const guardVerifyMs = 5_000;
const guardKey = 'guard';
/** Others' rules are read again at most this often. */
const foreignRulesMs = 5_000;

export class NodeRuntime {
  readonly kernel: Kernel;
  readonly guard: Guard;
  readonly sysctls: SysctlRecord;
  readonly #options: NodeRuntimeOptions;
  readonly #planes = new Map<string, { plane: UserspacePlane; status: PlaneStatus }>();
  #foreign:
    | { readonly spec: GuardSpec; readonly atMs: number; readonly lines: readonly string[] }
    | undefined;
  #guarded: GuardSpec | undefined;
  #guardVerifiedMs = -Infinity;
  /** Somebody changed the rules since they were last looked at. */
  #guardTouched = true;
  readonly #guardFights = new Fights();
  /** The guard was changed before the routes and still lets out what the old ones lead out. */
  #nativeKept = false;
  /** What keeps files from being written, by file. */
  readonly #fileProblems = new Map<string, string>();

  constructor(options: NodeRuntimeOptions) {
    this.#options = options;
    this.kernel = options.kernel;
    this.guard = options.guard;
    this.sysctls = new SysctlRecord(sysctlRecordFile(options.paths));
  }

  get planes(): readonly PlaneStatus[] {
    return [...this.#planes.values()].map((entry) => entry.status);
  }

  /** What does not keep packets from flowing but must be seen to; one line each. */
  get problems(): readonly string[] {
    const fought = this.#guardFights.contested(performance.now()).length > 0;
    return [
      ...this.#fileProblems.values(),
      ...(fought
        ? [
            "somebody keeps changing the guard's rules: they are put back with growing pauses; find who does it and stop it",
          ]
        : []),
    ];
  }

  /** Tells of changes to the guard's rules; the next pass then looks at them. */
  watchGuard(listener: () => void): { close(): void } {
    let timer: NodeJS.Timeout | undefined;
    const watch = this.guard.watch(() => {
      this.#guardTouched = true;
      const waitMs = (this.#guardFights.nextMs(performance.now()) ?? 0) - performance.now();
      if (!this.#guardHeld()) return listener();
      clearTimeout(timer);
      timer = setTimeout(listener, waitMs);
    });
    return {
      close() {
        clearTimeout(timer);
        watch.close();
      },
    };
  }

  /** What the reconciler applies: guard first, then the planes, then the kernel objects. */
  planOf(plan: NodePlan): Plan {
    return {
      objects: plan.objects,
      peers: plan.desired.peers,
      prepare: async () => {
        if (this.#guarded !== plan.guard || (this.#guardTouched && !this.#guardHeld()))
          // Packets follow the old routes until this pass has replaced them.
          await this.#ensureGuard(plan.guard, { keepNative: true });
        for (const spec of plan.planes) await this.#ensurePlane(spec);
        await this.#stopOtherPlanes(new Set(plan.planes.map((spec) => spec.device)));
        // A full disk must not stop the packets: what cannot be written is told instead.
        this.#tryFile(
          'the record of host settings (down needs it)',
          sysctlRecordFile(this.#options.paths),
          () => this.sysctls.remember(this.kernel, plan.hostSysctls),
        );
      },
      settle: async () => {
        await this.#dropKeptNative(plan.guard);
        const path = workloadEnvFile(this.#options.paths);
        this.#tryFile("the workloads' settings", path, () =>
          writeIfChanged(path, workloadEnv(plan)),
        );
        // Without news of a change a look is only for safety, and never in the way of a repair.
        if (!this.#guardHeld() && performance.now() - this.#guardVerifiedMs >= guardVerifyMs)
          await this.#ensureGuard(plan.guard, { keepNative: false });
      },
    };
  }

  /** Others' packet-filter rules that break the tunnels, one line each with what mends it. */
  async foreignRules(spec: GuardSpec): Promise<readonly string[]> {
    const now = performance.now();
    if (this.#foreign?.spec === spec && now - this.#foreign.atMs < foreignRulesMs)
      return this.#foreign.lines;
    const found = await this.#options.findForeignRules(spec);
    const lines = found.map(foreignRuleLine);
    this.#foreign = { spec, atMs: now, lines };
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

  async #ensureGuard(spec: GuardSpec, { keepNative }: Required<GuardApplyOptions>): Promise<void> {
    this.#guardVerifiedMs = performance.now();
    // Before the look: a change during it is told again.
    this.#guardTouched = false;
    try {
      const { ok, difference } = await this.guard.verify(spec);
      if (!ok) {
        const fought = this.#guardFights.contested(performance.now()).length > 0;
        if (this.#guarded === spec && !this.#nativeKept)
          this.#noteGuardRepair({ difference, fought });
        await this.guard.apply(spec, { keepNative });
        this.#nativeKept = keepNative;
      }
    } catch (error) {
      this.#guardTouched = true;
      throw error;
    }
    this.#guarded = spec;
  }

  /** The routes are as decided: what they no longer lead out natively may no longer leave so. */
  async #dropKeptNative(spec: GuardSpec): Promise<void> {
    if (!this.#nativeKept || this.#guarded !== spec) return;
    await this.guard.apply(spec);
    this.#nativeKept = false;
  }

  #noteGuardRepair(repair: {
    readonly difference: string | undefined;
    readonly fought: boolean;
  }): void {
    const { log } = this.#options;
    const nowMs = performance.now();
    this.#guardFights.wrote(guardKey, { wish: 'absent', nowMs });
    const fought = this.#guardFights.contested(nowMs).length > 0;
    const { difference } = repair;
    if (!fought) log.warn({ difference }, 'the guard was changed by somebody else: repaired');
    else if (!repair.fought)
      log.warn(
        { difference },
        "somebody keeps changing the guard's rules: put back with growing pauses from now on; find who does it and stop it",
      );
  }

  #guardHeld(): boolean {
    return this.#guardFights.holds(guardKey, { wish: 'absent', nowMs: performance.now() });
  }

  #tryFile(what: string, path: string, write: () => void): void {
    try {
      write();
      this.#fileProblems.delete(path);
    } catch (error) {
      this.#fileProblems.set(path, `cannot write ${what}: ${(error as Error).message}`);
    }
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
