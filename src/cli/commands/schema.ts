/** `schema`: the JSON Schema of a cluster file, for editors. */
import { Command } from '@commander-js/extra-typings';

export function schemaCommand() {
  return new Command('schema')
    .summary('print the JSON Schema of a cluster file')
    .description('Prints the JSON Schema of a cluster file, made from what validates it.')
    .addHelpText(
      'after',
      `
Examples:
  selvage schema > cluster-v1.json
  # then, on the first line of a cluster file, for editors that speak YAML:
  # yaml-language-server: $schema=./cluster-v1.json`,
    )
    .action(async () => {
      const [{ clusterJsonSchemaText }, { print }] = await Promise.all([
        import('../../config/index.js'),
        import('../output.js'),
      ]);
      print(clusterJsonSchemaText());
    });
}
