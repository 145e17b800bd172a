/** `node`: machines become nodes of a fleet, and cease to be. */
import { Command } from '@commander-js/extra-typings';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { joinCommand } from './node/join.js';
import { leaveCommand } from './node/leave.js';
import { listCommand } from './node/list.js';

export function nodeCommand() {
  const node = new Command('node')
    .summary('nodes of a fleet join, leave, and are listed')
    .description(
      'The nodes of a fleet, whose configuration and register are in a store such as etcd.',
    )
    .addHelpText(
      'after',
      `
Examples:
  selvage node join --store etcd://10.0.0.1:2379/prod --store-ca ca.pem
  selvage node list
  selvage node leave --name web-7`,
    );
  const commands: CommandUnknownOpts[] = [joinCommand(), leaveCommand(), listCommand()];
  for (const command of commands) node.addCommand(command);
  return node;
}
