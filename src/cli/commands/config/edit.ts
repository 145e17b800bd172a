/** `config edit`: the configuration in an editor. */
import { Command } from '@commander-js/extra-typings';
import { forceChangeOption, messageOption, writingHelp } from '../../fleet-config/options.js';
import { outputOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function editCommand() {
  const command = new Command('edit')
    .summary('edit the configuration of the fleet')
    .description(
      'Opens the configuration in $VISUAL or $EDITOR and writes what was saved as the next version, ' +
        'as "config set" does. A text with errors is opened again with the errors above it; unchanged ' +
        'it ends the command. A text that could not be written is kept in a file, and its name is told.',
    )
    .addOption(messageOption())
    .addOption(forceChangeOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage config edit -m 'rack-c goes native'
  EDITOR='code --wait' selvage config edit

Exit code 1 means: the text has errors.
${writingHelp}`,
    );
  return withStoreOptions(command).action(async (options) => {
    const { editConfig } = await import('../../fleet-config/edit.js');
    await editConfig(options);
  });
}
