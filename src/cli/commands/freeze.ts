/** `freeze`: the agent keeps its hands off the kernel. */
import { Command, Option } from '@commander-js/extra-typings';
import type { FreezeAnswer } from '../../agent/freeze-routes.js';
import { parseDuration } from '../duration.js';
import { outputOption, socketOption } from '../options.js';

export function freezeCommand() {
  return new Command('freeze')
    .summary('let the agent write nothing to this kernel for a while')
    .description(
      'Lets the agent of this node write nothing to the kernel, neither a repair nor a change, until ' +
        '"selvage thaw" or until the time is over. It goes on reading and answering, and tells what ' +
        'differs meanwhile in "status" and "route-explain". A restart of the agent does not end it.',
    )
    .addOption(
      new Option(
        '--for <time>',
        'thaw by itself after this time, e.g. 10m (at most 24h)',
      ).argParser(parseDuration),
    )
    .addOption(new Option('--reason <text>', 'why, for whoever finds it frozen'))
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage freeze --for 10m --reason 'looking for what drops the packets'
  sudo selvage freeze                     until "selvage thaw"`,
    )
    .action(async (options) => {
      const [{ requireAgent }, { printAnswer }, { renderFreeze }] = await Promise.all([
        import('../ask-agent.js'),
        import('../output.js'),
        import('../render/freeze.js'),
      ]);
      const answer = await requireAgent({
        socket: options.socket,
        method: 'POST',
        path: '/v1/freeze',
        query: { forMs: options.for?.toString(), reason: options.reason },
      });
      await printAnswer(answer as FreezeAnswer, { output: options.output, render: renderFreeze });
    });
}
