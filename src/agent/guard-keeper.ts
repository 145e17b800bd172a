/**
 * Keeps the guard's rules as the plan wants them, and keeps the tunnels shut while that cannot be
 * had.
 *
 * A change by somebody else is put back on the packet filter's own notification. Who keeps changing
 * them is met with growing pauses (`routes/fight.ts`), and in such a pause nothing guards: no guard,
 * no tunnel, so the tunnel devices go down when a fight begins and come up again when the rules have
 * stayed for ten seconds or more. What arrives natively needs no device of ours and is not shut. More
 * than twenty repairs in a minute begin a fight: a packet filter that is loaded anew now and then
 * does not.
 */
import type { Logger } from 'pino';
import type { DesiredObject } from '../../routes/desired.js';
import { Fights } from '../../routes/fight.js';
import type { Clock } from '../../routes/reconciler.js';
import { systemClock } from '../../routes/reconciler.js';
import { withoutTunnels } from '../../routes/shut.js';
import type {
  Guard,
  GuardApplyOptions,
  GuardDelta,
  GuardSpec,
  GuardStep,
} from '../../tunnel/guard/guard.js';
import type { GuardShare } from '../../tunnel/guard/tally.js';
import { GuardTally } from '../../tunnel/guard/tally.js';

export interface GuardKeeperOptions {
  readonly guard: Guard;
  readonly log: Pick<Logger, 'warn' | 'info'>;
  readonly clock?: Clock;
}

/** From a spec to the next, where only a few peers differ: what they brought, and what they bring. */
export interface PeerStep {
  readonly from: GuardSpec;
  readonly to: GuardSpec;
  readonly gone: GuardShare;
  readonly come: GuardShare;
}

/** Without news of them, the rules are compared with the kernel's this often at most. */
const verifyMs = 5_000;
/**
 * A repair takes a second or two where peers are many or the machine is slow, and unguarded time
 * counts more than repairs do, so the window is a long one.
 */
const fightOptions = { writesMax: 20, windowMs: 60_000, quietMs: 10_000 };
const key = 'guard';
const wish = 'absent';
const none = { gone: [], come: [] };
const noDelta: GuardDelta = {
  pairs: none,
  outers: none,
  nodes: none,
  native: none,
  nativeTo: none,
};

export class GuardKeeper {
  readonly guard: Guard;
  readonly #log: GuardKeeperOptions['log'];
  readonly #clock: Clock;
  readonly #fights = new Fights(fightOptions);
  #listener: (() => void) | undefined;
  #wakeUp: { cancel(): void } | undefined;
  /** In force as far as we know. */
  #guarded: GuardSpec | undefined;
  #verifiedMs = -Infinity;
  /** Somebody changed the rules since they were last looked at. */
  #touched = true;
  /** The guard was changed before the routes and still lets out what the old ones lead out. */
  #nativeKept = false;
  /** Of the spec in force, for `step`. */
  #tally: { readonly of: GuardSpec; readonly tally: GuardTally } | undefined;
  /** What the step under way has left for afterwards. */
  #leaving: GuardStep | undefined;
  #shut = false;
  /** What was found changed when the fight began. */
  #difference: string | undefined;

  constructor(options: GuardKeeperOptions) {
    this.guard = options.guard;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
  }

