/** The simulation: it tells the same for the same seed, and what is wrong with an observer shows. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { parsePrefix, prefixContains, prefixesOverlap } from '../../encap/prefix.js';
import { parseAddress } from '../../encap/address.js';
import type { Kernel } from '../../tunnel/kernel.js';
import { renderGrowth } from '../../src/cli/render/simulate-growth.js';
import { renderSimulation } from '../../src/cli/render/simulate.js';
import { parseChurn, parseNodes, parseSizes } from '../../src/cli/simulate-options.js';
import { defaultObservers } from '../../src/cli/simulate-run.js';
import { terminalFor } from '../../src/cli/terminal.js';
import { fleetConfig } from '../../src/simulate/config-text.js';
import { grow, growthReport, growthSchema } from '../../src/simulate/growth.js';
import { growthSvg } from '../../src/simulate/growth-svg.js';
import { fleetLayout } from '../../src/simulate/layout.js';
import { quantiles } from '../../src/simulate/quantiles.js';
import { randomFrom } from '../../src/simulate/random.js';
import type { SimulationReport } from '../../src/simulate/report.js';
import {
  simulationJsonSchemaPath,
  simulationJsonSchemaText,
  simulationSchema,
} from '../../src/simulate/report.js';
import type { SimulationOptions } from '../../src/simulate/simulation.js';
import { simulate } from '../../src/simulate/simulation.js';
import { VirtualClock } from '../../src/simulate/virtual-clock.js';
import { parseClusterFile } from '../../src/config/parse.js';
import { fromRoot } from '../support/root.js';

// A busy machine takes its time.
t.setTimeout(180_000);

const small: SimulationOptions = {
  nodes: 60,
  zones: 6,
  churnPerMinute: 0.6,
  durationMs: 15_000,
  seed: 7,
  observers: 2,
};
const terminal = terminalFor({ isTty: false, columns: 100, env: {}, noColor: true });

/** What the machine's speed has no part in. */
function counts(report: SimulationReport): unknown {
  const { input, fleet, observers, phases, converged, complete } = report;
  return {
    ...{ input, converged, complete, keys: fleet.keys, providers: fleet.providers },
    observers: observers.map(({ node, zone, routes, modes, entries, coldStart }) => ({
      ...{ node, zone, routes, modes, entries },
      listed: coldStart.listedBytes,
    })),
    phases: phases.map(({ name, events, perWatcher, differences, notFollowed }) => ({
      ...{ name, events, perWatcher, differences, notFollowed },
    })),
  };
}

const first = simulate(small);

t.test('a fleet converges, and agents are told of changes and of nothing else', async (t) => {
  const report = await first;
  t.equal(report.converged, true);
  t.equal(report.complete, true);
  t.same(simulationSchema.parse(JSON.parse(JSON.stringify(report))), report, 'its schema holds');
  t.same(
    report.observers.map(({ node, zone, routes }) => [node, zone, routes]),
    [
      ['n000000', 'aws-1a', 61],
      ['n000001', 'onprem-1a', 61],
    ],
    'a route a peer, one for the own block and one for the pool',
  );
  for (const { modes } of report.observers)
    t.equal(modes.native + modes.ipip + modes.vxlan, 59, 'every peer is reached');
  t.ok(report.observers[0]!.modes.ipip > 0 && report.observers[0]!.modes.native > 0);
  const phase = (name: string) => report.phases.find((each) => each.name === name)!;
  t.ok(phase('churn').events > 3);
  t.equal(phase('churn').perWatcher.messagesPerEvent, 3, 'block, record, sign of life');
  t.equal(phase('address changes').perWatcher.messagesPerEvent, 1);
  t.equal(phase('rule change').perWatcher.messages, 1);
  t.equal(phase('zone loss').perWatcher.messages, phase('zone return').perWatcher.messages);
  t.ok(phase('zone loss').quietAfterSeconds >= 150, 'withdrawn after lease and grace');
  for (const { name, perWatcher, checked, convergence } of report.phases) {
    t.equal(perWatcher.unexplained, 0, `${name}: no renewal is told`);
    t.equal(perWatcher.status, 0, `${name}: no status is told`);
    t.equal(checked, true);
    t.ok(convergence.virtualMs!.p50 >= convergence.workMs!.p50, 'work takes its time');
  }
});

t.test('the same seed is the same fleet, another one another', async (t) => {
  const [one, again, other] = [
    await first,
    await simulate(small),
    await simulate({ ...small, seed: 8 }),
  ];
  t.same(counts(again), counts(one));
  t.notSame(counts(other), counts(one));
  t.equal(other.converged, true);
});

