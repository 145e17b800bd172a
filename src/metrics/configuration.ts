/** Which configuration is in force, since when, and what is wrong with the newest one. */
import type { Concern } from './concern.js';

export const configurationMetrics: Concern = (meter, { figures, nowMs }) => {
  /** When the revision in force was first seen to be. */
  let since: { readonly revision: number; readonly atMs: number } | undefined;
  const note = (): void => {
    const revision = figures().cluster?.revision;
    if (revision !== undefined && revision !== since?.revision) since = { revision, atMs: nowMs() };
  };
  meter.gauge(
    {
      name: 'selvage_configuration_revision',
      help: 'Revision of the configuration and node records in force, counted by this agent.',
    },
    (say) => {
      const revision = figures().cluster?.revision;
      if (revision !== undefined) say(revision);
    },
  );
  meter.gauge(
    {
      name: 'selvage_configuration_timestamp_seconds',
      help: 'When the revision in force came into force; its age is time() less this.',
    },
    (say) => {
      note();
      if (since !== undefined) say(since.atMs / 1000);
    },
  );
  meter.gauge(
    {
      name: 'selvage_configuration_problems',
      help: 'Problems and warnings of the newest configuration; a bad one leaves the old one in force.',
    },
    (say) => say(figures().configurationProblems),
  );
  meter.gauge(
    {
      name: 'selvage_configuration_last_good_timestamp_seconds',
      help: 'Only while the store gives no usable configuration: when the one that stands in was kept.',
    },
    (say) => {
      const { lastGoodOf } = figures();
      if (lastGoodOf !== undefined) say(lastGoodOf.getTime() / 1000);
    },
  );
  return { passed: note };
};
