/** `config rollback`: an earlier text once more. */
import { Argument, Command } from '@commander-js/extra-typings';
import {
  dryRunOption,
  forceChangeOption,
  messageOption,
  parseVersionNumber,
  writingHelp,
} from '../../fleet-config/options.js';
import { outputOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function rollbackCommand() {
  const command = new Command('rollback')
    .summary('go back to an earlier version')
    .description(
      'Writes the text of an earlier version as a new one, checked and shown as "config set" does ' +
        'it. What was written in between stays in the history.',
    )
    .addArgument(
      new Argument(
        '[version]',
        'which version; default: the last one that says anything else',
      ).argParser(parseVersionNumber),
    )
    .addOption(messageOption())
    .addOption(forceChangeOption())
    .addOption(dryRunOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage config rollback
  selvage config rollback 38 -m 'as before the move'

Exit code 1 means: that text has errors by now.
${writingHelp}`,
    );
  return withStoreOptions(command).action(async (version, options) => {
    const { rollbackConfig } = await import('../../fleet-config/rollback.js');
    await rollbackConfig(version, options);
  });
}
