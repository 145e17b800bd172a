/**
 * Which changes of a pass are made now and which wait: objects that somebody fights us for, objects
 * that the kernel keeps refusing, and what cannot work without them. Everything else goes ahead.
 */
import type { ApplyResult, FailedChange } from './apply.js';
import type { Change } from './diff.js';
import type { Contest, FightOptions, Wish } from './fight.js';
import { Fights } from './fight.js';
import { deviceOf } from './ownership.js';
import { Retries } from './retry.js';

export interface Paced {
  readonly now: readonly Change[];
  /** Waiting for their next try; they failed as told here. */
  readonly failed: readonly FailedChange[];
  /** Held back because they or what they need is fought over or failed. */
  readonly waiting: readonly Change[];
}

export class Pace {
  readonly #fights: Fights;
  readonly #retries = new Retries();

  constructor(options: FightOptions = {}) {
    this.#fights = new Fights(options);
  }

  split(
    changes: readonly Change[],
    options: { readonly peers: ReadonlyMap<string, string>; readonly nowMs: number },
  ): Paced {
    const { peers, nowMs } = options;
    const now: Change[] = [];
    const failed: FailedChange[] = [];
    const waiting: Change[] = [];
    const heldPeers = new Set<string>();
    const missingDevices = new Set<string>();
    for (const change of changes) {
      const failure = this.#retries.holds(change, nowMs);
      const needs = deviceNeeded(change);
      const peer = change.kind !== 'delete' && isRoute(change) ? peers.get(change.key) : undefined;
      if (failure !== undefined) failed.push(failure);
      else if (
        this.#fights.holds(change.key, { wish: wishOf(change), nowMs }) ||
        (needs !== undefined && missingDevices.has(needs)) ||
        (peer !== undefined && heldPeers.has(peer))
      )
        waiting.push(change);
      else {
        now.push(change);
        continue;
      }
      // Later changes come after what they need: a route must not lead to what is not there.
      if (change.kind === 'delete') continue;
      const served = isRoute(change) ? undefined : peers.get(change.key);
      if (served !== undefined) heldPeers.add(served);
      if (change.desired.type === 'link' && (change.kind === 'create' || change.recreate))
        missingDevices.add(change.desired.name);
    }
    return { now, failed, waiting };
  }

  /** What became of the changes that were made, and which of them wait. */
  note(result: ApplyResult, options: { readonly paced: Paced; readonly nowMs: number }): void {
    const { paced, nowMs } = options;
    for (const change of result.applied)
      this.#fights.wrote(change.key, { wish: wishOf(change), nowMs });
    for (const failed of result.failed) this.#retries.failed(failed, nowMs);
    this.#retries.keepOnly(
      new Set([...result.failed, ...paced.failed].map((entry) => entry.change.key)),
    );
  }

  tryAll(): void {
    this.#retries.tryAll();
  }

  contested(nowMs: number): readonly Contest[] {
    return this.#fights.contested(nowMs);
  }

  /** When a pause ends. */
  nextMs(nowMs: number): number | undefined {
    const [a, b] = [this.#fights.nextMs(nowMs), this.#retries.nextMs()];
    return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
  }
}

function wishOf(change: Change): Wish {
  return change.kind === 'delete' ? 'absent' : change.desired;
}

function isRoute(change: Exclude<Change, { kind: 'delete' }>): boolean {
  return change.desired.type === 'route';
}

/** The device without which the change cannot be made. */
function deviceNeeded(change: Change): string | undefined {
  return change.kind === 'delete' ? undefined : deviceOf(change.desired);
}
