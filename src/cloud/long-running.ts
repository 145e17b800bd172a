/** Waits for what an API has only begun, at a pace, and not for ever. */
import { CloudError } from './control.js';
import { pause } from './json-client.js';

export interface Patience {
  readonly signal?: AbortSignal | undefined;
  /** The call that began it. */
  readonly call: string;
  /** Between two questions, in milliseconds; the server may say otherwise. */
  readonly everyMs?: number | undefined;
  /** The whole of it, in milliseconds. */
  readonly limitMs?: number | undefined;
}

/** `againMs`: not yet; undefined where the server has no wish. */
export async function untilDone<T>(
  patience: Patience,
  ask: () => Promise<{ readonly done: T } | { readonly againMs: number | undefined }>,
): Promise<T> {
  const { signal, call, everyMs = 1_000, limitMs = 90_000 } = patience;
  const endMs = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if ('done' in answer) return answer.done;
    const waitMs = answer.againMs ?? everyMs;
    if (signal?.aborted === true || Date.now() + waitMs > endMs)
      throw new CloudError(`${call} was begun and is not finished; its result is read later`, {
        failure: 'retry',
        code: 'NotFinished',
        call,
      });
    await pause(waitMs, signal);
  }
}
