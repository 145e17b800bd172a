/** What runs, and as which node: the value is always 1, the labels tell. */
import type { Concern } from './concern.js';

export const buildMetrics: Concern = (meter, sources) => {
  meter.gauge(
    {
      name: 'selvage_build_info',
      help: 'The release that runs, and the version of Node.js that runs it; always 1.',
      labels: ['version', 'node_version'],
    },
    (say) => say(1, { version: sources.version, node_version: process.version }),
  );
  meter.gauge(
    {
      name: 'selvage_node_info',
      help: 'The node of this agent, and where it is; always 1, absent before there is a configuration.',
      labels: ['node', 'cluster', 'zone', 'region', 'provider'],
    },
    (say) => {
      const { node, cluster } = sources.figures();
      const zoneName = cluster?.nodes.get(node)?.zone;
      const zone = zoneName === undefined ? undefined : cluster?.zones.get(zoneName);
      if (cluster === undefined || zone === undefined) return;
      say(1, {
        node,
        cluster: cluster.name,
        zone: zone.name,
        region: zone.region ?? '',
        provider: zone.provider,
      });
    },
  );
  return undefined;
};
