/**
 * Dashboard, alerts and documentation speak of metrics that exist, with labels and values that they
 * have. `SELVAGE_UPDATE=1` writes the table of the documentation anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { buildProgram } from '../../src/cli/program.js';
import type { ZoneTraffic } from '../../src/metrics/concern.js';
import { openMetrics } from '../../src/metrics/index.js';
import { dropReasonNames, guardTable } from '../../tunnel/guard/names.js';
import { figures, pair, passReport, peer } from '../support/figures.js';
import { root } from '../support/root.js';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const fileText = (path: string): string => readFileSync(join(root, path), 'utf8');
const rules = (
  parse(fileText('deploy/prometheus/selvage.rules.yaml')) as {
    groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
  }
).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(fileText('deploy/grafana/selvage.json')) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
};

/** Everything that can be told is told. */
const states = ['ok', 'failed', 'held', 'foreign', 'contested'] as const;
const zoneTraffic: readonly ZoneTraffic[] = (['native', 'ipip', 'vxlan'] as const).flatMap((mode) =>
  (['transmit', 'receive'] as const).map((direction) => ({
    mode,
    direction,
    zone: 'a',
    peerZone: 'b',
    packets: 1,
    bytes: 1,
  })),
);
const none = { bytes: 0, packets: 0, errors: 0, dropped: 0 };
const full = figures({
  peers: () => states.map((state) => peer(state, { state })),
  store: { synced: true, revision: 1, lagSeconds: 0, refusedRecords: 0, outages: 0 },
  lastGoodOf: new Date(),
  cluster: { ...pair, changeover: { phase: 'settled' } },
  traffic: () => (['ipip', 'vxlan'] as const).map((mode) => ({ mode, sent: none, received: none })),
  guardDropped: () => Promise.resolve(Object.fromEntries(dropReasonNames.map((name) => [name, 0]))),
  probes: { policy: 'drive', packetsPerSecond: 0, probed: [], findings: [], counts: {} },
});

/** Label → values, by series name; those that Prometheus itself adds have any value. */
type Known = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

const metrics = openMetrics({
  version: '1',
  figures: () => full,
  nowMs: () => 0,
  monotonicMs: () => 0,
  zoneTraffic: () => Promise.resolve(zoneTraffic),
});
metrics.observer.passed(passReport(), []);

async function knownSeries(): Promise<Known> {
  const known = new Map<string, Map<string, Set<string>>>();
  known.set('up', new Map());
  for (const line of (await metrics.text()).split('\n')) {
    const [, name, labels = ''] = /^([a-z_:A-Z0-9]+)(?:\{(.*)\})? /.exec(line) ?? [];
    if (name === undefined) continue;
    const at = known.get(name) ?? new Map<string, Set<string>>();
    known.set(name, at);
    for (const [, label, value] of labels.matchAll(/([a-z_]+)="([^"]*)"/g))
      at.set(label!, (at.get(label!) ?? new Set()).add(value!));
  }
  // A counter without a failure has no series yet.
  known.set('selvage_scrape_errors_total', new Map([['metric', new Set()]]));
  return known;
}

const added = new Set(['job', 'instance']);
/** Words of the language that are followed by a list of labels. */
const listing = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const functions = new Set(
  'sum count min max topk rate increase histogram_quantile time vector or and unless by without on'.split(
    ' ',
  ),
);

/** What is wrong with an expression; also the names that it uses. */
function check(expression: string, known: Known): { problems: string[]; names: Set<string> } {
  const problems: string[] = [];
  const names = new Set<string>();
  const grouped: string[] = [];
  let open = 0;
  for (const character of expression.replace(/"[^"]*"/g, '')) {
    if (character === '(') open++;
    if (character === ')' && --open < 0) break;
  }
  if (open !== 0) problems.push('brackets do not match');
  let rest = expression.replace(/\$__rate_interval/g, '5m').replace(listing, (_, list: string) => {
    grouped.push(...list.split(',').map((label) => label.trim()));
    return ' ';
  });
  rest = rest.replace(/([a-zA-Z_:]\w*)\{([^}]*)\}/g, (_, name: string, matchers: string) => {
    const labels = known.get(name);
    for (const [, label, operator, text] of matchers.matchAll(
      /(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g,
    )) {
      if (added.has(label!)) continue;
      const values = labels?.get(label!);
      if (values === undefined) problems.push(`${name} has no label ${label}`);
      const asked = operator!.includes('~') ? text!.split('|') : [text!];
      for (const value of asked)
        if (values !== undefined && !values.has(value))
          problems.push(`${label} of ${name} is never ${value}`);
    }
    return ` ${name} `;
  });
  for (const [word] of rest.replace(/"[^"]*"|\[[^\]]*\]/g, ' ').matchAll(/[a-zA-Z_:][\w:]*/g)) {
    if (functions.has(word)) continue;
    names.add(word);
    if (!known.has(word)) problems.push(`there is no ${word}`);
  }
  for (const label of grouped) {
    const has = [...names].some((name) => known.get(name)?.has(label) === true);
    if (!has && !added.has(label)) problems.push(`nothing here has the label ${label}`);
  }
  return { problems, names };
}

