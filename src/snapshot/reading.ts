/** A node read from its bundle: the same answers as there and then. */
import { readSysctls } from '../../routes/reconciler.js';
import { objectKey } from '../../tunnel/kernel.js';
import type { NodeReading } from '../explain/node-reading.js';
import { historyFrom } from '../journal/journal.js';
import type { SnapshotBundle } from './bundle.js';
import { recordedKernel } from './recorded-kernel.js';

export function readingOf(bundle: SnapshotBundle): NodeReading {
  const { filters, desired } = bundle;
  const kernel = recordedKernel(bundle.kernel);
  const objects = new Map(desired.objects.map((object) => [objectKey(object), object]));
  const actual = {
    kernel: bundle.kernel.state,
    sysctls: readSysctls(kernel, objects.values()),
  };
  return {
    node: bundle.node,
    snapshot: { cluster: bundle.cluster, local: bundle.local ?? undefined },
    desired: { ...desired, objects },
    actual: () => Promise.resolve(actual),
    guardNotes: () => Promise.resolve(filters.notes),
    history: historyFrom(bundle.journal),
    freeze: bundle.freeze ?? undefined,
    basis: bundle.basis ?? undefined,
    kernel,
    filters: {
      spec: filters.spec,
      guard: () =>
        filters.guard === null
          ? Promise.reject(new Error(filters.problem ?? 'the guard could not be read'))
          : Promise.resolve({
              ok: filters.guard.ok,
              difference: filters.guard.difference ?? undefined,
            }),
      dropped: () => Promise.resolve(filters.dropped),
      rulesets: () => Promise.resolve(filters.rulesets),
    },
  };
}
