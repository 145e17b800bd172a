/** `lab run`: real packets between every pair of nodes, and the matrix of what became of them. */
import { Command, Option } from '@commander-js/extra-typings';
import { outputOption } from '../../options.js';
import {
  blackHoleOption,
  buildLab,
  labOption,
  labStoreOption,
  standingLab,
  withProgress,
} from './support.js';

export function runCommand() {
  return new Command('run')
    .summary('send packets between every pair of nodes and print the matrix')
    .description(
      'Sends packets between the workloads of every ordered pair of nodes, captures them on the ' +
        'underlay, and prints the mode decided, the mode seen, MTU and loss. With a file it builds ' +
        'that lab first and removes it afterwards; without one it uses the lab that stands. A lab of that ' +
        'name that stands is not built over, unless with --replace.',
    )
    .argument('[file]', 'the cluster file to build; default: the lab that stands')
    .addOption(labOption())
    .option('--replace', 'with a file: remove a lab of that name first', false)
    .option('--keep', 'leave the lab standing that was built for this run', false)
    .addOption(blackHoleOption())
    .addOption(labStoreOption())
    .addOption(new Option('--from <node>', 'only pairs with this sender'))
    .addOption(new Option('--to <node>', 'only pairs with this receiver'))
    .option('--lines', 'one pair a line instead of the grid', false)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage lab run cluster.yaml
  sudo selvage lab run cluster.yaml --store etcd
  sudo selvage lab run --from rack-1 -o json | jq '.pairs[] | {to, decided, seen, mtu, lost}'

Exit code 1 means: something on the wire was not as decided.`,
    )
    .action(async (file, options) => {
      const { from, to } = options;
      const [{ labDown, labRun, matrixText }, { printAnswer }, { stdoutTerminal }, { exitCodes }] =
        await Promise.all([
          import('../../../lab/commands.js'),
          import('../../output.js'),
          import('../../terminal.js'),
          import('../../exit-codes.js'),
        ]);
      const lab =
        file === undefined
          ? await standingLab(options.lab, { members: [from, to] })
          : await buildLab({ ...options, file, members: [from, to] });
      try {
        const matrix = await withProgress((display) =>
          labRun(lab, {
            onProgress: display.onProgress,
            only: (pair) =>
              (from === undefined || pair.from.name === from) &&
              (to === undefined || pair.to.name === to),
          }),
        );
        await printAnswer(matrix, {
          output: options.output,
          render: (report) =>
            matrixText(report, {
              colour: stdoutTerminal().paint.isColorSupported,
              layout: options.lines ? 'lines' : 'table',
            }),
        });
        process.exitCode = matrix.ok ? exitCodes.ok : exitCodes.found;
      } finally {
        if (file !== undefined && !options.keep) await labDown(lab.name);
      }
    });
}
