/** `lab down`: removes a lab. */
import { Command } from '@commander-js/extra-typings';
import { defaultLab } from './support.js';

export function downCommand() {
  return new Command('down')
    .summary('remove a lab')
    .description('Removes a lab: its processes, its namespaces and its files.')
    .argument('[lab]', 'name of the lab', defaultLab)
    .addHelpText('after', '\nExamples:\n  sudo selvage lab down')
    .action(async (name) => {
      const [{ labDown }, { print }] = await Promise.all([
        import('../../../lab/commands.js'),
        import('../../output.js'),
      ]);
      const { lab, namespaces, processes } = await labDown(name);
      print(`lab "${lab}" removed: ${namespaces} namespaces, ${processes} processes`);
    });
}
