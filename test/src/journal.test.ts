/** The journal of changes: whose doing, when, by which line; and no more memory than it may take. */
import t from 'tap';
import { parsePrefix } from '../../encap/prefix.js';
import type { Change } from '../../routes/diff.js';
import type { PassReport } from '../../routes/reconciler.js';
import type { RouteObject } from '../../tunnel/kernel.js';
import { formatObject } from '../../tunnel/format.js';
import { objectKey } from '../../tunnel/kernel.js';
import type { JournalData } from '../../src/journal/journal.js';
import { Journal, historyFrom } from '../../src/journal/journal.js';
import { passReport } from '../support/figures.js';

function routeTo(number: number): RouteObject {
  return {
    type: 'route',
    prefix: parsePrefix(`10.${number >> 8}.${number & 255}.0/24`),
    table: 254,
    metric: 512,
    protocol: 83,
    target: { kind: 'unreachable' },
  };
}

function made(number: number): Change {
  const desired = routeTo(number);
  return { kind: 'create', key: objectKey(desired), desired };
}

function pass(report: Partial<PassReport>): PassReport {
  return passReport({ reasons: ['route changed'], durationMs: 1, ...report });
}

const first = new Date('2026-01-01T00:00:00Z');
const later = new Date('2026-01-01T00:05:00Z');
const nobody = { at: first, isRepair: () => false };

t.test('the last change of each object, and whose doing it was', (t) => {
  const journal = new Journal();
  const [one, two] = [made(1), made(2)];
  journal.note(pass({ changes: [one, two], reasons: ['start'] }), nobody);
  const drift: Change = {
    kind: 'update',
    key: two.key,
    desired: routeTo(2),
    actual: routeTo(2),
    attributes: ['mtu', 'gateway'],
    recreate: false,
  };
  journal.note(pass({ changes: [drift] }), { at: later, isRepair: ({ key }) => key === two.key });
  const text = formatObject(routeTo(2));
  t.same(journal.history(two.key, text), {
    at: '2026-01-01T00:05:00.000Z',
    line: `repaired: update ${text} (mtu, gateway); pass: route changed`,
  });
  t.same(journal.history(one.key, formatObject(routeTo(1))), {
    at: '2026-01-01T00:00:00.000Z',
    line: `create ${formatObject(routeTo(1))}; pass: start`,
  });
  t.equal(journal.history('route 254 10.0.9.0/24 metric 512', ''), undefined, 'not guessed');
  const copy = historyFrom(JSON.parse(JSON.stringify(journal.data)) as JournalData);
  t.same(copy(two.key, text), journal.history(two.key, text), 'also from a bundle');
  t.end();
});

t.test('what is withheld counts from when it was noticed', (t) => {
  const journal = new Journal();
  journal.note(pass({ withheld: [made(1)] }), nobody);
  journal.note(pass({ withheld: [made(1)], reasons: ['resync'] }), {
    at: later,
    isRepair: () => false,
  });
  t.match(journal.record(made(1).key), { what: 'withheld', at: first.toISOString() });
  journal.note(pass({ changes: [made(1)], reasons: ['thawed'] }), {
    at: later,
    isRepair: () => true,
  });
  t.match(journal.record(made(1).key), { what: 'repaired', at: later.toISOString() });
  t.end();
});

t.test('bounded: the longest unchanged fall out, and one record serves a pass', (t) => {
  const journal = new Journal({ maxObjects: 100, maxPasses: 3 });
  const changes = Array.from({ length: 150 }, (_, i) => made(i));
  journal.note(pass({ changes }), nobody);
  t.equal(journal.record(made(49).key), undefined);
  t.ok(journal.record(made(50).key));
  t.equal(journal.record(made(50).key), journal.record(made(149).key), 'the same object');
  journal.note(pass({ changes: [made(50), made(200)] }), nobody);
  t.equal(journal.record(made(51).key), undefined, 'the oldest went');
  t.ok(journal.record(made(50).key), 'and not the one that changed again');
  t.equal(journal.data.objects.length, 100);
  t.equal(journal.data.records.length, 2);
  for (let i = 0; i < 5; i++) journal.note(pass({ error: new Error(`no ${i}`) }), nobody);
  journal.note(pass({}), nobody);
  t.same(
    journal.data.passes.map(({ error }) => error),
    ['no 2', 'no 3', 'no 4'],
    'a pass that did nothing is not kept',
  );
  t.end();
});
