/** A store that does not answer is waited for, and whoever waits is told so once. */
import t from 'tap';
import { patiently } from '../../src/fleet/patience.js';
import { KeyValueError } from '../../src/store/kv.js';

t.test('what is tried again is told once, and other failures are not tried again', async (t) => {
  const told: string[] = [];
  const patience = { timeoutMs: 60_000, random: () => 0, onWait: (why: string) => told.push(why) };
  let calls = 0;
  const answer = await patiently(async () => {
    if (++calls < 3) throw new KeyValueError('unavailable', `no answer ${calls}`);
    return 'done';
  }, patience);
  t.same([answer, calls, told], ['done', 3, ['no answer 1']]);
  const denied = patiently(async () => {
    calls++;
    throw new KeyValueError('denied', 'no');
  }, patience);
  await t.rejects(denied, KeyValueError);
  t.same([calls, told.length], [4, 1]);
});
