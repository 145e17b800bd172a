/** `rollback`: a provisional change is taken back now. */
import { Command } from '@commander-js/extra-typings';
import { outputOption, runtimeDirOption, socketOption, stateDirOption } from '../options.js';

export function rollbackCommand() {
  return new Command('rollback')
    .summary('take back a change that "apply --confirm" has made')
    .description(
      'Takes back, at once, the change that "selvage apply --confirm" has made. Also where the ' +
        'process that watched over it is gone and no agent runs.',
    )
    .addOption(socketOption())
    .addOption(runtimeDirOption())
    .addOption(stateDirOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage rollback`,
    )
    .action(async (options) => {
      const [{ askAgent }, { printAnswer }, { renderChange }, { rollbackHere }] = await Promise.all(
        [
          import('../ask-agent.js'),
          import('../output.js'),
          import('../render/change.js'),
          import('../rollback-here.js'),
        ],
      );
      const answer = await askAgent({
        socket: options.socket,
        method: 'POST',
        path: '/v1/change/rollback',
        timeoutMs: 120_000,
      });
      if (!answer.answered) {
        const record = await rollbackHere(options);
        await printAnswer(record, {
          output: options.output,
          render: ({ file, startedAt }) => `${file}, applied ${startedAt}, was rolled back`,
        });
        return;
      }
      await printAnswer(answer.body as Parameters<typeof renderChange>[0], {
        output: options.output,
        render: (shown, terminal) => renderChange({ ...shown, blast: undefined }, terminal),
      });
    });
}
