/** `config history`: who changed what, and when. */
import { Command } from '@commander-js/extra-typings';
import { versionNumberOption } from '../../fleet-config/options.js';
import { outputOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function historyCommand() {
  const command = new Command('history')
    .summary('the versions of the configuration')
    .description(
      'The versions of the configuration, the last one first: when, who, how many lines came and ' +
        'went, and how far a change in phases is.',
    )
    .addOption(
      versionNumberOption('--limit <number>', 'how many, from the last one back').default(20, '20'),
    )
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage config history
  selvage config history --limit 100 -o json | jq '.versions[] | {number, by, message}'`,
    );
  return withStoreOptions(command).action(async (options) => {
    const { showHistory } = await import('../../fleet-config/history.js');
    await showHistory(options);
  });
}
