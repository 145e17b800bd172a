/** Carrying out what a reading says is to be changed, one call after another. */
import type { CloudChange } from './control.js';
import { CloudError } from './control.js';
import type { SwitchName } from '../../encap/observed.js';

export interface ChangesOutcome {
  /** Why a switch is not yet as it should be, by switch. */
  readonly waits: Readonly<Partial<Record<SwitchName, string>>>;
  /** What was done, in the words of the change. */
  readonly done: readonly CloudChange[];
  /** The API wants to be left alone for a while. */
  readonly retry: string | undefined;
}

export interface ChangesOptions {
  readonly manage: boolean;
  /** Nothing is written just now, and why. */
  readonly held?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export async function carryOut(
  changes: readonly CloudChange[],
  options: ChangesOptions,
): Promise<ChangesOutcome> {
  const waits: Partial<Record<SwitchName, string>> = {};
  const done: CloudChange[] = [];
  for (const change of changes) {
    const reason = whyNot(options);
    if (reason !== undefined) {
      waits[change.makes] ??= `${change.text}: ${reason}`;
      continue;
    }
    // One that waits already is not made any better by its second half.
    if (waits[change.makes] !== undefined) continue;
    try {
      if ((await change.tryOut?.(options.signal)) === 'denied') {
        waits[change.makes] = `${change.text}: not permitted; grant ${change.permission}`;
        continue;
      }
      await change.carryOut(options.signal);
      done.push(change);
    } catch (error) {
      const failure = error instanceof CloudError ? error : undefined;
      waits[change.makes] = `${change.text}: ${messageOf(error)}`;
      if (failure?.failure === 'denied')
        waits[change.makes] = `${change.text}: not permitted; grant ${change.permission}`;
      if (failure?.failure === 'retry') return { waits, done, retry: messageOf(error) };
    }
  }
  for (const change of done) waits[change.makes] ??= `${change.text}: done, not seen yet`;
  return { waits, done, retry: undefined };
}

function whyNot({ manage, held }: ChangesOptions): string | undefined {
  if (!manage) return 'to be done by hand, or by the agent with "cloud: { manage: true }"';
  return held;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
