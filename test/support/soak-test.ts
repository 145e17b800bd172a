/** The soak as a test: its options from the environment, its result as assertions. */
import { rmSync } from 'node:fs';
import type { Test } from 'tap';
import { eventWeights, type EventKind } from './soak-events.js';
import { rateScale } from './soak-flows.js';
import { outagesText, runSoak } from './soak.js';

export interface SoakSize {
  readonly seed: number;
  readonly events: number;
  readonly controlMs: number;
  readonly freshPlans: number;
}

export async function testSoak(t: Test, size: SoakSize): Promise<void> {
  const seed = Number(process.env['SELVAGE_SOAK_SEED'] ?? size.seed);
  const events = Number(process.env['SELVAGE_SOAK_EVENTS'] ?? size.events);
  const stateRoot = `/run/selvage-soak-${process.pid}`;
  t.teardown(() => rmSync(stateRoot, { recursive: true, force: true }));
  const say = (line: string): void => {
    t.comment(line);
  };
  say(
    `seed ${seed}, ${events} events; again with SELVAGE_SOAK_SEED=${seed} SELVAGE_SOAK_EVENTS=${events}`,
  );
  if (rateScale !== 1) say(`at ${rateScale} times the rate: this proves less`);
  // Kinds that are named here are not drawn, e.g. SELVAGE_SOAK_WITHOUT="segment,bad file".
  const off = (process.env['SELVAGE_SOAK_WITHOUT'] ?? '').split(',');
  const kinds = (Object.keys(eventWeights) as EventKind[]).filter((kind) => !off.includes(kind));
  const result = await runSoak({
    ...size,
    ...{ seed, events, kinds, stateRoot, say },
    labName: `s${process.pid}`,
  });
  for (const line of outagesText(result.outages)) say(line);
  if (result.inconclusive !== undefined) t.fail(`inconclusive: ${result.inconclusive}`);
  else t.same(result.failures, [], 'no packet lost that need not be, and all well in the end');
}
