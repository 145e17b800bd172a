/** `lab`: the cluster of a file out of network namespaces on this machine, with real packets. */
import { Command } from '@commander-js/extra-typings';
import type { CommandUnknownOpts } from '@commander-js/extra-typings';
import { downCommand } from './lab/down.js';
import { execCommand } from './lab/exec.js';
import { explainCommand } from './lab/explain.js';
import { faultCommand } from './lab/fault.js';
import { listCommand } from './lab/list.js';
import { matrixCommand } from './lab/matrix.js';
import { runCommand } from './lab/run.js';
import { setCommand } from './lab/set.js';
import { storeCommand } from './lab/store.js';
import { upCommand } from './lab/up.js';

export function labCommand() {
  const lab = new Command('lab')
    .enablePositionalOptions()
    .summary('try a cluster file on this machine, with real packets')
    .description(
      'Builds the cluster of a file out of network namespaces on this machine: the real agent on ' +
        'every node, and an underlay that drops what the real providers drop. Needs root.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage lab run cluster.yaml                 build, send packets, print the matrix, remove
  sudo selvage lab up cluster.yaml                  build, and leave it standing
  sudo selvage lab explain 10.64.3.7 --from rack-1
  sudo selvage lab exec rack-1 -- ip route
  sudo selvage lab down`,
    );
  const commands: CommandUnknownOpts[] = [
    upCommand(),
    runCommand(),
    downCommand(),
    execCommand(),
    explainCommand(),
    setCommand(),
    faultCommand(),
    storeCommand(),
    matrixCommand(),
    listCommand(),
  ];
  for (const command of commands) lab.addCommand(command);
  return lab;
}
