/**
 * What the two ends of a pair are called where thousands of pairs share a text: by their providers,
 * as that is what facts are about. The zones are listed beside it.
 */
import type { Cluster } from '../cluster.js';
import type { PairNames } from '../trail.js';

interface EndZone {
  readonly cluster: Cluster;
  readonly zone: string | undefined;
}

export function endNames(from: EndZone, to: EndZone): PairNames {
  const name = ({ cluster, zone }: EndZone): string => {
    const provider = zone === undefined ? undefined : cluster.zones.get(zone)?.provider;
    return `the ${provider ?? 'other'} end`;
  };
  return { from: name(from), to: name(to) };
}
