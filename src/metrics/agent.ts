/** The agent as a whole: is it well? */
import type { Concern } from './concern.js';

export const agentMetrics: Concern = (meter, { figures }) => {
  meter.gauge(
    {
      name: 'selvage_ready',
      help: 'Is there a configuration, and has the kernel taken all of it? 1 or 0, as /readyz.',
    },
    (say) => say(figures().notReady === undefined ? 1 : 0),
  );
  meter.gauge(
    {
      name: 'selvage_frozen',
      help: 'Does the agent write nothing because an operator froze it? 1 or 0.',
    },
    (say) => say(figures().frozen ? 1 : 0),
  );
  meter.gauge(
    {
      name: 'selvage_problems',
      help: 'Problems that "selvage status" lists, those of the configuration not counted.',
    },
    (say) => say(figures().problems),
  );
  return undefined;
};
