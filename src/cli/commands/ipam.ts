/** `ipam`: which block of the overlay's pools is whose. */
import { Command } from '@commander-js/extra-typings';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { checkCommand } from './ipam/check.js';
import { releaseCommand } from './ipam/release.js';
import { showCommand } from './ipam/show.js';

export function ipamCommand() {
  const ipam = new Command('ipam')
    .summary("which block of the overlay's pools is whose")
    .description(
      'Blocks of the overlay: nodes that join get them from the ranges below "overlay: blocks:" of ' +
        'the configuration and keep them until they leave.',
    )
    .addHelpText(
      'after',
      `
Examples:
  selvage ipam show --zone az-1
  selvage ipam check
  selvage ipam release 10.64.3.0/24`,
    );
  const commands: CommandUnknownOpts[] = [showCommand(), checkCommand(), releaseCommand()];
  for (const command of commands) ipam.addCommand(command);
  return ipam;
}
