/** `lab matrix`: zone by zone, as decided and as the agents of a lab have probed it. */
import { Command } from '@commander-js/extra-typings';
import type { StatusReport } from '../../../agent/status.js';
import { outputOption } from '../../options.js';
import { labOption, standingLab } from './support.js';

export function matrixCommand() {
  return new Command('matrix')
    .summary('zone by zone, as decided and as the agents have probed it')
    .description('The zone matrix of a lab, with what the continuous probes of all its agents say.')
    .addOption(labOption())
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  sudo selvage lab matrix')
    .action(async (options) => {
      const [{ askAgent }, { healthOf }, { matrixReport }, { printAnswer }, { renderMatrix }] =
        await Promise.all([
          import('../../ask-agent.js'),
          import('../../../verify/health.js'),
          import('../../../verify/matrix-report.js'),
          import('../../output.js'),
          import('../../render/matrix.js'),
        ]);
      const lab = await standingLab(options.lab);
      const answers = await Promise.all(
        [...lab.files.values()].map(({ agentSocket: socket }) =>
          askAgent({ socket, path: '/v1/status', timeoutMs: 2_000 }),
        ),
      );
      const reports = answers.flatMap((answer) =>
        answer.answered ? [answer.body as StatusReport] : [],
      );
      const { cluster } = lab.plan;
      const report = matrixReport(cluster, {
        basis: { file: lab.manifest.configFile },
        health: healthOf(cluster, reports),
      });
      await printAnswer(report, { output: options.output, render: renderMatrix });
    });
}
