/**
 * The behaviour that both kernels must have. Each case starts from a namespace without anything of
 * ours and says what must be there afterwards, as `ip`-like lines.
 */
import { type Test, behavioursOf } from './behaviour.js';
import type { Bench } from './bench.js';
import { detailCases } from './details.js';
import { deviceCases } from './devices.js';
import { interestCases } from './interest.js';
import { sideEffectCases } from './side-effects.js';
import { tunnelKindCases } from './tunnel-kinds.js';
import { watchingCases } from './watching.js';
import { writingCases } from './writing.js';

export function kernelContract(t: Test, bench: Bench): void {
  const behaviour = behavioursOf(t, bench);
  for (const cases of [
    writingCases,
    detailCases,
    interestCases,
    deviceCases,
    sideEffectCases,
    watchingCases,
    tunnelKindCases,
  ])
    cases(bench, behaviour);
}
