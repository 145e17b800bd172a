/** A change of configuration that is under way: one series a phase, and the one that is has 1. */
import type { Concern } from './concern.js';

const phases = ['none', 'waiting', 'ending'] as const;
const ledPhases = ['prepare', 'switch', 'settled'] as const;

export const changeoverMetrics: Concern = (meter, { figures }) => {
  meter.gauge(
    {
      name: 'selvage_changeover_phase',
      help: 'Phase of a change on this node (none, waiting, ending), 1 at the present one.',
      labels: ['phase'],
    },
    (say) => {
      const { changeover } = figures();
      for (const phase of phases) say(phase === changeover ? 1 : 0, { phase });
    },
  );
  meter.gauge(
    {
      name: 'selvage_migration_phase',
      help: 'Phase of a change that is led through the cluster, 1 at the present one; absent without.',
      labels: ['phase'],
    },
    (say) => {
      const led = figures().cluster?.changeover;
      if (led !== undefined)
        for (const phase of ledPhases) say(phase === led.phase ? 1 : 0, { phase });
    },
  );
  meter.gauge(
    {
      name: 'selvage_held_prefixes',
      help: 'Prefixes that stay on their old way while a change is under way.',
    },
    (say) => say(figures().kept),
  );
  return undefined;
};
