/** Probes without an agent: what one node can find out by itself, with nobody to ask at the other end. */
import type { Prober } from '../probe/pair-probe.js';
import { createProber } from '../probe/prober.js';
import { segmentOf } from '../probe/segment.js';
import type { NodeReading } from './reading.js';

export function localProber(reading: NodeReading): Prober {
  const { node, snapshot, kernel } = reading;
  return createProber({
    self: node,
    cluster: () => snapshot.cluster,
    nics: () => [...new Set(Object.values(snapshot.local?.nics ?? {}).map(({ name }) => name))],
    deviceMtu: async (destination) => {
      const route = await kernel.lookup(destination);
      if (route?.kind !== 'unicast') return undefined;
      const { devices } = await kernel.details();
      return devices.find(({ name }) => name === route.device)?.mtu;
    },
    askSegment: segmentOf(() => kernel),
    endpoint: 'no agent answers on this node: it probes by itself and asks nobody',
  });
}
