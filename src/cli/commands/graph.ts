/** `graph`: the zones of a cluster and how packets go between them, as a picture. */
import { Argument, Command, Option } from '@commander-js/extra-typings';
import { configOption, oneFile, whatIfHelp, whatIfOption } from '../options.js';
import { withStoreAccess } from '../store-options.js';

export function graphCommand() {
  const command = new Command('graph')
    .summary('the zones and how packets go between them, as a picture')
    .description(
      'Draws the zones of a cluster file and how packets go between them, with the largest packet: ' +
        'as a self-contained SVG, for Graphviz, or for Mermaid. Many zones become a matrix (SVG), or ' +
        'are drawn by provider and region (Graphviz, Mermaid).',
    )
    .addArgument(new Argument('[file]', 'the cluster file, or etcd://…/CLUSTER'))
    .addOption(configOption())
    .addOption(
      new Option('--format <format>', 'what to draw for')
        .choices(['svg', 'dot', 'mermaid'] as const)
        .default('svg' as const),
    )
    .addOption(new Option('--family <family>', 'only this IP family').choices(['4', '6'] as const))
    .addOption(whatIfOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage graph cluster.yaml > cluster.svg
  selvage graph cluster.yaml --format dot | dot -Tpng > cluster.png
  selvage graph cluster.yaml --format mermaid --family 4
${whatIfHelp}`,
    );
  return withStoreAccess(command).action(async (argument, options, self) => {
    const [{ readCluster }, { matrixReport }, { drawGraph }, { print }] = await Promise.all([
      import('../cluster-file.js'),
      import('../../verify/matrix-report.js'),
      import('../../verify/graph/draw.js'),
      import('../output.js'),
    ]);
    const { family, format, whatIf, config } = options;
    const isTyped = self.getOptionValueSource('config') === 'cli';
    const file = oneFile(argument, { config, isTyped });
    const cluster = await readCluster(file, { whatIf, store: options });
    const report = matrixReport(cluster, {
      basis: { file, ...(whatIf.length > 0 ? { whatIf } : {}) },
      families: family === undefined ? [4, 6] : family === '4' ? [4] : [6],
    });
    print(drawGraph(report, format));
  });
}
