/**
 * The long soak: a thousand random events on twelve nodes with real agents, under numbered streams
 * over every ordered pair. SELVAGE_SOAK_SEED and SELVAGE_SOAK_EVENTS make a run of one's own.
 */
import t from 'tap';
import { skipReason } from '../support/capabilities.js';
import { testSoak } from '../support/soak-test.js';

const timeoutMs = 3_500_000;

t.setTimeout(timeoutMs);
t.test(
  'a thousand random events cost no packet',
  { skip: skipReason('netns', 'nft', 'tcpdump', 'kernel-vxlan'), timeout: timeoutMs },
  (t) =>
    testSoak(t, { seed: Date.now() % 1_000_000, events: 1_000, controlMs: 30_000, freshPlans: 13 }),
);
