/** What this node's own probes of the paths to its peers say. */
import { modes } from '../../encap/mode.js';
import type { Concern } from './concern.js';

export const probeMetrics: Concern = (meter, { figures }) => {
  const packets =
    (outcome: 'sent' | 'lost') => (say: (value: number, labels: { mode: string }) => void) => {
      const { counts } = figures().probes;
      if (counts !== undefined)
        for (const mode of modes) say(counts[mode]?.[outcome] ?? 0, { mode });
    };
  meter.readCounter(
    {
      name: 'selvage_probe_packets_total',
      help: 'Probe packets of this node that its peers answered for, by mode.',
      labels: ['mode'],
    },
    packets('sent'),
  );
  meter.readCounter(
    {
      name: 'selvage_probe_lost_packets_total',
      help: 'Those of them that did not arrive, by mode.',
      labels: ['mode'],
    },
    packets('lost'),
  );
  meter.gauge(
    {
      name: 'selvage_probe_findings',
      help: 'Ways to peers that lose packets or carry less than they should, as probes found.',
    },
    (say) => say(figures().probes.findings.length),
  );
  return undefined;
};
