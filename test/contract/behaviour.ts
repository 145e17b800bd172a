/** How a case of the contract suite is written. */
import type { Op, OpOutcome } from '../../tunnel/kernel.js';
import { type Bench, ownLines, wipe } from './bench.js';

export type Test = (typeof import('tap'))['default'];

/** Applies ops of which none may fail. */
export type Apply = (...ops: readonly Op[]) => Promise<void>;
/** Applies ops and says what each was told: `ok`, or the code and the kernel's text. */
export type Refused = (...ops: readonly Op[]) => Promise<readonly string[]>;

/** A case, named for what it shows; it starts from nothing of ours. */
export type Behaviour = (
  name: string,
  body: (t: Test, apply: Apply, refused: Refused) => Promise<void>,
) => void;

export function behavioursOf(t: Test, bench: Bench): Behaviour {
  const { kernel } = bench;
  const refused: Refused = async (...ops) => codes(await kernel.apply(ops));
  const apply: Apply = async (...ops) => {
    const outcomes = await kernel.apply(ops);
    const failures = outcomes.flatMap(({ failure }) => failure?.message ?? []);
    if (failures.length > 0) throw new Error(failures.join('\n'));
  };
  return (name, body) =>
    void t.test(`${name} (${bench.name})`, async (t) => {
      await wipe(bench);
      t.same(ownLines(await kernel.dump()), [], 'nothing of ours at the start');
      await body(t as unknown as Test, apply, refused);
    });
}

function codes(outcomes: readonly OpOutcome[]): readonly string[] {
  return outcomes.map(({ failure }) =>
    failure === undefined
      ? 'ok'
      : failure.extendedAck === undefined
        ? failure.code
        : `${failure.code}: ${failure.extendedAck}`,
  );
}
