/** `config get`: the text of a version. */
import { Command } from '@commander-js/extra-typings';
import { versionNumberOption } from '../../fleet-config/options.js';
import { outputOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function getCommand() {
  const command = new Command('get')
    .summary('print the configuration')
    .description(
      'Prints the text of the configuration that is in force, or of another version; with -o json ' +
        'all that the store holds of it.',
    )
    .addOption(versionNumberOption('--version <number>', 'which version; default: the last'))
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage config get > cluster.yaml
  selvage config get --version 41 -o json | jq -r .value.by`,
    );
  return withStoreOptions(command).action(async (options) => {
    const { getConfig } = await import('../../fleet-config/get.js');
    await getConfig(options);
  });
}
