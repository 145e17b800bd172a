/** What the continuous probes of one or more agents have seen, zone by zone. */
import type { Cluster } from '../../encap/cluster.js';
import type { StatusReport } from '../agent/status.js';
import type { Health, HealthOf } from './matrix-report.js';

/** Undefined for a path that none of these agents has probed. */
export function healthOf(cluster: Cluster, reports: readonly StatusReport[]): HealthOf {
  const zoneOf = (node: string): string | undefined => cluster.nodes.get(node)?.zone;
  return ({ from, to, family }) => {
    let probed = 0;
    const troubles: { readonly text: string; readonly acted: boolean }[] = [];
    for (const { node, probes } of reports) {
      if (probes === undefined || zoneOf(node) !== from) continue;
      const peers = probes.probed.filter((peer) => zoneOf(peer) === to);
      probed += peers.length;
      for (const finding of probes.findings)
        if (finding.family === family && zoneOf(finding.node) === to)
          troubles.push({ text: `${finding.way} to ${finding.node}`, acted: finding.acted });
    }
    if (probed === 0) return undefined;
    return summary(probed, troubles);
  };
}

function summary(
  probed: number,
  troubles: readonly { readonly text: string; readonly acted: boolean }[],
): Health {
  const peers = `${probed} ${probed === 1 ? 'path' : 'paths'} probed`;
  const [first] = troubles;
  if (first === undefined) return { state: 'ok', text: peers };
  const more = troubles.length === 1 ? '' : ` and ${troubles.length - 1} more`;
  // What the decision follows is avoided, and packets arrive another way.
  return troubles.every(({ acted }) => acted)
    ? { state: 'degraded', text: `avoided: ${first.text}${more}` }
    : { state: 'broken', text: `lost: ${first.text}${more}` };
}
