/** `down`: removes everything of ours from this kernel, and nothing else. */
import { rmSync } from 'node:fs';
import { Command } from '@commander-js/extra-typings';
import { filesOf } from '../../agent/paths.js';
import { outputOption, runtimeDirOption, socketOption, stateDirOption } from '../options.js';

export function downCommand() {
  return new Command('down')
    .summary('remove everything of selvage from this kernel')
    .description(
      "Removes selvage's routes, devices, data planes and guard from this kernel, and sets the " +
        "host's settings back to what they were. Nothing else is touched. The agent must be stopped " +
        'first, as it would put everything back.',
    )
    .addOption(socketOption())
    .addOption(runtimeDirOption())
    .addOption(stateDirOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo systemctl stop selvage-agent && sudo selvage down`,
    )
    .action(async (options) => {
      const [{ askAgent }, { unableFailure }, { withRuntime }, { downOnce }] = await Promise.all([
        import('../ask-agent.js'),
        import('../failure.js'),
        import('../node-kernel.js'),
        import('../../agent/one-shot.js'),
      ]);
      const agent = await askAgent({ socket: options.socket, path: '/healthz' });
      if (agent.answered)
        throw unableFailure(
          `an agent answers at ${options.socket} and would put everything back: stop it first ("systemctl stop selvage-agent")`,
        );
      const [{ printAnswer }, { renderDown }, { exitCodes }] = await Promise.all([
        import('../output.js'),
        import('../render/changes.js'),
        import('../exit-codes.js'),
      ]);
      const report = await withRuntime({ ...options, command: 'down' }, downOnce);
      for (const file of filesOf(options)) rmSync(file, { force: true });
      await printAnswer(report, { output: options.output, render: renderDown });
      process.exitCode = report.failed.length === 0 ? exitCodes.ok : exitCodes.found;
    });
}
