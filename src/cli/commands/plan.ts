/** `plan`: what would change in this kernel; nothing is written. */
import { Command } from '@commander-js/extra-typings';
import type { PlanReport } from '../../agent/plan-report.js';
import type { Way } from '../options.js';
import { configOption, nodeOption, outputOption, socketOption, wayToAnswer } from '../options.js';

export function planCommand() {
  return new Command('plan')
    .summary('what would change in this kernel')
    .description(
      'What would change in this kernel, as a diff; nothing is written. Asks the agent of this ' +
        'node; with none, or with --config, it compares the file with the kernel itself (as root).',
    )
    .addOption(configOption())
    .addOption(nodeOption())
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage plan                            does the kernel differ from what the agent wants?
  selvage plan --config new.yaml          what a new file would change here

Exit code 1 means: something would change, or somebody else holds what is ours.`,
    )
    .action(async (options, command) => {
      const source = (name: 'config' | 'node' | 'socket') => command.getOptionValueSource(name);
      const [{ printAnswer }, { renderPlan }, { exitCodes }] = await Promise.all([
        import('../output.js'),
        import('../render/changes.js'),
        import('../exit-codes.js'),
      ]);
      const report = await planAnswer({
        ...options,
        nodeIsDefault: source('node') === 'default',
        way: wayToAnswer(source),
      });
      await printAnswer(report, { output: options.output, render: renderPlan });
      const sound = report.changes.length + report.foreign.length + report.problems.length === 0;
      process.exitCode = sound ? exitCodes.ok : exitCodes.found;
    });
}

interface PlanQuestion {
  readonly config: string;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly socket: string;
  readonly way: Way;
}

async function planAnswer(question: PlanQuestion): Promise<PlanReport> {
  const asked = { socket: question.socket, path: '/v1/plan' };
  if (question.way !== 'file') {
    const { askAgent, requireAgent } = await import('../ask-agent.js');
    if (question.way === 'agent') return (await requireAgent(asked)) as PlanReport;
    const answer = await askAgent(asked);
    if (answer.answered) return answer.body as PlanReport;
  }
  const [{ readCluster, requireNode }, { withKernel }, { planOnce }] = await Promise.all([
    import('../cluster-file.js'),
    import('../node-kernel.js'),
    import('../../agent/one-shot.js'),
  ]);
  const cluster = await readCluster(question.config);
  const node = requireNode(cluster, {
    text: question.node,
    option: '--node',
    isDefault: question.nodeIsDefault,
  }).name;
  return withKernel((kernel) => planOnce({ node, cluster, kernel }));
}
