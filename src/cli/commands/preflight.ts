/** `preflight`: what would lose packets on this node, or in a whole cluster, before it does. */
import { Command } from '@commander-js/extra-typings';
import { agentSocket } from '../../agent/paths.js';
import type { CloudFacts } from '../../preflight/facts.js';
import type { PreflightReport } from '../../preflight/run.js';
import {
  clusterKeyOption,
  configOption,
  nodeOption,
  outputOption,
  runtimeDirOption,
  socketOption,
  stateDirOption,
} from '../options.js';
import type { StoreAccessFlags } from '../store-options.js';
import { withStoreAccess } from '../store-options.js';

export function preflightCommand() {
  const command = new Command('preflight')
    .summary('check what would lose packets here, before it does')
    .description(
      'Looks at this node from its kernel to its cloud: modules, privileges, forwarding, filters, ' +
        'MTU, devices and ports of others, programs that manage networks, security groups. Each ' +
        'check says what was found, what is needed, and the exact command. Nothing is changed, and ' +
        'no packet is sent but to the API of the provider that the file names.',
    )
    .addOption(configOption())
    .addOption(nodeOption())
    .option(
      '--cluster <file>',
      'the whole cluster of this file instead, by what it and the API tell',
    )
    .option('--no-cloud', "ask no provider's API")
    .option('--strict', 'warnings count as well for the exit code', false)
    .option('-a, --all', 'show what was skipped as well', false)
    .addOption(clusterKeyOption())
    .addOption(socketOption())
    .addOption(runtimeDirOption())
    .addOption(stateDirOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Examples:
  sudo selvage preflight
  sudo selvage preflight --config new.yaml --node aws-a-1 --no-cloud
  selvage preflight --cluster cluster.yaml
  selvage preflight -o json | jq '.checks[] | select(.status == "fail") | {id, found, fix}'

ok: as it should be · warn: loses nothing, but should be known · fail: loses packets, now or as soon
as the node is put to work · skip: no matter here, or it could not be looked at.

Exit code 1 means: something fails (with --strict also: something warns).
Exit code 3 also means: nothing fails, but this kernel could not be looked at.
The checks and their ids: selvage preflight --list`,
    )
    .option('--list', 'show the checks, a line each, and stop', false);
  return withStoreAccess(command).action(async (options, self) => {
    const source = (name: 'node' | 'socket') => self.getOptionValueSource(name);
    const [{ print, printAnswer }, { renderChecks, renderPreflight }, { exitCodes }] =
      await Promise.all([
        import('../output.js'),
        import('../render/preflight.js'),
        import('../exit-codes.js'),
      ]);
    if (options.list) {
      const { cloudChecks, nodeChecks } = await import('../../preflight/registry.js');
      print(renderChecks([...nodeChecks, ...cloudChecks]));
      return;
    }
    const socket = source('socket') === 'default' ? agentSocket(options) : options.socket;
    const nodeIsDefault = source('node') === 'default';
    const report =
      options.cluster === undefined
        ? await nodeReport({ ...options, socket, nodeIsDefault, store: options })
        : await clusterReport({
            ...options,
            file: options.cluster,
            nodeIsDefault,
            store: options,
          });
    const { output, all, strict } = options;
    await printAnswer(report, {
      output,
      render: (answer, terminal) => renderPreflight(answer, terminal, { all }),
    });
    const bad = report.worst === 'fail' || (strict && report.worst === 'warn');
    // Nothing was found because nothing could be looked at.
    const blind = report.checks.some(
      ({ id, status }) => id === 'kernel-access' && status === 'warn',
    );
    process.exitCode = bad ? exitCodes.found : blind ? exitCodes.unable : exitCodes.ok;
  });
}

interface NodeAsked {
  readonly store: StoreAccessFlags;
  readonly config: string;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly cloud: boolean;
  readonly clusterKey: string;
  readonly socket: string;
  readonly runtimeDir: string;
  readonly stateDir: string;
}

async function nodeReport(asked: NodeAsked): Promise<PreflightReport> {
  const [{ readCluster, requireNode }, { preflightHere }, { kernelAccessProblem }, { askAgent }] =
    await Promise.all([
      import('../cluster-file.js'),
      import('../../preflight/here.js'),
      import('../kernel-access.js'),
      import('../ask-agent.js'),
    ]);
  const { config: file, socket } = asked;
  const cluster = await readCluster(file, { store: asked.store });
  const { node: text, nodeIsDefault: isDefault } = asked;
  const node = requireNode(cluster, { text, option: '--node', isDefault });
  const { runtimeDir, stateDir, clusterKey: clusterKeyFile } = asked;
  return preflightHere({
    ...{ cluster, file, node },
    paths: { runtimeDir, stateDir, clusterKeyFile },
    agent: await agentAnswers((path) => askAgent({ socket, path }), node.name),
    cloud: asked.cloud ? await askCloud(cluster, node) : { absent: 'not asked (--no-cloud)' },
    refused: kernelAccessProblem(),
    now: new Date(),
  });
}

type NodeAgent = Parameters<typeof import('../../preflight/here.js').preflightHere>[0]['agent'];
type Ask = (path: string) => ReturnType<typeof import('../ask-agent.js').askAgent>;

/** Undefined: none answers, or one of another node. */
async function agentAnswers(ask: Ask, node: string): Promise<NodeAgent> {
  const status = await ask('/v1/status');
  if (!status.answered) return undefined;
  const plan = await ask('/v1/plan');
  if (!plan.answered) return undefined;
  const found = { status: status.body, plan: plan.body } as NonNullable<NodeAgent>;
  return found.status.node === node ? found : undefined;
}

async function clusterReport(asked: {
  readonly store: StoreAccessFlags;
  readonly file: string;
  readonly node: string;
  readonly nodeIsDefault: boolean;
  readonly cloud: boolean;
}): Promise<PreflightReport> {
  const [{ readCluster, requireNode }, { preflightCluster }] = await Promise.all([
    import('../cluster-file.js'),
    import('../../preflight/whole-cluster.js'),
  ]);
  const { file, node: text, nodeIsDefault: isDefault } = asked;
  const cluster = await readCluster(file, { store: asked.store });
  // An API is asked from a node of it; a desk that is none asks nobody.
  const here =
    isDefault && cluster.nodes.get(text) === undefined
      ? undefined
      : requireNode(cluster, { text, option: '--node', isDefault });
  const cloud = !asked.cloud
    ? { absent: 'not asked (--no-cloud)' }
    : here === undefined
      ? { absent: 'this machine is no node of the file: run it on one, or name it with --node' }
      : await askCloud(cluster, here);
  return preflightCluster({ cluster, file, cloud });
}

async function askCloud(
  cluster: Parameters<typeof import('../../preflight/read-cloud.js').readCloudHere>[0]['cluster'],
  node: Parameters<typeof import('../../preflight/read-cloud.js').readCloudHere>[0]['node'],
): Promise<CloudFacts | { readonly absent: string }> {
  const { readCloudHere } = await import('../../preflight/read-cloud.js');
  return readCloudHere({ cluster, node, signal: AbortSignal.timeout(cloudTimeoutMs) });
}

/** Metadata, some pages of an API, a retry. */
const cloudTimeoutMs = 30_000;
