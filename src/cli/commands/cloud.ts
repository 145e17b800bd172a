/** `cloud`: what this machine's provider says, and what its API is asked to do. */
import { Command } from '@commander-js/extra-typings';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { detectCommand } from './cloud/detect.js';
import { releaseCommand } from './cloud/release.js';
import { statusCommand } from './cloud/status.js';

export function cloudCommand() {
  const cloud = new Command('cloud')
    .summary("what this machine's cloud says of it, and what is done there")
    .description(
      "What this machine's cloud says of it by its metadata service, and what the agent reads and " +
        'changes by its API.',
    )
    .addHelpText(
      'after',
      `
Examples:
  selvage cloud detect                  which provider, and what it says of this machine
  selvage cloud detect -c cluster.yaml  and what the file leaves out or has otherwise
  selvage cloud status                  what the agent has read of its API, and what waits
  selvage cloud release --dry-run       what was made for this node there`,
    );
  const commands: CommandUnknownOpts[] = [detectCommand(), statusCommand(), releaseCommand()];
  for (const command of commands) cloud.addCommand(command);
  return cloud;
}
