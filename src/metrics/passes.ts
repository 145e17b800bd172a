/** What passes over the kernel did: their time, their operations, whose doing it was, and errors. */
import type { Change } from '../../routes/diff.js';
import type { FailedChange } from '../../routes/apply.js';
import type { PassReport } from '../../routes/reconciler.js';
import type { Concern } from './concern.js';
import type { Meter } from './meter.js';

const objects = ['link', 'address', 'neighbour', 'fdb', 'route', 'sysctl'] as const;
const verbs = ['create', 'update', 'delete'] as const;
const outcomes = ['applied', 'failed'] as const;
/** A repair takes a millisecond, ten thousand new peers some seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const passMetrics: Concern = (meter, { figures, monotonicMs }) => {
  const duration = meter.histogram({
    name: 'selvage_pass_duration_seconds',
    help: 'Time of a pass: read the kernel, plan, compare, write.',
    buckets,
  });
  const latency = meter.histogram({
    name: 'selvage_apply_latency_seconds',
    help: "From the store's notice of a new version to the end of the pass that put it in force.",
    buckets,
  });
  const passes = meter.counter(
    {
      name: 'selvage_passes_total',
      help: 'Passes by outcome: failed ones could not be done at all, or not to their end.',
      labels: ['outcome'],
    },
    [{ outcome: 'ok' }, { outcome: 'failed' }],
  );
  const operations = meter.counter(
    {
      name: 'selvage_kernel_operations_total',
      help: 'Changes of kernel objects by verb, kind of object and outcome.',
      labels: ['verb', 'object', 'outcome'],
    },
    objects.flatMap((object) =>
      verbs.flatMap((verb) => outcomes.map((outcome) => ({ verb, object, outcome }))),
    ),
  );
  const repairs = meter.counter(
    {
      name: 'selvage_drift_repairs_total',
      help: 'Changes that somebody else made to our kernel objects and that were undone.',
      labels: ['object'],
    },
    objects.map((object) => ({ object })),
  );
  const errors = errorCounter(meter);
  pullLast(meter, figures);

  let changedAtMs: number | undefined;
  /** One that waits for its next try is in every report until then. */
  const counted = new WeakSet<FailedChange>();
  return {
    storeChanged(version) {
      if (version === 'refused') errors({ kind: 'configuration' });
      else changedAtMs ??= monotonicMs();
    },
    passed(report, repaired) {
      duration(report.durationMs / 1000);
      passes({ outcome: report.error === undefined ? 'ok' : 'failed' });
      if (report.error !== undefined) errors({ kind: 'pass' });
      for (const change of report.changes)
        operations({ verb: change.kind, object: objectOf(change), outcome: 'applied' });
      for (const failed of report.failed) {
        if (counted.has(failed)) continue;
        counted.add(failed);
        const { change } = failed;
        operations({ verb: change.kind, object: objectOf(change), outcome: 'failed' });
        errors({ kind: 'kernel' });
      }
      for (const change of repaired) repairs({ object: objectOf(change) });
      const now = monotonicMs();
      // A pass that had begun before knows nothing of it.
      if (changedAtMs === undefined || now - report.durationMs < changedAtMs) return;
      if (report.error !== undefined || report.withheld.length > 0) return;
      latency((now - changedAtMs) / 1000);
      changedAtMs = undefined;
    },
  };
};

const errorKinds = ['pass', 'kernel', 'configuration'] as const;

function errorCounter(
  meter: Meter,
): (labels: { readonly kind: (typeof errorKinds)[number] }) => void {
  return meter.counter(
    {
      name: 'selvage_errors_total',
      help: 'Errors by kind: pass (not done), kernel (an operation refused), configuration (a version refused).',
      labels: ['kind'],
    },
    errorKinds.map((kind) => ({ kind })),
  );
}

function pullLast(meter: Meter, figures: Parameters<Concern>[1]['figures']): void {
  const last = (name: string, help: string, read: (report: PassReport) => number): void =>
    meter.gauge({ name, help }, (say) => {
      const pass = figures().lastPass;
      if (pass !== undefined) say(read(pass.report));
    });
  meter.gauge(
    { name: 'selvage_last_pass_timestamp_seconds', help: 'When the last pass ended.' },
    (say) => {
      const pass = figures().lastPass;
      if (pass !== undefined) say(pass.at.getTime() / 1000);
    },
  );
  last(
    'selvage_foreign_routes',
    'Routes that cannot be made because somebody else holds their place.',
    ({ foreign }) => foreign.length,
  );
  last(
    'selvage_withheld_changes',
    'Changes that are not made because the agent is frozen.',
    ({ withheld }) => withheld.length,
  );
  last(
    'selvage_pending_changes',
    'Changes that wait for another try, or for what they need.',
    ({ failed, skipped }) => failed.length + skipped.length,
  );
  meter.gauge(
    {
      name: 'selvage_contested_objects',
      help: 'Objects that somebody keeps changing back; repaired with growing pauses.',
    },
    (say) => say(figures().contested),
  );
}

function objectOf(change: Change): string {
  return (change.kind === 'delete' ? change.actual : change.desired).type;
}
