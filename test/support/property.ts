/**
 * A property as a test of its own: fixed seed, which is printed, so that a failure can be run again.
 * `SELVAGE_SEED` and `SELVAGE_RUNS` look further than the ordinary run does.
 */
import fc from 'fast-check';
import t from 'tap';

const seed = Number(process.env['SELVAGE_SEED'] ?? 20250711);

/** The predicate returns false, or throws, where the property does not hold. */
export function property<Inputs extends [unknown, ...unknown[]]>(
  name: string,
  inputs: { [K in keyof Inputs]: fc.Arbitrary<Inputs[K]> },
  predicate: (...inputs: Inputs) => boolean,
): void {
  t.test(name, (t) => {
    const numRuns = Number(process.env['SELVAGE_RUNS'] ?? 300);
    fc.assert(fc.property<Inputs>(...inputs, predicate), { seed, numRuns });
    t.pass(`holds for ${numRuns} inputs from seed ${seed}`);
    t.end();
  });
}
