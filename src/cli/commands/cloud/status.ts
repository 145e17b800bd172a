/** `cloud status`: what this node's agent has read of its provider's API, and what waits for it. */
import { Command } from '@commander-js/extra-typings';
import type { StatusReport } from '../../../agent/status.js';
import { outputOption, socketOption } from '../../options.js';

export function statusCommand() {
  return new Command('status')
    .summary("what the agent has read of its provider's API, and what waits")
    .description(
      "The switches of this node's attachment as its agent read them last, what its firewall " +
        'blocks, what the agent changed, and what native routing still waits for.',
    )
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage cloud status
  selvage cloud status -o json | jq .waits

Exit code 1 means: something waits, or the API was not read.`,
    )
    .action(async (options) => {
      const [{ requireAgent }, { printAnswer }, { renderCloudStatus }, { exitCodes }, failure] =
        await Promise.all([
          import('../../ask-agent.js'),
          import('../../output.js'),
          import('../../render/cloud.js'),
          import('../../exit-codes.js'),
          import('../../failure.js'),
        ]);
      const { socket, output } = options;
      const { node, cloud } = (await requireAgent({ socket, path: '/v1/status' })) as StatusReport;
      if (cloud === undefined)
        throw failure.unableFailure(
          'the agent asks no API: the cluster file has no "cloud:" section; write "cloud: {}" to let it read, "cloud: { manage: true }" to let it change what native routing needs',
        );
      const report = { schema: 'selvage.cloud-status/1', node, ...cloud } as const;
      await printAnswer(report, { output, render: renderCloudStatus });
      const fine =
        cloud.failure === null &&
        cloud.problems.length === 0 &&
        Object.keys(cloud.waits).length === 0;
      process.exitCode = fine ? exitCodes.ok : exitCodes.found;
    });
}
