/** `lab up`: builds a lab and leaves it standing. */
import { Command } from '@commander-js/extra-typings';
import { blackHoleOption, buildLab, defaultLab, labOption, labStoreOption } from './support.js';

export function upCommand() {
  return new Command('up')
    .summary('build a lab and leave it standing')
    .description(
      'Builds the lab of a cluster file, starts every agent, and waits until all are ready.',
    )
    .argument('<file>', 'the cluster file')
    .addOption(labOption())
    .option('--replace', 'remove a lab of that name first', false)
    .addOption(blackHoleOption())
    .addOption(labStoreOption())
    .addHelpText('after', '\nExamples:\n  sudo selvage lab up cluster.yaml --replace')
    .action(async (file, options) => {
      const lab = await buildLab({ file, ...options });
      const { print } = await import('../../output.js');
      const named = lab.name === defaultLab ? '' : ` --lab ${lab.name}`;
      print(
        `lab "${lab.name}" stands: ${lab.plan.nodes.length} nodes in ${lab.plan.zones.length} zones; try "selvage lab run${named}"`,
      );
      if (options.store === 'etcd') {
        const { operatorFiles } = await import('../../../lab/store/enrol.js');
        const [node] = lab.plan.nodes;
        print(
          `its store: selvage lab exec${named} ${node!.name} -- selvage node list --store-file ${operatorFiles(lab.paths.store).access}`,
        );
      }
    });
}
