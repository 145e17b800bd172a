/** `version`: which selvage this is, and what it runs on. */
import { release } from 'node:os';
import { Command } from '@commander-js/extra-typings';
import { outputOption } from '../options.js';

export function versionCommand() {
  return new Command('version')
    .summary('print the version, and what it runs on')
    .description('Prints the version of selvage, of Node and of the kernel.')
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  selvage version\n  selvage version -o json')
    .action(async (options) => {
      const [{ printAnswer }, { packageInfo }] = await Promise.all([
        import('../output.js'),
        import('../package-info.js'),
      ]);
      const report = {
        schema: 'selvage.version/1',
        version: packageInfo().version,
        node: process.version,
        platform: `${process.platform}-${process.arch}`,
        kernel: release(),
      } as const;
      await printAnswer(report, {
        output: options.output,
        render: ({ version, node, platform, kernel }) =>
          `selvage ${version} (node ${node}, ${platform}, kernel ${kernel})`,
      });
    });
}
