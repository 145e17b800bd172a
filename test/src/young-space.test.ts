/** A process that bounds its young space from the start on, as the agent does. */
import t from 'tap';
import { boundYoungSpace, youngBytes } from '../../src/agent/young-space.js';

const megabyte = 1 << 20;

// Before anything here has made it grow.
boundYoungSpace();
const before = youngBytes();

t.test('what is set apart for young objects grows in one step up to a limit', (t) => {
  let size = megabyte;
  let collected = (): void => undefined;
  const allowed: number[] = [];
  boundYoungSpace({
    maxBytes: 8 * megabyte,
    sizeBytes: () => size,
    allow: (factor) => allowed.push(factor),
    afterCollections: (listener) => (collected = listener),
  });
  t.same(allowed, [8], 'from the start on');
  collected();
  t.same(allowed, [8], 'nothing to say');
  size = 8 * megabyte;
  collected();
  size = 32 * megabyte;
  collected();
  t.same(allowed, [8, 1], 'no further');
  // The engine takes back what was not needed for a while.
  size = 2 * megabyte;
  collected();
  t.same(allowed, [8, 1, 4]);
  t.end();
});

t.test('the engine keeps to it', async (t) => {
  const survivors: object[] = [];
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 20_000; i++) survivors.push({ i });
    await new Promise((resolve) => setTimeout(resolve));
  }
  t.equal(survivors.length, 1_200_000);
  t.ok(youngBytes() <= Math.max(before, 8 * megabyte), `${youngBytes()} after ${before}`);
});
