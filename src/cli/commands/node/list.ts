/** `node list`: who is in the fleet, and how they are. */
import { Command, Option } from '@commander-js/extra-typings';
import { nodeStates } from '../../../fleet/node-state.js';
import { outputOption, socketOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function listCommand() {
  const command = new Command('list')
    .summary('the nodes of the fleet and how they are')
    .description(
      'All nodes of the fleet: zone, address, blocks, since when, and how they are. stale: no agent ' +
        'of it is heard of; its paths stay for the grace of the configuration. withdrawn: that is over. ' +
        'The store keeps no time of that, so an agent of this machine is asked since when, and without ' +
        'one both are stale. refused: agents do not use its record, and why. listed: in the ' +
        'configuration, without an agent that is heard of.',
    )
    .addOption(new Option('--zone <zone>', 'only this zone'))
    .addOption(new Option('--state <state>', 'only these').choices(nodeStates))
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage node list
  selvage node list --state stale
  selvage node list -o json | jq -r '.nodes[] | select(.config < 42).name'`,
    );
  return withStoreOptions(command).action(async (options) => {
    const { nodeList } = await import('../../fleet/list.js');
    await nodeList(options);
  });
}
