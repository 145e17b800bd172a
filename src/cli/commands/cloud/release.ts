/** `cloud release`: takes back what was made for this node at its provider. */
import { Command } from '@commander-js/extra-typings';
import { configOption, nodeOption, outputOption } from '../../options.js';

export function releaseCommand() {
  return new Command('release')
    .summary('take back what was made for this node at its provider')
    .description(
      "Removes the routes and tags that agents made for this node at its provider's API, and " +
        'switches back on what they switched off. For a node that leaves; stop its agent first. ' +
        "Nothing of anybody else's is touched.",
    )
    .addOption(configOption())
    .addOption(nodeOption())
    .option('--dry-run', 'show what would go, and change nothing', false)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage cloud release --dry-run
  sudo systemctl stop selvage-agent && sudo selvage cloud release && sudo selvage down

Exit code 1 means: a part of it could not be taken back.`,
    )
    .action(async (options, command) => {
      const [
        { readCluster, requireNode },
        { releaseNode },
        { printAnswer },
        { renderRelease },
        { exitCodes },
        { unableFailure },
      ] = await Promise.all([
        import('../../cluster-file.js'),
        import('../../../cloud/release.js'),
        import('../../output.js'),
        import('../../render/cloud.js'),
        import('../../exit-codes.js'),
        import('../../failure.js'),
      ]);
      const cluster = await readCluster(options.config);
      const node = requireNode(cluster, {
        text: options.node,
        option: '--node',
        isDefault: command.getOptionValueSource('node') === 'default',
      }).name;
      const report = await releaseNode({ cluster, node, dryRun: options.dryRun }).catch(
        (error: unknown) => {
          throw unableFailure(
            `cannot ask the provider of ${node}: ${error instanceof Error ? error.message : String(error)}`,
          );
        },
      );
      await printAnswer(report, { output: options.output, render: renderRelease });
      process.exitCode = report.failed.length === 0 ? exitCodes.ok : exitCodes.found;
    });
}
