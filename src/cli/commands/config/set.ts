/** `config set`: a file becomes the configuration of the fleet. */
import { Argument, Command } from '@commander-js/extra-typings';
import {
  dryRunOption,
  forceChangeOption,
  messageOption,
  versionNumberOption,
  writingHelp,
} from '../../fleet-config/options.js';
import { outputOption } from '../../options.js';
import { withStoreOptions } from '../../store-options.js';

export function setCommand() {
  const command = new Command('set')
    .summary('make a file the configuration of the fleet')
    .description(
      'Checks the file as every agent does, together with the nodes that are registered now, says ' +
        'which pairs of nodes go another way, and writes it as the next version. What would cut off ' +
        'nodes or pairs is refused without --force-change. Without a version yet, this makes the first.',
    )
    .addArgument(new Argument('<file>', 'the cluster file; - for standard input'))
    .addOption(messageOption())
    .addOption(
      versionNumberOption(
        '--if-version <number>',
        'only if this is still the last version (0: there is none); default: the last as it is read now',
      ),
    )
    .addOption(forceChangeOption())
    .addOption(dryRunOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage config set cluster.yaml -m 'rack-c goes native'
  selvage config get | sed s/ipip/vxlan/ | selvage config set - --dry-run
  selvage config set cluster.yaml --if-version 41

Exit code 1 means: the file has errors.
${writingHelp}`,
    );
  return withStoreOptions(command).action(async (file, options) => {
    const { setConfig } = await import('../../fleet-config/set.js');
    await setConfig(file, options);
  });
}
