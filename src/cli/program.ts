/** The command tree. Only names and options are loaded here; the work is loaded when it is asked for. */
import { Command } from '@commander-js/extra-typings';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { agentCommand } from './commands/agent.js';
import { applyCommand } from './commands/apply.js';
import { confirmCommand } from './commands/confirm.js';
import { completionCommand } from './commands/completion.js';
import { diffCommand } from './commands/diff.js';
import { downCommand } from './commands/down.js';
import { freezeCommand } from './commands/freeze.js';
import { graphCommand } from './commands/graph.js';
import { keyCommand } from './commands/key.js';
import { labCommand } from './commands/lab.js';
import { matrixCommand } from './commands/matrix.js';
import { planCommand } from './commands/plan.js';
import { rollbackCommand } from './commands/rollback.js';
import { routeExplainCommand } from './commands/route-explain.js';
import { schemaCommand } from './commands/schema.js';
import { snapshotCommand } from './commands/snapshot.js';
import { statusCommand } from './commands/status.js';
import { thawCommand } from './commands/thaw.js';
import { validateCommand } from './commands/validate.js';
import { verifyCommand } from './commands/verify.js';
import { versionCommand } from './commands/version.js';
import { exitCodeHelp } from './exit-codes.js';
import { packageInfo } from './package-info.js';

export function buildProgram(): CommandUnknownOpts {
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
  const commands: CommandUnknownOpts[] = [
    routeExplainCommand(),
    validateCommand(),
    verifyCommand(),
    diffCommand(),
    matrixCommand(),
    graphCommand(),
    planCommand(),
    applyCommand(),
    confirmCommand(),
    rollbackCommand(),
    statusCommand(),
    freezeCommand(),
    thawCommand(),
    snapshotCommand(),
    downCommand(),
    agentCommand(),
    keyCommand(),
    labCommand(),
    schemaCommand(),
    completionCommand(),
    versionCommand(),
  ];
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
