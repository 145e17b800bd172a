/**
 * A short soak: the twelve-node lab of `test/long/soak.test.ts` with fewer events. The seed is
 * printed; SELVAGE_SOAK_SEED and SELVAGE_SOAK_EVENTS make a run of one's own.
 */
import t from 'tap';
import { skipReason } from '../support/capabilities.js';
import { testSoak } from '../support/soak-test.js';

t.setTimeout(250_000);
t.test(
  'random events cost no packet',
  { skip: skipReason('netns', 'nft', 'tcpdump', 'kernel-vxlan'), timeout: 240_000 },
  (t) => testSoak(t, { seed: 20_260_101, events: 7, controlMs: 3_000, freshPlans: 2 }),
);
