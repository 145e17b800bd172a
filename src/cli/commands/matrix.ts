/** `matrix`: zone by zone, how packets go and how large they may be. */
import { Argument, Command, Option } from '@commander-js/extra-typings';
import type { Cluster } from '../../../encap/cluster.js';
import type { StatusReport } from '../../agent/status.js';
import type { HealthOf } from '../../verify/matrix-report.js';
import {
  configOption,
  oneFile,
  outputOption,
  socketOption,
  whatIfHelp,
  whatIfOption,
} from '../options.js';
import { withStoreAccess } from '../store-options.js';

export function matrixCommand() {
  const command = new Command('matrix')
    .summary('zone by zone, how packets go and how large they may be')
    .description(
      'For each zone as the sender and each as the receiver: native, ipip or vxlan, and the largest ' +
        'packet, as decided for every pair of nodes. Nothing but the file is read, and no packet is sent; ' +
        '--live adds what the agent has probed so far.',
    )
    .addArgument(new Argument('[file]', 'the cluster file, or etcd://…/CLUSTER'))
    .addOption(configOption())
    .addOption(new Option('--family <family>', 'only this IP family').choices(['4', '6'] as const))
    .option('--live', "beside the decision, what the probes of this node's agent have seen")
    .addOption(socketOption())
    .addOption(whatIfOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  selvage matrix cluster.yaml
  selvage matrix cluster.yaml --family 4 --what-if 'provider aws: {mtu: 1500}'
  selvage matrix cluster.yaml --live
  selvage matrix cluster.yaml -o json | jq '.cells[] | {from, to, way: .ways[0].text}'
${whatIfHelp}`,
    );
  return withStoreAccess(command).action(async (argument, options, self) => {
    const [{ readCluster }, { matrixReport }, { printAnswer }, { renderMatrix }] =
      await Promise.all([
        import('../cluster-file.js'),
        import('../../verify/matrix-report.js'),
        import('../output.js'),
        import('../render/matrix.js'),
      ]);
    const { family, whatIf, output, live, socket, config } = options;
    const isTyped = self.getOptionValueSource('config') === 'cli';
    const file = oneFile(argument, { config, isTyped });
    const cluster = await readCluster(file, { whatIf, store: options });
    const report = matrixReport(cluster, {
      basis: { file, ...(whatIf.length > 0 ? { whatIf } : {}) },
      health: live === true ? await liveHealth(cluster, socket) : undefined,
      families: family === undefined ? [4, 6] : family === '4' ? [4] : [6],
    });
    await printAnswer(report, { output, render: renderMatrix });
  });
}

async function liveHealth(cluster: Cluster, socket: string): Promise<HealthOf> {
  const [{ requireAgent }, { healthOf }] = await Promise.all([
    import('../ask-agent.js'),
    import('../../verify/health.js'),
  ]);
  const report = await requireAgent({ socket, path: '/v1/status' });
  return healthOf(cluster, [report as StatusReport]);
}
