/** `apply`: makes the kernel as a file asks, once or with a way back. An agent does it, if one runs. */
import { Argument, Command, Option } from '@commander-js/extra-typings';
import type { ApplyReport } from '../../agent/one-shot.js';
import { parseDuration } from '../duration.js';
import {
  configOption,
  managementOption,
  nodeOption,
  outputOption,
  runtimeDirOption,
  socketOption,
  stateDirOption,
} from '../options.js';

interface ReloadAnswer {
  readonly revision: number;
  readonly problems: readonly string[];
}

export function applyCommand() {
  return new Command('apply')
    .summary('make this kernel as a file asks, with a way back')
    .description(
      'Makes this kernel as the cluster file asks: guard, devices, peers, routes. Where an agent ' +
        'runs it is the only writer, so it is told to. With FILE, that file is checked, put in force ' +
        'and written over the configured one. With --confirm it is in force provisionally: peers that ' +
        'answered before are probed, and if one is lost, or nobody says "selvage confirm" in time, the ' +
        'previous state comes back. The configured file is not touched before it is confirmed.',
    )
    .addArgument(new Argument('[file]', 'a new cluster file; default: the configured one'))
    .addOption(
      new Option(
        '--confirm <time>',
        'go back unless confirmed within this time, e.g. 60s',
      ).argParser(parseDuration),
    )
    .addOption(
      new Option(
        '--allow-loss <nodes>',
        'peers, with commas, that the change is meant to cut',
      ).default('', 'none'),
    )
    .addOption(managementOption())
    .addOption(configOption())
    .addOption(nodeOption())
    .addOption(socketOption())
    .addOption(runtimeDirOption())
    .addOption(stateDirOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage plan new.yaml                   whom would it touch?
  sudo selvage apply new.yaml --confirm 60s && sudo selvage confirm
  sudo selvage apply --config cluster.yaml --node rack-1

Without an agent the command itself waits: answer y, or say "selvage confirm" elsewhere. Killed
outright (kill -9) it leaves the change in place: "selvage rollback" then takes it back.

Exit code 1 means: a part of it failed, it was rolled back, somebody else holds what is ours, or
somebody else's packet filter is in the way.
Exit code 3 also means: refused, nothing was changed.`,
    )
    .action(async (file, options, command) => {
      await refuseStore(file ?? options.config);
      const nodeIsDefault = command.getOptionValueSource('node') === 'default';
      if (file !== undefined || options.confirm !== undefined) {
        const { applyGuarded } = await import('../apply-guarded.js');
        await applyGuarded({ ...options, nodeIsDefault, file: file ?? options.config });
        return;
      }
      const [{ askAgent }, { printAnswer }, { renderApply, renderReload }, { exitCodes }] =
        await Promise.all([
          import('../ask-agent.js'),
          import('../output.js'),
          import('../render/changes.js'),
          import('../exit-codes.js'),
        ]);
      const answer = await askAgent({
        socket: options.socket,
        method: 'POST',
        path: '/v1/reload',
      });
      if (answer.answered) {
        const body = answer.body as ReloadAnswer;
        const report = { schema: 'selvage.reload/1', ...body } as const;
        await printAnswer(report, { output: options.output, render: renderReload });
        process.exitCode = body.problems.length === 0 ? exitCodes.ok : exitCodes.found;
        return;
      }
      const report = await applyHere({ ...options, nodeIsDefault });
      await printAnswer(report, { output: options.output, render: renderApply });
      const trouble = report.failed.length + report.skipped.length + report.foreign.length;
      process.exitCode = trouble + report.problems.length === 0 ? exitCodes.ok : exitCodes.found;
    });
}

/** A node of a fleet does what the store says; there is nothing to hand to it alone. */
async function refuseStore(file: string): Promise<void> {
  const [{ isStoreAddress }, { usageFailure }] = await Promise.all([
    import('../fleet-cluster.js'),
    import('../failure.js'),
  ]);
  if (!isStoreAddress(file)) return;
  throw usageFailure(
    `cannot apply ${file}: the nodes of a fleet follow its store by themselves; see what one would do with "selvage plan --config ${file}", and change all with "selvage config set"`,
  );
}

async function applyHere(options: {
  readonly config: string;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly allowManagementCut: boolean;
  readonly runtimeDir: string;
  readonly stateDir: string;
}): Promise<ApplyReport> {
  const [
    { readCluster, requireNode },
    { withRuntime },
    { applyOnce, planOnce },
    { noteApplied },
    { refuseCuts },
    { readHandedFile },
    { sshClient },
    { observeFrom },
    { cloudReadingFile },
  ] = await Promise.all([
    import('../cluster-file.js'),
    import('../node-kernel.js'),
    import('../../agent/one-shot.js'),
    import('../../agent/change-once.js'),
    import('../../agent/refuse-cuts.js'),
    import('../handed-file.js'),
    import('../ssh-client.js'),
    import('../../cloud/observe.js'),
    import('../../agent/paths.js'),
  ]);
  const cluster = await readCluster(options.config);
  const node = requireNode(cluster, {
    text: options.node,
    option: '--node',
    isDefault: options.nodeIsDefault,
  }).name;
  return withRuntime({ ...options, command: 'apply' }, async (runtime) => {
    const { kernel } = runtime;
    const observe = observeFrom(cloudReadingFile(options));
    const plan = await planOnce({ node, cluster, kernel, sshClient: sshClient(), observe });
    if (!options.allowManagementCut) refuseCuts(options.config, plan.managementCuts ?? []);
    const report = await applyOnce({ node, cluster, runtime, observe });
    noteApplied(options, { file: options.config, content: await readHandedFile(options.config) });
    return report;
  });
}
