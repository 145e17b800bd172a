/**
 * One node's hands: kernel, guard and userspace planes, and the order in which a plan reaches them.
 * The agent uses it for every pass, the one-shot commands for a single one.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Plan } from '../../routes/reconciler.js';
import type { ForeignRule } from '../../tunnel/guard/foreign-rules.js';
import type { Guard, GuardSpec } from '../../tunnel/guard/guard.js';
import type { Kernel } from '../../tunnel/kernel.js';
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

  constructor(options: NodeRuntimeOptions) {
    this.#options = options;
    this.kernel = options.kernel;
    this.guard = options.guard;
    this.sysctls = new SysctlRecord(sysctlRecordFile(options.paths));
  }

  get planes(): readonly PlaneStatus[] {
    return [...this.#planes.values()].map((entry) => entry.status);
  }

  /** Tells of changes to the guard's rules; the next pass then looks at them. */
  watchGuard(listener: () => void): { close(): void } {
    return this.guard.watch(() => {
      this.#guardVerifiedMs = -Infinity;
      listener();
    });
  }

  /** What the reconciler applies: guard first, then the planes, then the kernel objects. */
  planOf(plan: NodePlan): Plan {
    return {
      objects: plan.objects,
      peers: plan.desired.peers,
      prepare: async () => {
        await this.#ensureGuard(plan.guard);
        for (const spec of plan.planes) await this.#ensurePlane(spec);
        await this.#stopOtherPlanes(new Set(plan.planes.map((spec) => spec.device)));
        this.sysctls.remember(this.kernel, plan.hostSysctls);
        writeIfChanged(workloadEnvFile(this.#options.paths), workloadEnv(plan));
      },
    };
  }

  /** Others' packet-filter rules that break the tunnels, one line each with what mends it. */
  async foreignRules(spec: GuardSpec): Promise<readonly string[]> {
    const now = performance.now();
    if (this.#foreign?.spec === spec && now - this.#foreign.atMs < foreignRulesMs)
      return this.#foreign.lines;
    const found = await this.#options.findForeignRules(spec);
    const lines = found.map(
      (rule) =>
        `${rule.certain ? '' : 'perhaps: '}${rule.table}, chain ${rule.chain}: "${rule.rule}" hits ${rule.hits}; make room with: ${rule.remedy}`,
    );
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

  async #ensureGuard(spec: GuardSpec): Promise<void> {
    const now = performance.now();
    if (this.#guarded === spec && now - this.#guardVerifiedMs < guardVerifyMs) return;
    this.#guardVerifiedMs = now;
    const { ok, difference } = await this.guard.verify(spec);
    if (!ok) {
      if (this.#guarded === spec)
        this.#options.log.warn({ difference }, 'the guard was changed by somebody else: repaired');
      await this.guard.apply(spec);
    }
    this.#guarded = spec;
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
