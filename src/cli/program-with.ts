/** The command line around its commands: what all of them have, and what it says without any. */
import { Command } from '@commander-js/extra-typings';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { exitCodeHelp } from './exit-codes.js';
import { packageInfo } from './package-info.js';

export function programWith(commands: readonly CommandUnknownOpts[]): CommandUnknownOpts {
  const program = new Command('selvage')
    .enablePositionalOptions()
    .description(
      'The edge of a cluster network: native, IP-in-IP or VXLAN for each destination, and why.',
    )
    .version(packageInfo().version, '-V, --version', 'print the version')
    .addHelpText(
      'after',
      `
Examples:
  selvage validate cluster.yaml
  selvage route-explain 10.64.3.7 --from rack-1 --config cluster.yaml`,
    );
  for (const command of commands) program.addCommand(command);
  settle(program);
  return program;
}

/** What every command of the tree has: errors instead of exits, one option, the exit codes. */
function settle(command: CommandUnknownOpts): void {
  command
    .exitOverride()
    .configureHelp({ subcommandTerm: (child) => [child.name(), ...child.aliases()].join(', ') })
    .option('--no-color', 'no colours (also: NO_COLOR, or a pipe)')
    .showHelpAfterError(`("selvage ${pathOf(command)}--help" says more)`);
  if (command.commands.length === 0 || command.parent === null)
    command.addHelpText('after', exitCodeHelp);
  for (const child of command.commands) settle(child);
}

function pathOf(command: CommandUnknownOpts): string {
  return command.parent === null ? '' : `${pathOf(command.parent)}${command.name()} `;
}
