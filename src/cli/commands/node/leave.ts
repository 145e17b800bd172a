/** `node leave`: a node's record, blocks and account go. */
import { Command, Option } from '@commander-js/extra-typings';
import { outputOption, socketOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';
import { nameOption, waitOption } from './options.js';

export function leaveCommand() {
  const command = new Command('leave')
    .summary('take a node out of the fleet')
    .description(
      "Removes a node's account, record and blocks from the store, and what its join wrote on this " +
        'machine if it is that node. Its agent has to be stopped before; the peers take their ' +
        'paths to it away at once. A leave that ended in the middle is finished by the next one.',
    )
    .addOption(nameOption('which node'))
    .addOption(new Option('--force', 'although its agent is alive').default(false))
    .addOption(waitOption())
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  systemctl disable --now selvage-agent; selvage down; selvage node leave --store-user root --store-password-file root.pw
  selvage node leave --name web-7 --force      for a machine that is gone`,
    );
  return withStoreOptions(command).action(async (options, self) => {
    const { nodeLeave } = await import('../../fleet/leave.js');
    const isDefault = self.getOptionValueSource('name') === 'default';
    await nodeLeave({ ...options, isThisMachine: isDefault });
  });
}