/** Says that it has written a route that it has not. */
function forgetful(kernel: Kernel): Kernel {
  let forgotten: string | undefined;
  return {
    ...kernel,
    apply: async (ops) => {
      const lost = ops.find(({ object }) => object.type === 'route' && object.prefix.length === 26);
      forgotten ??= lost?.object.type === 'route' ? lost.object.prefix.text : undefined;
      const isForgotten = ({ object }: (typeof ops)[number]): boolean =>
        object.type === 'route' && object.prefix.text === forgotten;
      const outcomes = await kernel.apply(ops.filter((op) => !isForgotten(op)));
      return [...outcomes, ...ops.filter(isForgotten).map((op) => ({ op, failure: undefined }))];
    },
  };
}

t.test('an observer whose kernel is not as decided is named', async (t) => {
  const bad = 'n000001';
  const report = await simulate({
    ...small,
    between: (kernel, node) => (node === bad ? forgetful(kernel) : kernel),
  });
  t.equal(report.converged, false);
  for (const { name, differences } of report.phases) {
    t.same(
      differences.map(({ node, missing, unwanted }) => ({ node, missing, unwanted })),
      [{ node: bad, missing: 1, unwanted: 0 }],
      name,
    );
    t.match(differences[0]!.lines[0], /^missing: .*10\.\d+\.\d+\.\d+\/26/);
  }
  t.match(renderSimulation(report, terminal), /✗ churn: n000001 lacks 1 objects/);
});

t.test('interrupted, it tells what it knows', async (t) => {
  const interrupted = new AbortController();
  const report = await simulate({
    ...small,
    signal: interrupted.signal,
    onProgress: ({ doing }) => {
      if (doing === 'zone loss') interrupted.abort();
    },
  });
  t.equal(report.complete, false);
  t.same(
    report.phases.map(({ name, checked }) => [name, checked]),
    [
      ['churn', true],
      ['address changes', true],
      ['zone loss', false],
    ],
  );
  t.match(renderSimulation(report, terminal), /! interrupted/);
});

t.test('the fleet has places for all, and its configuration is good', (t) => {
  for (const [nodes, zones] of [
    [60, 6],
    [10_000, 50],
    [100_000, 50],
    [100_000, 200],
  ] as const) {
    const layout = fleetLayout({ nodes, zones });
    const read = parseClusterFile({
      text: fleetConfig(layout, { rules: 'wanted' }),
      file: 'fleet',
      members: 'registering',
    });
    t.same(read.ok ? read.warnings : read.problems, [], `${nodes} nodes in ${zones} zones`);
    t.equal(new Set(layout.zones.map(({ name }) => name)).size, zones, 'every name once');
    t.ok(layout.zones.reduce((sum, { places }) => sum + places, 0) > nodes);
    const subnets = layout.zones.flatMap((zone) => zone.subnets.map(parsePrefix));
    const ranges = layout.zones.map(({ blocks }) => parsePrefix(blocks));
    for (const list of [subnets, ranges])
      t.notOk(
        list.some((one, at) => at > 0 && prefixesOverlap(list[at - 1]!, one)),
        'no overlap',
      );
    for (const [at, zone] of layout.zones.entries())
      for (const place of [0, zone.places - 1]) {
        const address = parseAddress(zone.address(place).split('/')[0]!);
        if (!zone.subnets.some((subnet) => prefixContains(parsePrefix(subnet), address)))
          t.fail(`${zone.name} has no ${address.text}`);
        if (!prefixesOverlap(ranges[at]!, parsePrefix(zone.block(place))))
          t.fail(`${zone.name} has no block ${zone.block(place)}`);
      }
  }
  t.throws(() => fleetLayout({ nodes: 150_000, zones: 300 }), { message: /do not fit/ });
  t.end();
});

/** As if everything had taken this long. */
function scaled(report: SimulationReport, nodes: number, eventMs: number): SimulationReport {
  return {
    ...report,
    input: { ...report.input, nodes },
    phases: report.phases.map((phase) => ({ ...phase, workMsPerEvent: eventMs })),
  };
}

