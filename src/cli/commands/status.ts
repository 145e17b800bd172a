/** `status`: what the agent of this node is doing, and how each peer is reached. */
import { Command } from '@commander-js/extra-typings';
import type { StatusReport } from '../../agent/status.js';
import { exitCodes } from '../exit-codes.js';
import { outputOption, snapshotOption, socketOption, watchOption } from '../options.js';

export function statusCommand() {
  return new Command('status')
    .summary('what the agent of this node is doing')
    .description(
      'What the agent of this node is doing: its configuration and store, its last pass, how many ' +
        'repairs it made, what the tunnels carried, and each peer with mode, MTU and state.',
    )
    .addOption(watchOption())
    .addOption(snapshotOption())
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage status
  selvage status --watch                  until ^C; --watch 0.5 looks twice a second
  selvage status --snapshot case-17.json.gz
  selvage status -o json | jq '.peers[] | select(.state != "ok")'

Exit code 1 means: not ready, a peer is not as it should be, or the file has problems; with --watch
it is that of the last look.`,
    )
    .action(async (options) => {
      const { snapshot, socket, output, watch } = options;
      const [{ printAnswer }, { renderStatus }] = await Promise.all([
        import('../output.js'),
        import('../render/status.js'),
      ]);
      const ask = () => (snapshot === undefined ? fromAgent(socket) : fromSnapshot(snapshot));
      if (watch !== undefined) {
        const { watchAnswers } = await import('../watch.js');
        const seconds = watch;
        return watchAnswers({ seconds, ask, output, render: renderStatus, exitCode });
      }
      const report = await ask();
      await printAnswer(report, { output, render: renderStatus });
      process.exitCode = exitCode(report);
    });
}

async function fromAgent(socket: string): Promise<StatusReport> {
  const { requireAgent } = await import('../ask-agent.js');
  return (await requireAgent({ socket, path: '/v1/status' })) as StatusReport;
}

async function fromSnapshot(file: string): Promise<StatusReport> {
  const [{ bundleOfFile }, { unableFailure }] = await Promise.all([
    import('../snapshot-source.js'),
    import('../failure.js'),
  ]);
  const { status } = await bundleOfFile(file);
  if (status !== null) return status;
  throw unableFailure(
    `no agent answered when ${file} was taken, so it has no status: "selvage plan --snapshot ${file}" tells what differed`,
  );
}

function exitCode(report: StatusReport): number {
  return isSound(report) ? exitCodes.ok : exitCodes.found;
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
