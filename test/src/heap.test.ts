/** Garbage of passes is given back when nothing else is to be done, and only where there is much. */
import t from 'tap';
import { HeapKeeper } from '../../src/agent/heap.js';
import { ManualClock } from '../support/manual-clock.js';

const megabyte = 1 << 20;

t.test('once a quiet second after the last pass, and never in the middle of one', async (t) => {
  const clock = new ManualClock();
  let [taken, busy, collections] = [150 * megabyte, false, 0];
  const keeper = new HeapKeeper({
    clock,
    isBusy: () => busy,
    takenBytes: () => taken,
    collect: () => {
      collections++;
      taken = 100 * megabyte;
    },
  });
  keeper.passed();
  await clock.advance(900);
  keeper.passed();
  await clock.advance(900);
  t.equal(collections, 0, 'not while passes follow each other');
  busy = true;
  await clock.advance(200);
  t.equal(collections, 0, 'the next one has begun');
  busy = false;
  keeper.passed();
  await clock.advance(1_000);
  t.equal(collections, 1);
  taken = 115 * megabyte;
  keeper.passed();
  await clock.advance(5_000);
  t.equal(collections, 1, 'a little is not worth a pause');
  taken = 123 * megabyte;
  keeper.passed();
  await clock.advance(5_000);
  t.equal(collections, 1, 'nor is less than a quarter of what stays, each time');
  taken = 127 * megabyte;
  keeper.passed();
  await clock.advance(5_000);
  t.equal(collections, 2);
  taken = 200 * megabyte;
  keeper.passed();
  keeper.close();
  await clock.advance(5_000);
  t.equal(collections, 2, 'nothing after the end');
});

t.test('the engine does it', async (t) => {
  const clock = new ManualClock();
  const keeper = new HeapKeeper({ clock, isBusy: () => false });
  let garbage: object[] | undefined = Array.from({ length: 1_000_000 }, (_, i) => ({ i }));
  const reference = new WeakRef(garbage);
  garbage = undefined;
  // What a WeakRef was just made of is kept until the end of the turn.
  await new Promise((resolve) => setTimeout(resolve));
  keeper.passed();
  await clock.advance(1_000);
  for (let i = 0; i < 400 && reference.deref() !== undefined; i++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(reference.deref(), undefined);
});
