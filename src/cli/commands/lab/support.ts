/** What the commands of `lab` share: their options, and the lab that they work on. */
import { Option } from '@commander-js/extra-typings';
import type { Cluster } from '../../../../encap/cluster.js';
import type { Lab } from '../../../lab/commands.js';
import type { ProgressDisplay } from '../../../lab/progress-display.js';

/** The lab's own default, said here so that help needs none of its code. */
export const defaultLab = 'default';

export function labOption() {
  return new Option('--lab <name>', 'name of the lab').default(defaultLab);
}

export function blackHoleOption() {
  return new Option(
    '--black-hole <zones>',
    'links that swallow oversize packets without an answer: all, or ZONE,ZONE (may be repeated)',
  )
    .argParser(collect)
    .default([] as string[]);
}

export function labStoreOption() {
  return new Option(
    '--store <kind>',
    'where the agents get the cluster from: the file, or an etcd of three members that the nodes join',
  )
    .choices(['file', 'etcd'] as const)
    .default('file' as const);
}

export interface BuildOptions {
  readonly file: string;
  readonly lab: string;
  readonly replace: boolean;
  readonly blackHole: readonly string[];
  readonly store: 'file' | 'etcd';
  readonly members?: Members;
}

/** Nodes that were named on the command line, and must be there before anything is built. */
type Members = readonly (string | undefined)[];

export async function buildLab(options: BuildOptions): Promise<Lab> {
  const [{ labUp }, { readCluster }] = await Promise.all([
    import('../../../lab/commands.js'),
    import('../../cluster-file.js'),
  ]);
  const cluster = await readCluster(options.file);
  await requireMembers(cluster, options.members);
  const blackHoles = await readBlackHoles(options.blackHole);
  return withProgress((display) =>
    labUp({
      lab: options.lab,
      cluster,
      configFile: options.file,
      replace: options.replace,
      store: options.store,
      blackHoles,
      onProgress: display.onProgress,
    }),
  );
}

export async function standingLab(
  name: string,
  options: { readonly members?: Members } = {},
): Promise<Lab> {
  const [{ labConfigFile, openLab }, { readCluster }] = await Promise.all([
    import('../../../lab/commands.js'),
    import('../../cluster-file.js'),
  ]);
  const cluster = await readCluster(labConfigFile(name));
  await requireMembers(cluster, options.members);
  return openLab(name, { cluster });
}

async function requireMembers(cluster: Cluster, members: Members = []): Promise<void> {
  const unknown = members.find((name) => name !== undefined && !cluster.nodes.get(name));
  if (unknown === undefined) return;
  const { usageFailure } = await import('../../failure.js');
  const names = [...cluster.nodes.values()].map((node) => node.name);
  throw usageFailure(`the lab has no node "${unknown}"; it has ${names.join(', ')}`);
}

/** Progress goes to standard error: standard output is for the answer. */
export async function withProgress<T>(work: (display: ProgressDisplay) => Promise<T>): Promise<T> {
  const { progressDisplay } = await import('../../../lab/commands.js');
  const display = progressDisplay(process.stderr);
  try {
    return await work(display);
  } finally {
    display.finish();
  }
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

async function readBlackHoles(
  values: readonly string[],
): Promise<'all' | readonly (readonly [string, string])[]> {
  if (values.includes('all')) return 'all';
  const pairs: [string, string][] = [];
  for (const value of values) {
    const [a, b, ...rest] = value.split(',');
    if (a === undefined || b === undefined || rest.length > 0 || a === '' || b === '') {
      const { usageFailure } = await import('../../failure.js');
      throw usageFailure(`--black-hole takes all, or two zones as ZONE,ZONE, not "${value}"`);
    }
    pairs.push([a, b]);
  }
  return pairs;
}
