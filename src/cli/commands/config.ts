/** `config`: the configuration of a fleet, in its store. */
import { Command } from '@commander-js/extra-typings';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { diffCommand } from './config/diff.js';
import { editCommand } from './config/edit.js';
import { getCommand } from './config/get.js';
import { historyCommand } from './config/history.js';
import { rollbackCommand } from './config/rollback.js';
import { setCommand } from './config/set.js';

export function configCommand() {
  const config = new Command('config')
    .enablePositionalOptions()
    .summary("read and change a fleet's configuration in its store")
    .description(
      'The configuration of a fleet is a cluster file in its store: every agent follows it. Each ' +
        'change is a version of its own, checked before it is written, and of two writers who ' +
        'began with the same version one gets a conflict. The last hundred versions are kept.',
    )
    .addHelpText(
      'after',
      `
Examples:
  selvage config set cluster.yaml -m 'first'     also makes the first version
  selvage config edit                            in $VISUAL or $EDITOR
  selvage config history
  selvage config diff 41 42 --effect             what pairs of nodes it sends another way
  selvage config rollback -m 'rack-b lost its way'`,
    );
  const commands: CommandUnknownOpts[] = [
    getCommand(),
    setCommand(),
    editCommand(),
    historyCommand(),
    diffCommand(),
    rollbackCommand(),
  ];
  for (const command of commands) config.addCommand(command);
  return config;
}