  /** Tells when a pass should look at the guard. */
  watch(listener: () => void): { close(): void } {
    this.#listener = listener;
    const watch = this.guard.watch(() => {
      this.#touched = true;
      if (this.#held()) this.#armWakeUp();
      else listener();
    });
    return {
      close: () => {
        watch.close();
        this.#listener = undefined;
        this.#wakeUp?.cancel();
      },
    };
  }

  /** The guard is fought over: tunnels stay down. */
  get isShut(): boolean {
    return this.#shut;
  }

  /** For `status`. */
  get contested(): readonly { readonly object: string; readonly repairs: number }[] {
    return this.#fights
      .contested(this.#clock.now())
      .map(({ repairs }) => ({ object: `the guard (${this.guard.backend})`, repairs }));
  }

  get problems(): readonly string[] {
    return this.#shut
      ? [
          `somebody keeps changing the guard's rules (${this.#difference}): no guard, no tunnel, so the tunnels are down until nobody does, and the rules are put back with growing pauses; find who does it and stop it`,
        ]
      : [];
  }

  /** What of a plan may be had now: everything, or what there is without tunnels. */
  allowed(objects: ReadonlyMap<string, DesiredObject>): ReadonlyMap<string, DesiredObject> {
    this.#noteFight();
    return this.#shut ? withoutTunnels(objects) : objects;
  }

  /** Before the kernel's objects are written. */
  async prepare(spec: GuardSpec): Promise<void> {
    if (this.#guarded !== spec || (this.#touched && !this.#held()))
      // Packets follow the old routes until this pass has replaced them.
      await this.#ensure(spec, { keepNative: true });
  }

  /** After they were. */
  async settle(spec: GuardSpec): Promise<void> {
    if (this.#nativeKept && this.#guarded === spec) {
      // The routes are as decided: what they no longer lead out natively may no longer leave so.
      await this.guard.apply(spec);
      this.#nativeKept = false;
    }
    // Without news of a change a look is only for safety, and never in the way of a repair.
    if (!this.#held() && this.#clock.now() - this.#verifiedMs >= verifyMs)
      await this.#ensure(spec, { keepNative: false });
  }

  /**
   * As `prepare`, where only a few peers differ from the spec before. False: that one is not known
   * to be in force, or it cannot be done so; then the whole has to be looked at.
   */
  async step({ from, to, ...shares }: PeerStep): Promise<boolean> {
    if (this.guard.step === undefined || this.#guarded !== from || this.#touched) return false;
    if (this.#nativeKept || this.#shut || this.#held()) return false;
    const tally = this.#tally?.of === from ? this.#tally.tally : new GuardTally(from);
    // Void until all is done.
    this.#tally = undefined;
    this.#leaving = undefined;
    const delta = tally.exchange(shares);
    this.#tally = { of: to, tally };
    const { pairs, outers, nodes, native, nativeTo } = delta;
    const come = [pairs, outers, nodes, native, nativeTo].map((exchange) => exchange.come.length);
    if (Math.max(...come) === 0) {
      // Who only goes takes the kernel longest, and nobody waits for it.
      this.#leaving = { from, to, delta };
      return true;
    }
    // Packets follow the old routes until they have been replaced.
    const kept = { ...delta, nativeTo: { gone: [], come: delta.nativeTo.come } };
    if (!(await this.#take({ from, to, delta: kept }))) return false;
    if (delta.nativeTo.gone.length > 0) {
      this.#nativeKept = true;
      const leaving = { ...noDelta, nativeTo: { gone: delta.nativeTo.gone, come: [] } };
      this.#leaving = { from: to, to, delta: leaving };
    }
    return true;
  }

  /** After the kernel's objects were written. */
  async settleStep(): Promise<boolean> {
    const step = this.#leaving;
    this.#leaving = undefined;
    if (step === undefined) return true;
    if (!(await this.#take(step))) return false;
    this.#nativeKept = false;
    return true;
  }

  /** What the first `step` from the spec in force would have to wait for. */
  async prepareSteps(): Promise<void> {
    const of = this.#guarded;
    if (of === undefined || this.guard.step === undefined || this.#tally?.of === of) return;
    this.#tally = { of, tally: new GuardTally(of) };
    const { ok } = await this.guard.verify(of);
    if (ok || this.#guarded !== of) return;
    this.#touched = true;
    this.#listener?.();
  }

  async #take(step: GuardStep): Promise<boolean> {
    let done = false;
    try {
      done = (await this.guard.step?.(step)) === true;
    } finally {
      if (done) this.#guarded = step.to;
      // What is in force is not known for sure: the next look tells.
      else this.#touched = true;
    }
    return done;
  }

  async #ensure(spec: GuardSpec, { keepNative }: Required<GuardApplyOptions>): Promise<void> {
    this.#verifiedMs = this.#clock.now();
    // Before the look: a change during it is told again.
    this.#touched = false;
    try {
      const { ok, difference } = await this.guard.verify(spec);
      if (!ok) {
        const repair = this.#guarded === spec && !this.#nativeKept;
        try {
          await this.guard.apply(spec, { keepNative });
          this.#nativeKept = keepNative;
        } finally {
          // Also one that failed, as when the table went again in the middle of it.
          if (repair) this.#noteRepair(difference);
        }
      }
    } catch (error) {
      this.#touched = true;
      throw error;
    }
    this.#guarded = spec;
  }

  #noteRepair(difference: string | undefined): void {
    this.#fights.wrote(key, { wish, nowMs: this.#clock.now() });
    this.#noteFight();
    if (this.#shut) this.#difference ??= difference;
    else this.#log.warn({ difference }, 'the guard was changed by somebody else: repaired');
  }

  /** A fight that begins and one that is over both want a pass. */
  #noteFight(): void {
    const fought = this.#fights.contested(this.#clock.now()).length > 0;
    if (fought !== this.#shut) {
      this.#shut = fought;
      this.#difference = undefined;
      // That one has begun is among the problems, which are logged as they come.
      if (!fought) this.#log.info("nobody changes the guard's rules any more: the tunnels come up");
      this.#listener?.();
    }
    this.#armWakeUp();
  }

  /** A pass when the pause ends, and one when the fight does. */
  #armWakeUp(): void {
    this.#wakeUp?.cancel();
    this.#wakeUp = undefined;
    const now = this.#clock.now();
    const at = this.#fights.nextMs(now);
    if (at === undefined || this.#listener === undefined) return;
    this.#wakeUp = this.#clock.setTimer(
      () => {
        this.#wakeUp = undefined;
        // Timers may come a moment early; nobody else would come back to this.
        if (this.#held()) this.#armWakeUp();
        else this.#listener?.();
      },
      Math.max(1, at - now),
    );
  }

  #held(): boolean {
    return this.#fights.holds(key, { wish, nowMs: this.#clock.now() });
  }
}
