/** `graph`: the zones of a cluster and how packets go between them, as a picture. */
import { Argument, Command, Option } from '@commander-js/extra-typings';
import { defaultConfigPath } from '../../agent/paths.js';
import { whatIfHelp, whatIfOption } from '../options.js';

export function graphCommand() {
  return new Command('graph')
    .summary('the zones and how packets go between them, as a picture')
    .description(
      'Draws the zones of a cluster file and how packets go between them, with the largest packet: ' +
        'as a self-contained SVG, for Graphviz, or for Mermaid. Many zones become a matrix (SVG), or ' +
        'are drawn by provider and region (Graphviz, Mermaid).',
    )
    .addArgument(new Argument('[file]', 'the cluster file').default(defaultConfigPath))
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
    )
    .action(async (file, options) => {
      const [{ readCluster }, { matrixReport }, { drawGraph }, { print }] = await Promise.all([
        import('../cluster-file.js'),
        import('../../verify/matrix-report.js'),
        import('../../verify/graph/draw.js'),
        import('../output.js'),
      ]);
      const { family, format, whatIf } = options;
      const cluster = await readCluster(file, { whatIf });
      const report = matrixReport(cluster, {
        basis: { file, ...(whatIf.length > 0 ? { whatIf } : {}) },
        families: family === undefined ? [4, 6] : family === '4' ? [4] : [6],
      });
      print(drawGraph(report, format));
    });
}
