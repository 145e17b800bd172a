/** How the peers are reached. Counted by mode and state, never one by one: they may be thousands. */
import { modes } from '../../encap/mode.js';
import type { PassReport } from '../../routes/reconciler.js';
import type { PeerStatus } from '../agent/status.js';
import type { Concern } from './concern.js';
import type { Say } from './meter.js';

interface Count {
  readonly mode: string;
  readonly state: string;
  prefixes: number;
  readonly nodes: Set<string>;
}

export const peerMetrics: Concern = (meter, { figures }) => {
  let last: { readonly report: PassReport; readonly counts: readonly Count[] } | undefined;
  const counts = (): readonly Count[] => {
    const { lastPass, peers } = figures();
    if (lastPass === undefined) return [];
    if (last?.report !== lastPass.report)
      last = { report: lastPass.report, counts: countPeers(peers()) };
    return last.counts;
  };
  const each = (say: Say, read: (count: Count) => number): void => {
    for (const count of counts()) say(read(count), { mode: count.mode, state: count.state });
  };
  const labels = ['mode', 'state'];
  meter.gauge(
    {
      name: 'selvage_peers',
      help: 'Peers with a prefix in this mode and state; one with several ways is in each of them.',
      labels,
    },
    (say) => each(say, ({ nodes }) => nodes.size),
  );
  meter.gauge(
    { name: 'selvage_peer_prefixes', help: "Peers' overlay prefixes by mode and state.", labels },
    (say) => each(say, ({ prefixes }) => prefixes),
  );
  return undefined;
};

function countPeers(peers: readonly PeerStatus[]): readonly Count[] {
  const counts = new Map<string, Count>();
  const at = (mode: string, state: string): Count => {
    const key = `${mode} ${state}`;
    let count = counts.get(key);
    if (count === undefined) {
      count = { mode, state, prefixes: 0, nodes: new Set() };
      counts.set(key, count);
    }
    return count;
  };
  for (const mode of modes) at(mode, 'ok');
  for (const { node, mode, verdict, state } of peers) {
    const count = at(mode ?? verdict, state);
    count.prefixes++;
    count.nodes.add(node);
  }
  return [...counts.values()];
}
