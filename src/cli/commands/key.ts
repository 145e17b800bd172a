/** `key`: the secret that the agents of a cluster share. */
import { Argument, Command } from '@commander-js/extra-typings';
import { defaultClusterKeyFile } from '../../agent/paths.js';

export function keyCommand() {
  return new Command('key')
    .summary('the secret that the agents of a cluster share')
    .description(
      "The cluster key: a file of mode 0600 with the same content on every node. By it agents know each other's probes; without it a node probes by itself and answers nobody.",
    )
    .addCommand(generateCommand())
    .addHelpText(
      'after',
      `
Examples:
  selvage key generate
  selvage key generate ./cluster.key && scp ./cluster.key root@rack-2:/etc/selvage/`,
    );
}

function generateCommand() {
  return new Command('generate')
    .summary('make a new random cluster key')
    .description(
      'Writes a new random key, readable by its owner alone. Copy the same file to every node by a way that nobody reads along, and restart the agents. A file that is there already is never replaced.',
    )
    .addArgument(new Argument('[file]', 'where to write it').default(defaultClusterKeyFile))
    .addHelpText(
      'after',
      `
Examples:
  selvage key generate
  selvage key generate ./cluster.key && scp ./cluster.key root@rack-2:/etc/selvage/`,
    )
    .action(async (file) => {
      const [{ generateClusterKey }, { print }] = await Promise.all([
        import('../../probe/key.js'),
        import('../output.js'),
      ]);
      generateClusterKey(file);
      print(`${file}: a new cluster key; copy it to every node and restart the agents`);
    });
}
