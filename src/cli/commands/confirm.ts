/** `confirm`: a provisional change is kept. */
import { Command } from '@commander-js/extra-typings';
import { outputOption, socketOption } from '../options.js';

export function confirmCommand() {
  return new Command('confirm')
    .summary('keep a change that "apply --confirm" has made')
    .description(
      'Keeps the change that "selvage apply --confirm" has made: its file is written over the ' +
        'configured one, at once and whole. Refused if that was edited in the meantime.',
    )
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage apply new.yaml --confirm 60s && sudo selvage confirm`,
    )
    .action(async (options) => {
      const [{ requireAgent }, { printAnswer }, { renderChange }] = await Promise.all([
        import('../ask-agent.js'),
        import('../output.js'),
        import('../render/change.js'),
      ]);
      const report = await requireAgent({
        socket: options.socket,
        method: 'POST',
        path: '/v1/change/confirm',
      });
      await printAnswer(report as Parameters<typeof renderChange>[0], {
        output: options.output,
        render: (shown, terminal) => renderChange({ ...shown, blast: undefined }, terminal),
      });
    });
}