t.test('the check itself finds what is wrong', async (t) => {
  const known = await knownSeries();
  for (const [expression, problem] of [
    ['selvage_redy == 0', 'there is no selvage_redy'],
    ['rate(selvage_ready{mode="x"}[5m])', 'selvage_ready has no label mode'],
    ['selvage_peers{state=~"ok|lost"}', 'state of selvage_peers is never lost'],
    ['sum by (zone) (selvage_ready)', 'nothing here has the label zone'],
    ['sum(selvage_ready', 'brackets do not match'],
    ['selvage_pass_duration_seconds > 1', 'there is no selvage_pass_duration_seconds'],
    ['frobnicate(selvage_ready)', 'there is no frobnicate'],
  ] as const)
    t.same(check(expression, known).problems, [problem], expression);
});

t.test('alerts speak of what exists, and say what to do', async (t) => {
  const known = await knownSeries();
  const commands = new Set(buildProgram().commands.map((command) => command.name()));
  for (const { alert, expr, labels, annotations } of rules) {
    t.same(check(expr, known).problems, [], `${alert}: ${expr}`);
    t.match(alert, /^Selvage[A-Z]\w+$/);
    t.match(labels.severity, /^(critical|warning|info)$/, alert);
    t.match(annotations.description, /Do: |try /, `${alert} says what to do`);
    const text = `${annotations.summary} ${annotations.description}`;
    for (const [, command] of text.matchAll(/"selvage ([a-z-]+)/g))
      t.ok(commands.has(command!), `${alert}: selvage ${command}`);
    const { names } = check(expr, known);
    for (const [, label] of text.matchAll(/\$labels\.(\w+)/g))
      t.ok(
        added.has(label!) || [...names].some((name) => known.get(name)?.has(label!)),
        `${alert}: its series have ${label}`,
      );
    for (const [name] of text.matchAll(/\bselvage_\w+/g))
      t.ok(known.has(name) || name === guardTable, `${alert}: ${name}`);
  }
  t.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
});

t.test('the dashboard speaks of what exists', async (t) => {
  const known = await knownSeries();
  const units: Readonly<Record<string, RegExp>> = {
    s: /_seconds/,
    bytes: /_bytes/,
    Bps: /_bytes_total/,
    pps: /packets_total|selvage_traffic_errors_total/,
  };
  for (const { title, type, description, fieldConfig, targets = [] } of dashboard.panels) {
    if (type === 'row') continue;
    t.ok(targets.length > 0 && (description ?? '') !== '', title);
    for (const { expr, legendFormat } of targets) {
      const { problems, names } = check(expr, known);
      t.same(problems, [], `${title}: ${expr}`);
      const unit = units[fieldConfig!.defaults.unit];
      if (unit !== undefined)
        t.ok(
          [...names].every((name) => unit.test(name)),
          `${title}: unit`,
        );
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        t.ok(
          added.has(label!) || [...names].some((name) => known.get(name)?.has(label!)),
          `${title}: ${label}`,
        );
    }
  }
  const { panels } = dashboard;
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const [index, { gridPos: a, title }] of panels.entries()) {
    t.ok(a.x + a.w <= 24, title);
    for (const { gridPos: b, title: other } of panels.slice(index + 1))
      t.notOk(
        a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h,
        `${title} and ${other} do not overlap`,
      );
  }
});

t.test('every metric is on the dashboard or in an alert', async (t) => {
  const known = await knownSeries();
  const used = new Set(
    [
      ...rules.map(({ expr }) => expr),
      ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ].flatMap((expr) => [...check(expr, known).names]),
  );
  /** For joins and for people who look. */
  const alone = new Set([
    'selvage_node_info',
    'selvage_configuration_revision',
    'selvage_peer_prefixes',
  ]);
  for (const { name, type } of metrics.described) {
    const series = type === 'histogram' ? `${name}_bucket` : name;
    t.not(used.has(series), alone.has(name), series);
  }
  t.end();
});

t.test('the documentation lists the metrics, all of them and no others', (t) => {
  const path = 'deploy/prometheus/README.md';
  const table = [
    '| metric | type | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...metrics.described.map(
      ({ name, type, labels, help }) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
    ),
  ].join('\n');
  const text = fileText(path);
  const written = /<!-- metrics -->\n+([\s\S]*?)\n*<!-- end -->/.exec(text)?.[1] ?? '';
  if (process.env['SELVAGE_UPDATE'] === '1')
    writeFileSync(
      join(root, path),
      text.replace(
        /(<!-- metrics -->\n)[\s\S]*(<!-- end -->)/,
        (_, a: string, b: string) => `${a}\n${table}\n\n${b}`,
      ),
    );
  else t.same(cells(written), cells(table), 'SELVAGE_UPDATE=1 writes it anew; then npm run format');
  t.end();
});

/** However the columns are filled up. */
function cells(table: string): readonly string[] {
  return table.split('\n').map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim().replace(/^-+$/, '-'))
      .join('|'),
  );
}
