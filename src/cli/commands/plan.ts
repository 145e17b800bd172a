/** `plan`: what would change in this kernel, and whom it would touch; nothing is written. */
import { dirname } from 'node:path';
import { Argument, Command } from '@commander-js/extra-typings';
import type { PlanReport } from '../../agent/plan-report.js';
import type { Way } from '../options.js';
import {
  configOption,
  managementOption,
  nodeOption,
  outputOption,
  snapshotOption,
  socketOption,
  wayToAnswer,
  whatIfHelp,
  whatIfOption,
} from '../options.js';
import type { StoreAccessFlags } from '../store-options.js';
import { withStoreAccess } from '../store-options.js';

export function planCommand() {
  const command = new Command('plan')
    .summary('what would change in this kernel, and whom it would touch')
    .description(
      'What would change in this kernel, as a diff, and whom it would touch: peers whose mode or ' +
        'MTU changes, devices made anew, prefixes that come and go. Nothing is written. Asks the ' +
        'agent of this node; with none, or with --config, it compares the file with the kernel ' +
        'itself (as root). A plan that would cut the way to this node (the SSH session it is asked ' +
        'from, the default gateway, the name servers) is refused.',
    )
    .addArgument(new Argument('[file]', 'a new cluster file; default: the configured one'))
    .addOption(whatIfOption())
    .addOption(managementOption())
    .addOption(snapshotOption())
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
  selvage plan --what-if 'rule cross-zone: {mode: ipip}'
                                          what a change would do here; nothing is touched
  selvage plan --snapshot case-17.json.gz elsewhere, as the node answered then
${whatIfHelp}

Exit code 1 means: something would change (the guard's rules included), somebody else holds what is
ours, or somebody else's packet filter is in the way.
Exit code 3 also means: it would cut the way to this node.`,
    );
  return withStoreAccess(command).action(async (file, options, self) => {
    const source = (name: 'config' | 'node' | 'socket') => self.getOptionValueSource(name);
    const [{ printAnswer }, { renderPlan }, { exitCodes }] = await Promise.all([
      import('../output.js'),
      import('../render/changes.js'),
      import('../exit-codes.js'),
    ]);
    const { snapshot } = options;
    const way = wayToAnswer(source);
    const nodeIsDefault = source('node') === 'default';
    const question: PlanQuestion = { ...options, file, nodeIsDefault, way, store: options };
    const report =
      snapshot === undefined
        ? await planAnswer(question)
        : await planOfSnapshot(snapshot, question);
    await printAnswer(report, { output: options.output, render: renderPlan });
    const sound =
      report.changes.length + report.foreign.length + report.problems.length === 0 &&
      report.guard === undefined;
    const cut = (report.managementCuts ?? []).length > 0 && !options.allowManagementCut;
    process.exitCode = cut ? exitCodes.unable : sound ? exitCodes.ok : exitCodes.found;
  });
}

interface PlanQuestion {
  readonly file: string | undefined;
  readonly whatIf: readonly string[];
  readonly config: string;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly socket: string;
  readonly way: Way;
  readonly store: StoreAccessFlags;
}

/** What the node itself answered; for another file, or a changed one, one has to ask there. */
async function planOfSnapshot(snapshot: string, question: PlanQuestion): Promise<PlanReport> {
  const [{ bundleOfFile }, { usageFailure }] = await Promise.all([
    import('../snapshot-source.js'),
    import('../failure.js'),
  ]);
  const { file, whatIf, way } = question;
  const other = file ?? (whatIf.length > 0 ? '--what-if' : way === 'file' ? '--config' : undefined);
  if (other !== undefined)
    throw usageFailure(
      `a snapshot holds the plan of its moment, which does not go with ${other}: ask the node itself, or "selvage diff" two files`,
    );
  return (await bundleOfFile(snapshot)).plan;
}

async function planAnswer(question: PlanQuestion): Promise<PlanReport> {
  const { file, way } = question;
  if (way === 'file' && file === undefined) return planHere(question, question.config);
  const { isStoreAddress } = await import('../fleet-cluster.js');
  // An agent is handed files; where the fleet's store is, it would be no news to it.
  if (file !== undefined && isStoreAddress(file)) return planHere(question, file);
  const { askAgent, requireAgent } = await import('../ask-agent.js');
  const asked =
    file === undefined ? await currentQuestion(question) : await previewQuestion(question, file);
  if (way === 'agent') return heeded((await requireAgent(asked)) as PlanReport, question);
  const answer = await askAgent(asked);
  if (answer.answered) return heeded(answer.body as PlanReport, question);
  return planHere(question, file ?? question.config);
}

/** An agent of an older release plans what is, and must not be taken for what would be. */
async function heeded(report: PlanReport, question: PlanQuestion): Promise<PlanReport> {
  if (question.whatIf.length === 0 || report.whatIf !== undefined) return report;
  const { unableFailure } = await import('../failure.js');
  throw unableFailure(
    'the running agent knows no --what-if: restart it, or plan with --config FILE',
  );
}

async function currentQuestion({ socket, whatIf }: PlanQuestion) {
  if (whatIf.length === 0) return { socket, path: '/v1/plan' } as const;
  const { sshClient } = await import('../ssh-client.js');
  return { socket, path: '/v1/plan', query: { whatIf, sshClient: sshClient() } } as const;
}

async function previewQuestion({ socket, whatIf }: PlanQuestion, file: string) {
  const [{ readHandedFile }, { sshClient }] = await Promise.all([
    import('../handed-file.js'),
    import('../ssh-client.js'),
  ]);
  return {
    socket,
    method: 'POST',
    path: '/v1/plan',
    query: { file, sshClient: sshClient(), whatIf },
    body: await readHandedFile(file),
  } as const;
}

async function planHere(question: PlanQuestion, file: string): Promise<PlanReport> {
  const [
    { readCluster, requireNode },
    { withKernel },
    { planOnce },
    { readNodeGuard },
    { sshClient },
    { observeFrom },
    { cloudReadingFile },
  ] = await Promise.all([
    import('../cluster-file.js'),
    import('../node-kernel.js'),
    import('../../agent/one-shot.js'),
    import('../../agent/read-guard.js'),
    import('../ssh-client.js'),
    import('../../cloud/observe.js'),
    import('../../agent/paths.js'),
  ]);
  const { whatIf, store } = question;
  const cluster = await readCluster(file, { whatIf, store });
  const node = requireNode(cluster, {
    text: question.node,
    option: '--node',
    isDefault: question.nodeIsDefault,
  }).name;
  const observe = observeFrom(cloudReadingFile({ runtimeDir: dirname(question.socket) }));
  const report = await withKernel((kernel) =>
    planOnce({ node, cluster, kernel, sshClient: sshClient(), readGuard: readNodeGuard, observe }),
  );
  return whatIf.length === 0 ? report : { ...report, whatIf };
}
