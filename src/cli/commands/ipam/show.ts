/** `ipam show`: pools, ranges, blocks, and by which prefixes a zone is reached. */
import { Command, Option } from '@commander-js/extra-typings';
import { outputOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function showCommand() {
  const command = new Command('show')
    .summary('pools, ranges and blocks')
    .description(
      'The ranges that blocks are taken from, with what is given and what is free; the blocks, ' +
        'whose they are and since when; and the few prefixes that lead to all of a zone.',
    )
    .addOption(new Option('--zone <zone>', 'only this zone'))
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage ipam show
  selvage ipam show --zone az-1 -o json | jq -r '.zones[].aggregates[]'`,
    );
  return withStoreOptions(command).action(async (options) => {
    const { ipamShow } = await import('../../fleet/ipam.js');
    await ipamShow(options);
  });
}
