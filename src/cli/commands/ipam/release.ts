/** `ipam release`: a block that is nobody's goes back to the pool. */
import { Argument, Command, Option } from '@commander-js/extra-typings';
import { outputOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function releaseCommand() {
  const command = new Command('release')
    .summary('give a block back to the pool')
    .description(
      'Gives blocks back that a join or a leave left behind. Refused while the agent of the node is ' +
        'alive or its record claims the block: the next node that joins gets it.',
    )
    .addArgument(new Argument('[prefix]', 'the block'))
    .addOption(new Option('--node <node>', 'instead: all blocks of this node'))
    .addOption(new Option('--force', 'although somebody counts on it').default(false))
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage ipam release 10.64.3.0/24
  selvage ipam release --node web-7`,
    );
  return withStoreOptions(command).action(async (prefix, options) => {
    const { ipamRelease } = await import('../../fleet/ipam.js');
    await ipamRelease(prefix, options);
  });
}
