/** `status`: what the agent of this node is doing, and how each peer is reached. */
import { Command } from '@commander-js/extra-typings';
import type { StatusReport } from '../../agent/status.js';
import { outputOption, socketOption } from '../options.js';

export function statusCommand() {
  return new Command('status')
    .summary('what the agent of this node is doing')
    .description(
      'What the agent of this node is doing: its configuration, its last pass, how many repairs it ' +
        'made, and each peer with mode, MTU and state.',
    )
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage status
  selvage status -o json | jq '.peers[] | select(.state != "ok")'

Exit code 1 means: not ready, a peer is not as it should be, or the file has problems.`,
    )
    .action(async (options) => {
      const [{ requireAgent }, { printAnswer }, { renderStatus }, { exitCodes }] =
        await Promise.all([
          import('../ask-agent.js'),
          import('../output.js'),
          import('../render/status.js'),
          import('../exit-codes.js'),
        ]);
      const report = (await requireAgent({
        socket: options.socket,
        path: '/v1/status',
      })) as StatusReport;
      await printAnswer(report, { output: options.output, render: renderStatus });
      process.exitCode = isSound(report) ? exitCodes.ok : exitCodes.found;
    });
}

function isSound(report: StatusReport): boolean {
  return (
    report.ready &&
    (report.freeze?.drift.length ?? 0) === 0 &&
    report.problems.length === 0 &&
    report.config.problems.length === 0 &&
    report.peers.every((peer) => peer.state === 'ok')
  );
}
