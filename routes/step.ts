/**
 * A step: the changes of a few nodes, made without a look at the kernel, which has what it had since
 * nothing was heard of it. So what was heard counts: an event that shows what is wanted is no news,
 * ours or not, and any other ends the time of steps until a whole pass has looked.
 */
import type { Kernel, KernelChange } from '../tunnel/kernel.js';
import { objectKey } from '../tunnel/kernel.js';
import { applyChanges } from './apply.js';
import type { Change } from './diff.js';
import { sameObject } from './equal.js';
import { isOwnDeviceName, isOwnRoute } from './ownership.js';
import type { DesiredObject } from './peer-objects.js';

export interface Step {
  readonly changes: readonly Change[];
  /** Node names by object key. */
  readonly peers: ReadonlyMap<string, string>;
  /** Before the first write; false: this takes a whole pass. */
  prepare(): Promise<boolean>;
  /** After the writes; likewise. */
  settle(): Promise<boolean>;
}

export interface TakenStep {
  /** False: a whole pass has to follow, which also tells what is wrong. */
  readonly done: boolean;
  /** Made in any case. */
  readonly changes: readonly Change[];
}

export async function takeStep(
  kernel: Kernel,
  plan: () => Promise<Step | undefined>,
): Promise<TakenStep> {
  let changes: readonly Change[] = [];
  try {
    const step = await plan();
    if (step === undefined || !(await step.prepare())) return { done: false, changes };
    const result = await applyChanges(kernel, step.changes, step.peers);
    changes = result.applied;
    const whole = result.failed.length + result.skipped.length === 0;
    return { done: (await step.settle()) && whole, changes };
  } catch {
    // Whatever it is, the whole pass meets it too.
    return { done: false, changes };
  }
}

/** Does a change leave the kernel as it is wanted? */
export function isWanted(
  wanted: ReadonlyMap<string, DesiredObject> | undefined,
  read: () => KernelChange | undefined,
): boolean {
  const change = wanted === undefined ? undefined : read();
  if (wanted === undefined || change === undefined) return false;
  const { verb, object } = change;
  const isOurs = object.type === 'route' ? isOwnRoute(object) : isOwnDeviceName(object.device);
  if (!isOurs) return false;
  const desired = wanted.get(objectKey(object));
  return verb === 'delete'
    ? desired === undefined
    : desired !== undefined && sameObject(object, desired);
}
