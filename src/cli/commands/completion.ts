/** `completion`: a script for the shell, made from the command tree itself. */
import { Argument, Command } from '@commander-js/extra-typings';
import { configOption } from '../options.js';

export const shells = ['bash', 'zsh', 'fish'] as const;

export function completionCommand() {
  const command = new Command('completion')
    .summary('print a completion script for a shell')
    .description(
      'Prints a completion script for a shell: commands, options, values, and the names of the ' +
        "cluster file's nodes.",
    )
    .addArgument(new Argument('<shell>', 'which shell').choices([...shells, 'nodes'] as const))
    .addOption(configOption().helpGroup('For "nodes", which the scripts call:'))
    .addHelpText(
      'after',
      `
Examples:
  eval "$(selvage completion bash)"                            # in ~/.bashrc
  selvage completion zsh > "\${fpath[1]}/_selvage"
  selvage completion fish > ~/.config/fish/completions/selvage.fish`,
    )
    .action(async (shell, options) => {
      const { print } = await import('../output.js');
      if (shell === 'nodes') {
        const { readCluster } = await import('../cluster-file.js');
        const cluster = await readCluster(options.config);
        print([...cluster.nodes.values()].map((node) => node.name).join('\n'));
        return;
      }
      const { commandWords } = await import('../completion/tree.js');
      let root = command.parent!;
      while (root.parent !== null) root = root.parent;
      const words = commandWords(root);
      switch (shell) {
        case 'bash':
          return print((await import('../completion/bash.js')).bashCompletion(words));
        case 'zsh':
          return print((await import('../completion/zsh.js')).zshCompletion(words));
        case 'fish':
          return print((await import('../completion/fish.js')).fishCompletion(words));
      }
    });
  return command;
}
