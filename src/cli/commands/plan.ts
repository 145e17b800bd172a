/** `plan`: what would change in this kernel, and whom it would touch; nothing is written. */
import { Argument, Command } from '@commander-js/extra-typings';
import type { PlanReport } from '../../agent/plan-report.js';
import type { Way } from '../options.js';
import {
  configOption,
  managementOption,
  nodeOption,
  outputOption,
  socketOption,
  wayToAnswer,
} from '../options.js';

export function planCommand() {
  return new Command('plan')
    .summary('what would change in this kernel, and whom it would touch')
    .description(
      'What would change in this kernel, as a diff, and whom it would touch: peers whose mode or ' +
        'MTU changes, devices made anew, prefixes that come and go. Nothing is written. Asks the ' +
        'agent of this node; with none, or with --config, it compares the file with the kernel ' +
        'itself (as root). A plan that would cut the way to this node (the SSH session it is asked ' +
        'from, the default gateway, the name servers) is refused.',
    )
    .addArgument(new Argument('[file]', 'a new cluster file; default: the configured one'))
    .addOption(managementOption())
    .addOption(configOption())
    .addOption(nodeOption())
    .addOption(socketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage plan                            does the kernel differ from what the agent wants?
  selvage plan new.yaml                   what a new file would change here, and for whom
  selvage plan new.yaml -o json | jq '.blast.groups[] | {zone, from, to}'

Exit code 1 means: something would change, or somebody else holds what is ours.
Exit code 3 also means: it would cut the way to this node.`,
    )
    .action(async (file, options, command) => {
      const source = (name: 'config' | 'node' | 'socket') => command.getOptionValueSource(name);
      const [{ printAnswer }, { renderPlan }, { exitCodes }] = await Promise.all([
        import('../output.js'),
        import('../render/changes.js'),
        import('../exit-codes.js'),
      ]);
      const report = await planAnswer({
        ...options,
        file,
        nodeIsDefault: source('node') === 'default',
        way: wayToAnswer(source),
      });
      await printAnswer(report, { output: options.output, render: renderPlan });
      const sound = report.changes.length + report.foreign.length + report.problems.length === 0;
      const cut = (report.managementCuts ?? []).length > 0 && !options.allowManagementCut;
      process.exitCode = cut ? exitCodes.unable : sound ? exitCodes.ok : exitCodes.found;
    });
}

interface PlanQuestion {
  readonly file: string | undefined;
  readonly config: string;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly socket: string;
  readonly way: Way;
}

async function planAnswer(question: PlanQuestion): Promise<PlanReport> {
  const { file, way } = question;
  if (way === 'file' && file === undefined) return planHere(question, question.config);
  const { askAgent, requireAgent } = await import('../ask-agent.js');
  const asked =
    file === undefined
      ? { socket: question.socket, path: '/v1/plan' }
      : await previewQuestion(question.socket, file);
  if (way === 'agent') return (await requireAgent(asked)) as PlanReport;
  const answer = await askAgent(asked);
  if (answer.answered) return answer.body as PlanReport;
  return planHere(question, file ?? question.config);
}

async function previewQuestion(socket: string, file: string) {
  const [{ readHandedFile }, { sshClient }] = await Promise.all([
    import('../handed-file.js'),
    import('../ssh-client.js'),
  ]);
  return {
    socket,
    method: 'POST',
    path: '/v1/plan',
    query: { file, sshClient: sshClient() },
    body: await readHandedFile(file),
  } as const;
}

async function planHere(question: PlanQuestion, file: string): Promise<PlanReport> {
  const [{ readCluster, requireNode }, { withKernel }, { planOnce }, { sshClient }] =
    await Promise.all([
      import('../cluster-file.js'),
      import('../node-kernel.js'),
      import('../../agent/one-shot.js'),
      import('../ssh-client.js'),
    ]);
  const cluster = await readCluster(file);
  const node = requireNode(cluster, {
    text: question.node,
    option: '--node',
    isDefault: question.nodeIsDefault,
  }).name;
  return withKernel((kernel) => planOnce({ node, cluster, kernel, sshClient: sshClient() }));
}
