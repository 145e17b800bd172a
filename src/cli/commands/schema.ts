/** `schema`: the JSON Schema of a cluster file, for editors, and of answers, for scripts. */
import { Argument, Command } from '@commander-js/extra-typings';

export function schemaCommand() {
  return new Command('schema')
    .summary('print the JSON Schema of a cluster file or of an answer')
    .description(
      'Prints the JSON Schema of a cluster file, made from what validates it, or of the JSON that ' +
        'route-explain or simulate answers.',
    )
    .addHelpText(
      'after',
      `
Examples:
  selvage schema > cluster-v1.json
  selvage schema route-explain > route-explain-1.json
  # then, on the first line of a cluster file, for editors that speak YAML:
  # yaml-language-server: $schema=./cluster-v1.json`,
    )
    .addArgument(
      new Argument('[of]', 'of a cluster file, or of what this command answers')
        .choices(['cluster', 'route-explain', 'simulate'] as const)
        .default('cluster' as const),
    )
    .action(async (of) => {
      const { print } = await import('../output.js');
      switch (of) {
        case 'cluster':
          return print((await import('../../config/index.js')).clusterJsonSchemaText());
        case 'route-explain':
          return print((await import('../../explain/report-schema.js')).explainJsonSchemaText());
        case 'simulate':
          return print((await import('../../simulate/report.js')).simulationJsonSchemaText());
      }
    });
}
