/** `snapshot`: everything that the answers of this node rest on, in one file. */
import { dirname } from 'node:path';
import { Command, Option } from '@commander-js/extra-typings';
import { configOption, nodeOption, socketOption } from '../options.js';
import { withStoreAccess } from '../store-options.js';

export function snapshotCommand() {
  const command = new Command('snapshot')
    .summary('all that explanations rest on, in one file, for looking at elsewhere')
    .description(
      'Writes one file with everything that the answers of this node rest on at this moment: the ' +
        'cluster, kernel tables, packet filters and counters, what the agent wants, has and did. ' +
        'With it "route-explain --snapshot" answers elsewhere as it would have here. Keys, ' +
        'passwords, tokens and comments of the cluster file are left out: only what is named on a ' +
        'list goes in. Addresses and names of nodes are in it. When no agent answers, this kernel ' +
        'is read directly.',
    )
    .addOption(
      new Option('-o, --output <file>', 'where to write it; - for standard output').default(
        undefined,
        'selvage-NODE-TIME.json.gz',
      ),
    )
    .addOption(configOption())
    .addOption(nodeOption())
    .addOption(socketOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage snapshot -o case-17.json.gz
  selvage route-explain 10.64.3.7 --snapshot case-17.json.gz
  selvage status --snapshot case-17.json.gz
  zcat case-17.json.gz | jq .filters.dropped

Exit code 1 means: the cluster file is not valid, and no agent has an older one.`,
    );
  return withStoreAccess(command).action(async (options, self) => {
    const [{ bundleAnswer }, { writeBundle }] = await Promise.all([
      import('../snapshot-source.js'),
      import('../snapshot-source.js'),
    ]);
    const plain = await bundleAnswer({
      config: options.config,
      store: options,
      node: options.node,
      nodeIsDefault: self.getOptionValueSource('node') === 'default',
      socket: options.socket,
      runtimeDir: dirname(options.socket),
    });
    await writeBundle(plain, options.output);
  });
}
