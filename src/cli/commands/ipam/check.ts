/** `ipam check`: overlaps, leaks, and claims of what is another's. */
import { Command } from '@commander-js/extra-typings';
import { outputOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function checkCommand() {
  const command = new Command('check')
    .summary('overlaps, leaks and false claims')
    .description(
      'Blocks that overlap, that lie outside of the pools, or that belong to nobody any more; ' +
        'records that claim what is not theirs; each with what to do about it.',
    )
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage ipam check
  selvage ipam check -o json | jq -r '.findings[] | select(.code == "block-without-node").subject'

Exit code 1 means: something was found.`,
    );
  return withStoreOptions(command).action(async (options) => {
    const { ipamCheck } = await import('../../fleet/ipam.js');
    await ipamCheck(options);
  });
}