t.test('growth is an exponent between sizes, and bends where it is above a half', async (t) => {
  const report = await first;
  const asked: [number, number][] = [];
  const costs = new Map([
    [100, 2],
    [1000, 2],
    [10_000, 20],
  ]);
  const growth = await grow({
    sizes: [1000, 100, 10_000],
    churnPerMinute: 0.01,
    run: (nodes, churn) => {
      asked.push([nodes, churn]);
      return Promise.resolve(scaled(report, nodes, costs.get(nodes)!));
    },
  });
  t.same(asked, [
    [100, 1],
    [1000, 0.1],
    [10_000, 0.01],
  ]);
  t.same(growthSchema.parse(JSON.parse(JSON.stringify(growth))), growth);
  t.same(
    growth.exponents.map(({ from, to, of }) => [from, to, of.eventMs]),
    [
      [100, 1000, 0],
      [1000, 10_000, 1],
    ],
  );
  t.same(growth.bend, { nodes: 10_000, exponent: 1 });
  const text = renderGrowth(growth, terminal);
  t.match(text, /bends at 10,000 nodes: its exponent there is 1\./);
  const flat = growthReport([scaled(report, 100, 2), scaled(report, 1000, 6.3)], {
    complete: true,
  });
  t.equal(flat.exponents[0]!.of.eventMs, 0.498);
  t.equal(flat.bend, null);
  t.match(renderGrowth(flat, terminal), /does not bend/);
});

/** What a strict reader of XML says against it. */
function whatIsMalformed(xml: string): string {
  const read =
    'import sys, xml.parsers.expat as e; e.ParserCreate().Parse(sys.stdin.buffer.read(), True)';
  return spawnSync('/usr/bin/python3', ['-c', read], { input: xml, encoding: 'utf8' }).stderr;
}

t.test('the picture of growth stands by itself, in light and in dark', async (t) => {
  const report = await first;
  const sizes = [100, 1000, 10_000].map((nodes) => scaled(report, nodes, nodes / 50));
  const svg = growthSvg(growthReport(sizes, { complete: true }));
  t.equal(whatIsMalformed(svg), '');
  const elsewhere = svg.replace('xmlns="http://www.w3.org/2000/svg"', '');
  t.notMatch(elsewhere, /https?:|href|url\(|@import|@font-face|<script|<image|<foreignObject/);
  t.match(svg, /@media \(prefers-color-scheme: dark\)/);
  for (const label of ['nodes', 'milliseconds', 'MiB', '100', '1,000', '10,000', 'one event'])
    t.match(svg, new RegExp(`>${label}</text>`), label);
  t.match(svg, /bends at 1,000 nodes \(exponent 1\)/);
  t.match(svg, /<title>one event: 200 milliseconds at 10,000 nodes<\/title>/);
  const empty = growthSvg(growthReport([], { complete: false }));
  t.equal(whatIsMalformed(empty), '');
});

t.test('virtual time passes by timers and by work', async (t) => {
  const clock = new VirtualClock();
  const rung: string[] = [];
  clock.setTimer(() => rung.push('late'), 5000);
  clock.setTimer(() => rung.push('never'), 10).cancel();
  clock.setTimer(() => rung.push('early'), 1000);
  clock.fire();
  t.equal(clock.now(), 1000);
  const worked = await clock.work(() => {
    const until = process.cpuUsage().user + 5000;
    while (process.cpuUsage().user < until);
    return Promise.resolve();
  });
  t.ok(worked >= 5);
  t.ok(clock.now() >= 1005, 'by work');
  clock.fire();
  t.same(rung, ['early', 'late']);
  t.equal(clock.nextMs, undefined);
});

t.test('numbers: quantiles, chance, options', (t) => {
  t.same(quantiles([]), undefined);
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  t.same(quantiles(hundred), { count: 100, p50: 50, p90: 90, p99: 99, max: 100 });
  const random = randomFrom(1);
  const gaps = Array.from({ length: 4000 }, () => random.untilNextMs(0.01));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  t.ok(mean > 90 && mean < 110, `events at a rate of 0.01 are 100 ms apart: ${mean}`);
  t.equal(parseChurn('1%/min'), 0.01);
  t.equal(parseChurn('0.5%/s'), 0.3);
  for (const text of ['1', '200%/min', '1%/day', '-1%']) t.throws(() => parseChurn(text), text);
  t.same(parseSizes('1000,100,1000'), [100, 1000]);
  t.throws(() => parseSizes('100'));
  t.throws(() => parseNodes('19'));
  t.same([100, 10_000, 50_000, 150_000].map(defaultObservers), [8, 8, 4, 1]);
  t.end();
});

t.test('the published schema is that of the report', (t) => {
  const path = fromRoot(simulationJsonSchemaPath);
  if (process.env['SELVAGE_UPDATE'] === '1') writeFileSync(path, simulationJsonSchemaText());
  t.same(
    JSON.parse(readFileSync(path, 'utf8')),
    JSON.parse(simulationJsonSchemaText()),
    `${simulationJsonSchemaPath}: SELVAGE_UPDATE=1, then format`,
  );
  t.end();
});
