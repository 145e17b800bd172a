/** An agent of a fleet in memory: its store, planner, passes and reports, over a kernel in memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { systemClock } from '../../routes/reconciler.js';
import { type SpokenTerms, spokenTerms } from '../../routes/spoken-terms.js';
import { NodeLoop } from '../../src/agent/node-loop.js';
import { NodeRuntime } from '../../src/agent/node-runtime.js';
import { Planner } from '../../src/agent/planner.js';
import { Publishing } from '../../src/agent/publishing.js';
import type { FleetStore } from '../../src/store/fleet/open.js';
import { openFleetStore } from '../../src/store/fleet/open.js';
import type { MemoryServer } from '../../src/store/memory-kv.js';
import type { FakeKernel } from '../../tunnel/fake-kernel.js';
import { MemoryGuard } from '../../tunnel/guard/memory.js';

export interface FleetAgentOptions {
  readonly node: string;
  readonly kernel: FakeKernel;
  /** Told after every pass that wrote everything. */
  readonly onPass?: () => void;
  /** The planner's clock. */
  readonly nowMs?: () => number;
}

export class FleetAgent {
  readonly node: string;
  readonly store: FleetStore;
  readonly #folder = mkdtempSync(join(tmpdir(), 'selvage-fleet-agent-'));
  readonly #loop: NodeLoop;
  readonly #publishing: Publishing;
  spoken: SpokenTerms | undefined;

  constructor(server: MemoryServer, options: FleetAgentOptions) {
    const { node, kernel, nowMs } = options;
    const clock = nowMs === undefined ? {} : { nowMs };
    this.node = node;
    this.store = openFleetStore(server.client(), { cluster: 'c', node, release: 'test' });
    this.#publishing = new Publishing({
      store: this.store,
      clock: systemClock,
      now: () => ({ ready: true, problems: this.store.problems }),
    });
    const runtime = new NodeRuntime({
      ...{ kernel, guard: new MemoryGuard(), log: pino({ level: 'silent' }) },
      planeFor: () => ({
        ensure: () => Promise.reject(new Error('no plane here')),
        status: () => Promise.resolve(undefined),
        stop: () => Promise.resolve(),
      }),
      paths: { runtimeDir: this.#folder, stateDir: this.#folder },
    });
    this.#loop = new NodeLoop({
      ...clock,
      planner: new Planner(kernel, node, {
        ...clock,
        probedPlanes: () => this.store.probedPlanes,
      }),
      runtime,
      cluster: () => {
        this.#publishing.planning({ isOfStore: true });
        const { current } = this.store;
        return current?.nodes.get(node) === undefined ? undefined : current;
      },
      onPass: (report) => {
        const { plan } = this.#loop;
        if (plan !== undefined && report.error === undefined) this.spoken = spokenTerms(plan);
        this.#publishing.passed(plan, report);
        options.onPass?.();
      },
    });
    this.store.onChange((change) => this.#loop.storeChanged(change));
    this.#loop.start();
  }

  /** As its resync does. */
  async pass(): Promise<void> {
    await this.#loop.reconciler.pass('test');
  }

  async stop(): Promise<void> {
    this.#publishing.close();
    this.store.close();
    await this.#loop.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
