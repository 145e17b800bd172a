/** The options that several commands share, with one wording and one default each. */
import { hostname } from 'node:os';
import { Option } from '@commander-js/extra-typings';
import { parseSeconds } from './duration.js';
import { usageFailure } from './failure.js';
import {
  agentSocket,
  defaultClusterKeyFile,
  defaultConfigPath,
  defaultRuntimeDir,
  defaultStateDir,
} from '../agent/paths.js';

export const formats = ['table', 'json', 'yaml'] as const;
export type Format = (typeof formats)[number];

export const defaultSocket = agentSocket({ runtimeDir: defaultRuntimeDir });

export function outputOption() {
  return new Option('-o, --output <format>', 'how to print the answer')
    .choices(formats)
    .default('table' as const);
}

export function configOption() {
  return new Option('-c, --config <file>', 'the cluster file, or a directory of several')
    .env('SELVAGE_CONFIG')
    .default(defaultConfigPath);
}

/** For commands that take the file as an argument as well; it is asked for once. */
export function oneFile(
  argument: string | undefined,
  option: { readonly config: string; readonly isTyped: boolean },
): string {
  if (argument === undefined) return option.config;
  if (!option.isTyped) return argument;
  throw usageFailure(
    `both ${argument} and --config ${option.config} say which cluster is meant; give one of them`,
  );
}

export function nodeOption() {
  return new Option('-n, --node <node>', 'which node of the file this machine is')
    .env('SELVAGE_NODE')
    .default(hostname(), 'the host name');
}

export function clusterKeyOption() {
  return new Option(
    '--cluster-key <file>',
    "the secret by which agents answer each other's probes; without the file they answer none",
  )
    .env('SELVAGE_CLUSTER_KEY')
    .default(defaultClusterKeyFile);
}

export function socketOption() {
  return new Option('--socket <path>', "the agent's control socket")
    .env('SELVAGE_SOCKET')
    .default(defaultSocket);
}

export function runtimeDirOption() {
  return new Option('--runtime-dir <dir>', "for sockets and the workloads' settings")
    .env('SELVAGE_RUNTIME_DIR')
    .default(defaultRuntimeDir);
}

export function stateDirOption() {
  return new Option('--state-dir <dir>', "for the host's settings as they were before")
    .env('SELVAGE_STATE_DIR')
    .default(defaultStateDir);
}

export function whatIfOption() {
  return new Option(
    '--what-if <change>',
    "as if the cluster file had this change as well, e.g. 'zone eu-west-1a: {sourceDestinationCheck: disabled}'; may be repeated",
  )
    .argParser((text: string, before: readonly string[]) => [...before, text])
    .default([] as readonly string[], 'what is');
}

/** The forms of `--what-if`, for the help of the commands that have it. */
export const whatIfHelp = `
Changes of --what-if are YAML; a mapping is merged, null removes a key:
  zone NAME: {sourceDestinationCheck: disabled}     node NAME: {accepts: {ipip: none}}
  link A B: {modes: [vxlan]}                        provider aws: {mtu: 8500}
  rule NAME: {mode: ipip}                           rule NAME: remove
  rules: prepend {same: zone, mode: native}         cluster: {vxlan: {port: 8472}}`;

export function snapshotOption() {
  return new Option(
    '--snapshot <file>',
    'answer from a file of "selvage snapshot", as its node did then',
  );
}

export function watchOption() {
  return new Option(
    '-w, --watch [seconds]',
    'go on and show changes, looking this often; ^C ends it',
  )
    .argParser(parseSeconds)
    .preset('2');
}

export function managementOption() {
  return new Option(
    '--allow-management-cut',
    'go on although it would cut the way to this node that you came by',
  ).default(false);
}

/**
 * Beside the range 9100–9999, which is handed out in full to exporters; four of its digits are those of
 * the VXLAN port.
 */
const defaultMetricsListen = '127.0.0.1:14789';

export function metricsListenOption() {
  return new Option(
    '--metrics-listen <address>',
    'where /metrics, /healthz and /readyz are served over HTTP, to everybody who reaches it; or off',
  )
    .env('SELVAGE_METRICS_LISTEN')
    .default(defaultMetricsListen);
}

/** A file that was named is asked about itself; a socket that was named must answer. */
export type Way = 'file' | 'agent' | 'either';

/** What a profile sets by the environment is a default of its own, not a name that was typed. */
export function wayToAnswer(sourceOf: (option: 'config' | 'socket') => string | undefined): Way {
  const file = sourceOf('config') === 'cli';
  const agent = sourceOf('socket') === 'cli';
  if (file === agent) return 'either';
  return file ? 'file' : 'agent';
}
