/** `thaw`: the agent writes again. */
import { Command } from '@commander-js/extra-typings';
import type { FreezeAnswer } from '../../agent/freeze-routes.js';
import { outputOption, socketOption } from '../options.js';

export function thawCommand() {
  return new Command('thaw')
    .summary('end a freeze: the agent repairs and changes again')
    .description(
      'Ends what "selvage freeze" began. What differs by then is put right at once, and shown.',
    )
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage plan && sudo selvage thaw       see first what it will do

Exit code 1 means: a part of what had to be done failed.`,
    )
    .action(async (options) => {
      const [{ requireAgent }, { printAnswer }, { renderFreeze }, { exitCodes }] =
        await Promise.all([
          import('../ask-agent.js'),
          import('../output.js'),
          import('../render/freeze.js'),
          import('../exit-codes.js'),
        ]);
      const answer = (await requireAgent({
        socket: options.socket,
        method: 'POST',
        path: '/v1/thaw',
      })) as FreezeAnswer;
      await printAnswer(answer, { output: options.output, render: renderFreeze });
      process.exitCode = answer.failed.length === 0 ? exitCodes.ok : exitCodes.found;
    });
}
