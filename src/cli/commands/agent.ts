/** `agent`: the service itself. */
import { Command, Option } from '@commander-js/extra-typings';
import type { ClusterSource } from '../../agent/open-source.js';
import type { ListenAddress } from '../../http/listen-address.js';
import {
  clusterKeyOption,
  configOption,
  metricsListenOption,
  nodeOption,
  runtimeDirOption,
  socketOption,
  stateDirOption,
} from '../options.js';
import type { StoreFlags } from '../store-options.js';
import { storeRequest, withStoreOptions } from '../store-options.js';

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export function agentCommand() {
  const command = new Command('agent')
    .summary('run the agent of this node')
    .description(
      'Runs the agent of this node: keeps the kernel as the cluster file asks, repairs what others ' +
        'change, and answers the other commands on its socket. A changed file is read again at once ' +
        '(or on SIGHUP); a bad one is refused and the old one stays. With a store in place of the ' +
        'file it follows the fleet, and goes by what it knew when the store is out. When it stops, ' +
        'forwarding goes on.',
    )
    .addOption(configOption())
    .addOption(nodeOption())
    .addOption(clusterKeyOption())
    .addOption(socketOption())
    .addOption(runtimeDirOption())
    .addOption(stateDirOption())
    .addOption(metricsListenOption())
    .addOption(
      new Option(
        '--zone-traffic',
        'count packets and bytes by zone, native ones too, for the metrics; needs nftables, and costs each packet two look-ups',
      )
        .env('SELVAGE_ZONE_TRAFFIC')
        .default(false),
    )
    .addOption(
      new Option('--log-level <level>', 'how much to log, as JSON lines on standard output')
        .choices(logLevels)
        .default('info' as const),
    )
    .option('--flush-on-exit', 'remove everything from the kernel when it stops', false);
  return withStoreOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  selvage agent --config /etc/selvage/cluster.yaml --node rack-1
  selvage agent --store etcd://10.0.0.1:2379,10.0.0.2:2379/prod
  selvage agent --log-level debug | npx pino-pretty
  curl http://127.0.0.1:14789/metrics       what --metrics-listen is for`,
    )
    .action(async (options, command) => {
      const metricsListen = await readListen(options.metricsListen);
      const source = await sourceOf(options, (name) => command.getOptionValueSource(name));
      const named = command.getOptionValueSource('socket') !== 'default';
      const [{ boundYoungSpace }, { collectEarly }] = await Promise.all([
        import('../../agent/young-space.js'),
        import('../../agent/heap.js'),
      ]);
      // First of all: the heap has grown already when the rest is loaded.
      boundYoungSpace();
      collectEarly();
      const [{ requireKernelAccess }, { openSource }, { packageInfo }] = await Promise.all([
        import('../kernel-access.js'),
        import('../../agent/open-source.js'),
        import('../package-info.js'),
      ]);
      requireKernelAccess();
      const { node } = options;
      const opening = openSource(source, { node, release: packageInfo().version });
      // Told when it is waited for.
      opening.catch(() => undefined);
      const { runAgent } = await import('../../agent/run.js');
      await runAgent({
        source,
        opening,
        node,
        clusterKeyFile: options.clusterKey,
        // Otherwise the socket is in the runtime directory.
        socket: named ? options.socket : undefined,
        runtimeDir: options.runtimeDir,
        stateDir: options.stateDir,
        logLevel: options.logLevel,
        flushOnExit: options.flushOnExit,
        metricsListen,
        zoneTraffic: options.zoneTraffic,
      });
    });
}

/** What was typed goes before what the environment says, and that before what is there by default. */
async function sourceOf(
  options: StoreFlags & { readonly config: string },
  from: (option: 'config' | 'store' | 'storeFile') => string | undefined,
): Promise<ClusterSource> {
  const weight = (option: Parameters<typeof from>[0]): number =>
    ['env', 'cli'].indexOf(from(option) ?? '');
  const [file, store] = [weight('config'), Math.max(weight('store'), weight('storeFile'))];
  if (file >= 0 && file === store) {
    const { usageFailure } = await import('../failure.js');
    throw usageFailure('both --config and --store say where the cluster is; give one of them');
  }
  const request = file > store ? undefined : await storeRequest(options);
  return request === undefined
    ? { kind: 'file', path: options.config }
    : { kind: 'store', ...request };
}

async function readListen(text: string): Promise<ListenAddress | undefined> {
  if (text === 'off') return undefined;
  const [{ parseListenAddress }, { usageFailure }] = await Promise.all([
    import('../../http/listen-address.js'),
    import('../failure.js'),
  ]);
  try {
    return parseListenAddress(text);
  } catch (error) {
    throw usageFailure(`--metrics-listen: ${(error as Error).message}, or off`);
  }
}
