/** The store that other machines serve; a file has none of this. */
import type { StoreHealth } from '../store/health.js';
import type { Concern } from './concern.js';
import type { Meter } from './meter.js';

export const storeMetrics: Concern = (meter, { figures }) => {
  const of = (read: (health: StoreHealth) => number | undefined) => {
    return (say: (value: number) => void): void => {
      const { store } = figures();
      const value = store && read(store);
      if (value !== undefined) say(value);
    };
  };
  const gauge = (text: Parameters<Meter['gauge']>[0], read: Parameters<typeof of>[0]): void =>
    meter.gauge(text, of(read));
  gauge(
    {
      name: 'selvage_store_synced',
      help: 'Does this node know all that the store has told? 1 or 0; 0 changes nothing in the kernel.',
    },
    ({ synced }) => (synced ? 1 : 0),
  );
  gauge(
    { name: 'selvage_store_revision', help: "The store's own revision that this node saw last." },
    ({ revision }) => revision,
  );
  gauge(
    {
      name: 'selvage_store_lag_seconds',
      help: 'For how long what is known may have been out of date; 0 while it is not.',
    },
    ({ lagSeconds }) => lagSeconds,
  );
  gauge(
    {
      name: 'selvage_store_refused_records',
      help: "Values in the store that cannot be used, or that claim what is another node's.",
    },
    ({ refusedRecords }) => refusedRecords,
  );
  meter.readCounter(
    { name: 'selvage_store_outages_total', help: 'Times that the store was lost.' },
    of(({ outages }) => outages),
  );
  meter.gauge(
    {
      name: 'selvage_nodes',
      help: 'Nodes of the cluster in force, this one counted.',
      labels: ['state'],
    },
    (say) => {
      const { cluster } = figures();
      if (cluster === undefined) return;
      const { stale, all } = countNodes(cluster.nodes.values());
      say(all - stale, { state: 'current' });
      say(stale, { state: 'stale' });
    },
  );
  return undefined;
};

function countNodes(nodes: Iterable<{ readonly stale?: string }>): {
  readonly all: number;
  readonly stale: number;
} {
  let [all, stale] = [0, 0];
  for (const node of nodes) {
    all++;
    if (node.stale !== undefined) stale++;
  }
  return { all, stale };
}
