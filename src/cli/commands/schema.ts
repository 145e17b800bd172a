/** `schema`: the JSON Schema of a cluster file, for editors, and of an explanation, for scripts. */
import { Argument, Command } from '@commander-js/extra-typings';

export function schemaCommand() {
  return new Command('schema')
    .summary('print the JSON Schema of a cluster file or of an explanation')
    .description(
      'Prints the JSON Schema of a cluster file, made from what validates it, or of the JSON that ' +
        'route-explain answers.',
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
      new Argument('[of]', 'of a cluster file, or of what route-explain answers')
        .choices(['cluster', 'route-explain'])
        .default('cluster' as const),
    )
    .action(async (of) => {
      const [{ clusterJsonSchemaText }, { explainJsonSchemaText }, { print }] = await Promise.all([
        import('../../config/index.js'),
        import('../../explain/report-schema.js'),
        import('../output.js'),
      ]);
      print(of === 'cluster' ? clusterJsonSchemaText() : explainJsonSchemaText());
    });
}
