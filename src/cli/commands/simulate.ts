/** `simulate`: a synthetic fleet of thousands of nodes in one process, and what it costs. */
import { Command, Option } from '@commander-js/extra-typings';
import { parseDuration } from '../duration.js';
import { outputOption } from '../options.js';
import {
  parseChurn,
  parseNodes,
  parseObservers,
  parseSeed,
  parseSizes,
  parseZones,
} from '../simulate-options.js';

export function simulateCommand() {
  return new Command('simulate')
    .summary('a synthetic fleet of thousands of nodes, and what it costs one agent')
    .description(
      'Registers a synthetic fleet in a store in memory and runs some of its nodes as whole agents ' +
        'over kernels in memory, through churn, changes of addresses, the loss of a zone, its return, and a change of the ' +
        "rules. After each, every agent's kernel is compared with that of one which starts from " +
        'nothing; a difference is exit code 1. No privilege is needed and nothing of this machine is touched.',
    )
    .addOption(
      new Option('--nodes <count>', 'nodes of the fleet').argParser(parseNodes).default(1000),
    )
    .addOption(
      new Option('--zones <count>', 'zones, over several providers')
        .argParser(parseZones)
        .default(50),
    )
    .addOption(
      new Option('--churn <rate>', 'nodes that come and leave')
        .argParser(parseChurn)
        .default(0.01, '1%/min'),
    )
    .addOption(
      new Option('--duration <time>', 'virtual time of the churn')
        .argParser(parseDuration)
        .default(60_000, '60s'),
    )
    .addOption(
      new Option(
        '--observers <count>',
        'nodes that are whole agents; fewer need less memory',
      ).argParser(parseObservers),
    )
    .addOption(
      new Option('--seed <number>', 'another one, another fleet').argParser(parseSeed).default(1),
    )
    .addOption(
      new Option('--growth <sizes>', 'simulate fleets of these sizes and compare their costs')
        .argParser(parseSizes)
        .conflicts('nodes'),
    )
    .option('--svg <file>', 'with --growth: draw the costs into this file')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage simulate --nodes 10000 --zones 50 --churn 1%/min
  selvage simulate --nodes 2000 --observers 3 -o json | jq '.phases[] | {name, convergence}'
  selvage simulate --growth 100,1000,10000,100000 --svg growth.svg`,
    )
    .action(async (options) => {
      const [{ printAnswer, remark }, { renderSimulation }, runs, { exitCodes }] =
        await Promise.all([
          import('../output.js'),
          import('../render/simulate.js'),
          import('../simulate-run.js'),
          import('../exit-codes.js'),
        ]);
      const { nodes, zones, seed, growth, svg, output } = options;
      const { churn: churnPerMinute, duration: durationMs } = options;
      const interrupted = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const)
        process.on(signal, () => interrupted.abort());
      const optionsFor = (of: { readonly nodes: number; readonly churnPerMinute: number }) => ({
        ...of,
        ...{ zones, durationMs, seed, signal: interrupted.signal },
        observers: options.observers ?? runs.defaultObservers(of.nodes),
      });
      if (growth === undefined) {
        if (svg !== undefined) {
          const { usageFailure } = await import('../failure.js');
          throw usageFailure('--svg draws growth: give --growth with some sizes as well');
        }
        const report = await runs.simulateHere(optionsFor({ nodes, churnPerMinute }));
        await printAnswer(report, { output, render: renderSimulation });
        process.exitCode = report.converged && report.complete ? exitCodes.ok : exitCodes.found;
        return;
      }
      const [{ grow }, { renderGrowth }] = await Promise.all([
        import('../../simulate/growth.js'),
        import('../render/simulate-growth.js'),
      ]);
      const report = await grow({
        sizes: growth,
        churnPerMinute,
        signal: interrupted.signal,
        run: (size, churn) =>
          runs.simulateApart(optionsFor({ nodes: size, churnPerMinute: churn })),
      });
      if (svg !== undefined) {
        const [{ writeFile }, { growthSvg }] = await Promise.all([
          import('node:fs/promises'),
          import('../../simulate/growth-svg.js'),
        ]);
        await writeFile(svg, growthSvg(report)).catch((error: unknown) => {
          throw runs.writeFailure(svg, error);
        });
        remark(`drawn: ${svg}`);
      }
      await printAnswer(report, { output, render: renderGrowth });
      process.exitCode = report.converged && report.complete ? exitCodes.ok : exitCodes.found;
    });
}
