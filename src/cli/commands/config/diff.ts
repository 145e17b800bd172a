/** `config diff`: what differs between two versions. */
import { Argument, Command, Option } from '@commander-js/extra-typings';
import { parseVersionNumber } from '../../fleet-config/options.js';
import { outputOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function diffCommand() {
  const command = new Command('diff')
    .summary('what differs between two versions')
    .description(
      'The lines that differ between two versions of the configuration, and with --effect which ' +
        'pairs of the nodes that are registered now go another way by them, and why.',
    )
    .addArgument(
      new Argument('[old]', 'a version; default: the one before the last').argParser(
        parseVersionNumber,
      ),
    )
    .addArgument(
      new Argument('[new]', 'a version; default: the last').argParser(parseVersionNumber),
    )
    .addOption(new Option('--effect', 'say which pairs of nodes go another way').default(false))
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage config diff
  selvage config diff 38 --effect
  selvage config diff 38 41 -o json | jq -r .text

Exit code 1 means: something differs.`,
    );
  return withStoreOptions(command).action(async (old, next, options) => {
    const { diffConfig } = await import('../../fleet-config/diff.js');
    await diffConfig({ old, next }, options);
  });
}
