/** `cloud`: what this machine's provider says, and what its API is asked to do. */
import { Command } from '@commander-js/extra-typings';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { detectCommand } from './cloud/detect.js';

export function cloudCommand() {
  const cloud = new Command('cloud')
    .summary("what this machine's cloud says of it")
    .description("What this machine's cloud says of it, by its metadata service.")
    .addHelpText(
      'after',
      `
Examples:
  selvage cloud detect                  which provider, and what it says of this machine
  selvage cloud detect -c cluster.yaml  and what the file leaves out or has otherwise`,
    );
  const commands: CommandUnknownOpts[] = [detectCommand()];
  for (const command of commands) cloud.addCommand(command);
  return cloud;
}
