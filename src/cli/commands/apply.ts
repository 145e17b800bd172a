/** `apply`: makes the kernel as the file asks, once. Where an agent runs, it does it instead. */
import { Command } from '@commander-js/extra-typings';
import type { ApplyReport } from '../../agent/one-shot.js';
import {
  configOption,
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
    .summary('make this kernel as the file asks, once')
    .description(
      'Makes this kernel as the cluster file asks, once: guard, devices, peers, routes. Where an ' +
        'agent runs it is the only writer, so it is told to read its file again instead.',
    )
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
  selvage plan && echo nothing to do || sudo selvage apply
  sudo selvage apply --config cluster.yaml --node rack-1

Exit code 1 means: a part of it failed, or somebody else holds what is ours.`,
    )
    .action(async (options, command) => {
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
      const nodeIsDefault = command.getOptionValueSource('node') === 'default';
      const report = await applyHere({ ...options, nodeIsDefault });
      await printAnswer(report, { output: options.output, render: renderApply });
      const trouble = report.failed.length + report.skipped.length + report.foreign.length;
      process.exitCode = trouble + report.problems.length === 0 ? exitCodes.ok : exitCodes.found;
    });
}

async function applyHere(options: {
  readonly config: string;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly runtimeDir: string;
  readonly stateDir: string;
}): Promise<ApplyReport> {
  const [{ readCluster, requireNode }, { withRuntime }, { applyOnce }] = await Promise.all([
    import('../cluster-file.js'),
    import('../node-kernel.js'),
    import('../../agent/one-shot.js'),
  ]);
  const cluster = await readCluster(options.config);
  const node = requireNode(cluster, {
    text: options.node,
    option: '--node',
    isDefault: options.nodeIsDefault,
  }).name;
  return withRuntime(options, (runtime) => applyOnce({ node, cluster, runtime }));
}
